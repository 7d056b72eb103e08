"""Closed chips, as far as core prepares for them: where heads are cut, what goes to the host, what is said, what is refused.

The stand-in plugins/chip.cpp plays the chip: it takes everything but what its option `refuse` names.
"""

import json
import os
import pathlib
import shutil
import sys
import unittest

sys.path.insert(0, os.environ["LATHE_SOURCE_DIR"] + "/tests/support")
from program import BUILD, FAULTS, ProgramTest  # noqa: E402
from tiny_onnx import INT64, attribute_int, attribute_ints, attribute_text, model, node, tensor, value_info  # noqa: E402

CHIP = FAULTS / "chip"


def weights(name, *shape):
    count = 1
    for d in shape:
        count *= d
    return tensor(name, shape, [((i * 37) % 19 - 9) / 10 for i in range(count)])


def detector(batch=1):
    """Two scales with boxes and scores of their own, decoded by a sigmoid."""
    nodes = [
        node("Conv", ["x", "w0"], ["stem"], "stem", [attribute_ints("pads", [1, 1, 1, 1])]),
        node("Relu", ["stem"], ["fine"], "act"),
        node("MaxPool", ["fine"], ["coarse"], "pool", [attribute_ints("kernel_shape", [2, 2]), attribute_ints("strides", [2, 2])]),
    ]
    for scale, source in enumerate(["fine", "coarse"]):
        for what, w in [("box", "wb"), ("score", "ws")]:
            nodes.append(node("Conv", [source, w], [f"{what}{scale}"], f"head/{what}{scale}"))
            nodes.append(node("Reshape", [f"{what}{scale}", f"flat_{what}"], [f"flat_{what}{scale}"], f"flat/{what}{scale}"))
    nodes += [
        node("Concat", ["flat_box0", "flat_box1"], ["boxes"], "join/boxes", [attribute_int("axis", 2)]),
        node("Concat", ["flat_score0", "flat_score1"], ["scores"], "join/scores", [attribute_int("axis", 2)]),
        node("Sigmoid", ["scores"], ["sure"], "sure"),
        node("Concat", ["boxes", "sure"], ["y"], "join", [attribute_int("axis", 1)]),
    ]
    return model(
        nodes,
        [value_info("x", (batch, 3, 8, 8))],
        [value_info("y", (batch, 6, 80))],
        [weights("w0", 4, 3, 3, 3), weights("wb", 4, 4, 1, 1), weights("ws", 2, 4, 1, 1)]
        + [tensor(f"flat_{what}", (3,), [0, size, -1], INT64) for what, size in [("box", 4), ("score", 2)]],
    )


def chain():
    """Channels last, a convolution, something odd, a small rest."""
    return model(
        [
            node("Transpose", ["x"], ["t"], "turn", [attribute_ints("perm", [0, 3, 1, 2])]),
            node("Conv", ["t", "w"], ["c"], "conv"),
            node("Erf", ["c"], ["e"], "odd"),
            node("Relu", ["e"], ["y"], "last"),
        ],
        [value_info("x", (1, 8, 8, 3))],
        [value_info("y", (1, 4, 6, 6))],
        [weights("w", 4, 3, 3, 3)],
    )


class Chips(ProgramTest):
    def setUp(self):
        super().setUp()
        self.detector = self.write("detector.onnx", detector())
        self.chain = self.write("chain.onnx", chain())

    def compile(self, *arguments, code=0):
        return self.lathe_json("--plugin", CHIP, "compile", *arguments, "--target", "chip", "-o", "made", code=code)

    def said(self, document):
        return "\n".join(d["text"] for d in document["diagnostics"])

    def parts(self, document):
        return [(s["artifact"], s["target"].split(":")[0]) for s in document["stages"]]

    def trunk(self, document):
        """What the chip was given, as `lathe inspect` sees it."""
        artifact = (pathlib.Path(document["package"]) / document["stages"][[s["target"] for s in document["stages"]].index("chip:ONE")]["artifact"]).read_bytes()
        self.assertEqual(artifact[:4], b"CHIP")
        return self.lathe_json("inspect", self.write("trunk.onnx", artifact[4:]))

    def test_the_head_is_cut_and_decoded_on_the_host(self):
        document = self.compile(self.detector)
        stem = document["stem"]
        self.assertEqual(self.parts(document), [(f"{stem}.chip", "chip"), (f"{stem}_post.so", "llvm_cpu")])
        self.assertIn("cut at 4 tensors (box0, score0, box1, score1)", self.said(document))
        self.assertIn("the stages for the host agree with the model", document["verification"]["reason"])
        self.assertEqual(document["verification"]["state"], "skipped")
        self.assertEqual([o["name"] for o in self.trunk(document)["outputs"]], ["box0", "score0", "box1", "score1"])

    def test_the_cut_is_the_persons_to_choose(self):
        whole = self.compile(self.detector, "--option", "head-cut=off")
        self.assertEqual(len(whole["stages"]), 1)
        self.assertEqual(whole["artifact"], f"{whole['package']}/{whole['stem']}.chip")
        by_hand = self.compile(self.detector, "--option", "head-cut=boxes,join/scores")
        self.assertEqual([o["name"] for o in self.trunk(by_hand)["outputs"]], ["boxes", "scores"])
        options = json.loads((pathlib.Path(by_hand["package"]) / "manifest.json").read_text())["options"]
        self.assertEqual(options["head-cut"], "boxes,join/scores")
        self.assertIn("head-cut", self.lathe("--plugin", CHIP, "targets", "chip").stdout)
        done = self.lathe("--plugin", CHIP, "compile", self.detector, "--target", "chip", "--option", "head-cut=boxesx")
        self.assert_fails(done, 2, "no tensor or node 'boxesx'", "did you mean 'boxes'")
        done = self.lathe("compile", self.detector, "--option", "head-cut=auto")
        self.assert_fails(done, 2, "no target of this job cuts detection heads")

    def test_what_the_chip_does_not_take_stands_before_and_after(self):
        document = self.compile(self.chain, "--option", "refuse=Transpose,Erf")
        stem = document["stem"]
        self.assertEqual([p[0] for p in self.parts(document)], [f"{stem}_pre.so", f"{stem}.chip", f"{stem}_post.so"])
        said = self.said(document)
        self.assertIn("'turn' (Transpose): the chip has no Transpose", said)
        self.assertIn("'last' (Relu): it stands apart", said)  # one part is the chip's, and the convolution weighs more
        self.assertIn("no detection head was found", said)
        key = json.loads((pathlib.Path(document["package"]) / f"{stem}.json").read_text())["lathe"]
        self.assertEqual([[b["tensor"] for b in s["inputs"]] for s in key["stages"]], [["x"], ["t"], ["c"]])

    def test_a_chip_that_takes_nothing_refuses_the_model(self):
        done = self.lathe("--plugin", CHIP, "compile", self.chain, "--target", "chip", "--option", "refuse=Transpose,Conv,Erf,Relu", "-o", "made")
        self.assert_fails(done, 3, "the chip has no Conv", "target chip:ONE takes no part of this model")
        self.assert_nothing_left(self.folder / "made")

    def test_one_item_at_a_time(self):
        two = self.write("two.onnx", detector(2))
        done = self.lathe("--plugin", CHIP, "compile", two, "--target", "chip")
        self.assert_fails(done, 3, "computes one item at a time, and input 'x' holds 2", "export the model with a batch of 1")
        open_batch = self.write("open.onnx", detector("N"))
        self.assertIn("the first dimension of input 'x' is open and was taken as 1", self.said(self.compile(open_batch)))
        done = self.lathe("--plugin", CHIP, "compile", open_batch, "--target", "chip", "--shape", "x=2x3x8x8")
        self.assert_fails(done, 3, "holds 2", "--shape x=1x3x8x8")

    def test_a_stage_that_cannot_run_here_is_named(self):
        package = self.compile(self.detector)["package"]
        for command in [("run", package), ("predict", package, self.detector), ("bench", package)]:
            done = self.lathe(*command)
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertIn("stage 1 of 2, 'detector--8x8_float_chiprt_one_1.chip' for chip:ONE, cannot run here", done.stderr)

    def test_bundles_hold_what_the_tool_wants_and_nothing_for_the_host(self):
        for _ in range(2):  # the second replaces the first
            done = self.lathe("--plugin", CHIP, "compile", self.detector, "--target", "chip", "--emit", "bundle", "-o", "made")
            self.assertEqual(done.returncode, 0, done.stderr)
            bundle = pathlib.Path(done.stdout.strip().splitlines()[-1])
            self.assertEqual(bundle.name, "detector--8x8_float_chiprt_one_1_bundle")
            self.assertEqual(sorted(p.name for p in bundle.iterdir()), ["detector--8x8_float_chiprt_one_1.onnx", "manifest.json", "run.sh"])

    def test_the_opset_is_the_tools(self):
        self.assertEqual(self.trunk(self.compile(self.detector))["opsets"][""], 17)
        self.assertEqual(self.trunk(self.compile(self.detector, "--option", "opset=11"))["opsets"][""], 11)
        done = self.lathe("--plugin", CHIP, "compile", self.detector, "--target", "chip", "--option", "opset=18")
        self.assert_fails(done, 2, "cannot be handed opset 18", "11 to 17")

    def test_what_its_opset_cannot_say_goes_to_the_host(self):
        smooth = model(
            [
                node("Conv", ["x", "w"], ["c"], "conv"),
                node("Resize", ["c", "", "s"], ["r"], "shrink", [attribute_int("antialias", 1), attribute_text("mode", "linear")]),
                node("Relu", ["r"], ["y"], "last"),
            ],
            [value_info("x", (1, 3, 10, 10))],
            [value_info("y", (1, 4, 4, 4))],
            [weights("w", 4, 3, 3, 3), tensor("s", (4,), [1, 1, 0.5, 0.5])],
            opset=18,
        )
        document = self.compile(self.write("smooth.onnx", smooth))
        self.assertEqual([p[0] for p in self.parts(document)], [f"{document['stem']}.chip", f"{document['stem']}_post.so"])
        self.assertIn("'shrink' (Resize): it cannot be expressed at opset 17: its attribute 'antialias' came with opset 18", self.said(document))
        self.assertEqual([o["name"] for o in self.trunk(document)["outputs"]], ["c"])

    def test_options_precision_and_triple_of_the_host(self):
        document = self.compile(self.detector, "--precision", "int8", "--option", "level=2", "--host-triple", "aarch64-linux-gnu")
        self.assertEqual([s["precision"] for s in document["stages"]], ["int8", "float32"])
        package = pathlib.Path(document["package"])
        settings = json.loads((package / "manifest.json").read_text())["stages"][1]["settings"]
        self.assertEqual(settings["level"], "2")
        machine = (package / document["stages"][1]["artifact"]).read_bytes()[18:20]
        self.assertEqual(machine, b"\xb7\x00")  # EM_AARCH64
        if shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64"):  # the board's stage ran, on what the reference computed for the chip
            self.assertIn("the stages for the host agree with the model", document["verification"]["reason"])

    def test_what_nobody_uses_stops_no_chip(self):
        old = model(
            [
                node("Conv", ["x", "w"], ["c"], "conv"),
                node("Dropout", ["c"], ["d", "mask"], "drop"),
                node("Conv", ["d", "v"], ["y"], "last"),
            ],
            [value_info("x", (1, 3, 8, 8))],
            [value_info("y", (1, 4, 4, 4))],
            [weights("w", 4, 3, 3, 3), weights("v", 4, 4, 3, 3)],
            opset=9,
        )
        document = self.compile(self.write("old.onnx", old), "--option", "refuse=Dropout")
        self.assertEqual(len(document["stages"]), 1)

    def test_a_heavy_part_on_the_host_is_a_warning(self):
        document = self.compile(self.chain, "--option", "refuse=Transpose,Erf")
        self.assertNotIn("of the model's work falls to the host", self.said(document))
        heavy = model(
            [
                node("Conv", ["x", "w"], ["c"], "conv"),
                node("Erf", ["c"], ["e"], "curve"),
                node("Conv", ["e", "v"], ["f"], "second"),
                node("Erf", ["f"], ["g"], "again"),
                node("Conv", ["g", "v"], ["y"], "third"),
            ],
            [value_info("x", (1, 3, 16, 16))],
            [value_info("y", (1, 4, 10, 10))],
            [weights("w", 4, 3, 3, 3), weights("v", 4, 4, 3, 3)],
        )
        document = self.compile(self.write("heavy.onnx", heavy), "--option", "refuse=Erf")
        warnings = [d for d in document["diagnostics"] if d["severity"] == "warning" and "of the model's work falls to the host" in d["text"]]
        self.assertEqual(len(warnings), 1, document["diagnostics"])
        self.assertIn("chip:ONE computes the rest", warnings[0]["text"])


if __name__ == "__main__":
    if not (CHIP / "chip.so").exists():
        sys.exit(f"the test plugins are not built: {FAULTS}")
    if not (BUILD / "lib/lathe/plugins/llvm_cpu.so").exists():
        print("SKIPPED: no target is built that runs on this machine")
        sys.exit(77)
    unittest.main(verbosity=1)
