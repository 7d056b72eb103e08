"""Whole compiles for HAILO with a stand-in for its Dataflow Compiler: from models to packages, and every way in which the tool can fail."""

import json
import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(os.environ["LATHE_SOURCE_DIR"]) / "tests" / "support"))
from stand_in_compile import StandInTest  # noqa: E402

SMALL = ("--width", "64", "--height", "64")

# What the stand-in plays, the exit code, words of ours.
FAILURES = {
    "failure-unsupported": (3, "the parser does not take the model: Unsupported op Einsum"),
    "failure-recommendations": (3, "recommends that it ends at /model.22/Concat_3", "head-cut"),
    "prompt": (1, "asks a question that nobody is there to answer", "(y/n)"),
    "failure-memory": (6, "graphics card's memory ran out", "optimization-level"),
    "failure-allocator": (3, "the network was not placed on the chip", "concat1"),
    "exit0-failure@compiler": (3, "the network was not placed on the chip"),
    "garbage@optimize": (1, "did not write the file"),
    "silent@parser": (1, "did not write the file"),
    "crash@optimize": (1, "was ended by signal 11"),
    "killed@optimize": (1, "was ended by signal 9", "out of memory"),
    "wrong-version": (3, "has a version that does not serve", "5.1.0", "at least 3.27, below 4"),
    "old-version": (3, "has a version that does not serve", "3.20.0"),
    "runtime-only": (3, "does not tell its version", "of HailoRT alone is another one"),
    "no-parser": (3, "the program of HailoRT alone"),
    "other-device": (1, "the HEF is for another device", "HAILO8L"),
    "missing-output": (1, "another number of outputs"),
    "damaged": (1, "the HEF is cut short"),
}


class Hailo(StandInTest):
    target = "hailo:hailo8l"
    stand_in = pathlib.Path(__file__).parent / "stand_in.py"
    executable = "hailo"
    pictures_wanted = 64

    def setUp(self):
        super().setUp()
        self.environment = {k: v for k, v in self.environment.items() if not k.startswith("HAILO")}
        self.environment["LATHE_STAND_IN_CALLS"] = str(self.folder / "calls")

    def place(self):
        """Found in PATH, without any option."""
        self.environment["PATH"] = f"{self.tool.parent}:/usr/bin:/bin"
        return []

    def compile(self, model, *options, **more):
        self.environment["PATH"] = "/usr/bin:/bin"
        return super().compile(self.shared("models", *model.split("/")), *options, **more)

    def calls(self):
        """What the tool was called with since the last time this was asked."""
        path = self.folder / "calls"
        found = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        path.unlink(missing_ok=True)
        return found


class Models(Hailo):
    """Checkpoints go through to a package: a HEF that inspect reads, the host's stage beside it, JSON keys as HailoRT packages have them."""

    def check(self, model, device, outputs, *options):
        folder, description, artifact, said = self.goes_through(model, *options, outputs=outputs, target=f"hailo:{device}")
        self.assertTrue(folder.name.endswith(f"_quant_hailort_{device}_1"), folder.name)
        self.assertEqual(artifact.suffix, ".hef")
        self.assertEqual(said["architecture"], device.upper())
        self.assertIn(device.upper(), said["devices"])
        self.assertEqual(said["inputs"][0]["shape"][3], 3)
        self.assertIs(description["PRE_PROCESS"][0].get("InputQuantEn"), True)
        parsing = next(c for c in self.calls() if c[0] == "parser")
        self.assertIn("-y", parsing)
        self.assertIn("--end-node-names", parsing)

    def test_yolov8n(self):
        self.check("pt/yolov8n.pt", "hailo8l", 6, "--width", "320", "--height", "320")

    def test_yolo11n_seg(self):
        self.check("pt/yolo11n-seg.pt", "hailo8", 10, "--width", "320", "--height", "320")

    def test_yolov5n(self):
        self.check("pt/yolov5n.pt", "hailo8", 6, "--width", "320", "--height", "320")

    def test_classifier(self):
        self.check("pt/custom_yolov8n-cls_leaf_best.pt", "hailo8l", 1)

    def test_yolox(self):
        self.check("onnx/yolox_nano.onnx", "hailo8", 9)


class Behaviours(Hailo):
    """Each way in which the tool fails, with exit code and sentence; nothing is left behind."""

    def test_failures(self):
        for behaviour, (code, *words) in FAILURES.items():
            with self.subTest(behaviour):
                self.assert_fails_saying(self.compile("pt/yolov8n.pt", *SMALL, behaviour=behaviour), code, *words)

    def test_warnings(self):
        for behaviour, words in (
            ("retry", "took a simplified one"),
            ("lower-level", "the compiler lowered its optimisation level to 0"),
            ("slow@optimize", ""),
        ):
            with self.subTest(behaviour):
                self.assert_takes_with(self.compile("pt/yolov8n.pt", *SMALL, behaviour=behaviour), words)

    def test_absent(self):
        done = self.compile("pt/yolov8n.pt", place=[])
        self.assert_fails_saying(done, 3, "Hailo Dataflow Compiler is not installed", "hailo.ai", "--emit bundle", "HAILO_COMPILER")

    def test_float(self):
        self.assert_fails_saying(self.compile("pt/yolov8n.pt", "--precision", "float32"), 2, "int8")


class Bundle(Hailo):
    """A bundle is made without the tool, and its run.sh has the tool do what a direct compile has it do."""

    def test_bundle(self):
        self.assert_takes_with(self.compile("pt/yolov8n.pt", *SMALL))
        direct = self.calls()
        folder = self.bundle("pt/yolov8n.pt", *SMALL, place=[]).rename(self.folder / "a bun&dle's")
        self.assertEqual(self.calls(), [], "the tool was run for a bundle")
        for name in ("run.sh", "model.onnx", "model.alls", "calibration.npy"):
            self.assertTrue((folder / name).exists(), name)
        code, said = self.run_bundle(folder)
        self.assertEqual(code, 3, said)
        self.assertIn("Hailo Dataflow Compiler is not here", said)
        self.place()
        for behaviour, words in (("wrong-version", "5.1.0"), ("exit0-failure@compiler", "was not placed on the chip")):
            code, said = self.run_bundle(folder, behaviour)
            self.assertEqual(code, 3, said)
            self.assertIn(words, said)
        self.calls()
        code, said = self.run_bundle(folder)
        self.assertEqual(code, 0, said)
        self.assertIn("lathe package", said)
        self.assertEqual(self.calls(), direct, "run.sh and the direct compile gave the tool different arguments")
        made, model = next(folder.glob("*.hef")), self.shared("models", "pt", "yolov8n.pt")
        packed, _, artifact = self.wrap(made, model, *SMALL)
        self.assertEqual(artifact.suffix, ".hef")
        self.assertTrue(list(packed.glob("*_post*")))
        other = self.lathe("package", made, "--from", model, "--target", self.target, "--width", "96", "--height", "64", "-o", self.folder / "other")
        self.assertNotEqual(other.returncode, 0, "a HEF of another size was packaged")


class Options(Hailo):
    """Suppression by HailoRT (files in two phases), a kept folder, and options that make no sense."""

    def test_suppression_by_the_runtime(self):
        model = "pt/custom_yolo11n_fruit_best.pt"
        _, description, artifact = self.package_of(self.compile(model, "--option", "nms=hailort", "--width", "320", "--height", "320"))
        said = self.lathe_json("inspect", artifact)
        nms = said["network_groups"][0]["nms"][0]
        self.assertEqual((nms["architecture"], nms["boxes_per_class"]), ("YOLOv8", 100))
        self.assertEqual(description["POST_PROCESS"][0]["OutputPostprocessType"], "DetectionYoloHailo")
        scores = [o["shape"][3] for o in said["outputs"] if o["shape"][3] != 64]
        self.assertEqual(set(scores), {nms["classes"]})
        done = self.compile(model, "--option", "nms=hailort", *SMALL, behaviour="failure-meta-arch")
        self.assert_fails_saying(done, 3, "does not know the head's architecture")
        self.assert_fails_saying(self.compile("pt/custom_yolov8n-cls_leaf_best.pt", "--option", "nms=hailort"), 3, "nms=off")

    def test_values(self):
        for option in ("optimization-level=5", "nms-iou=2", "nms-boxes=0"):
            self.assert_fails_saying(self.compile("pt/yolov8n.pt", "--option", option), 2, option.split("=")[0])

    def test_kept_folder_and_scripts(self):
        work = self.folder / "kept"
        small = ("pt/yolov8n.pt", *SMALL, "--option", f"work={work}")
        self.assert_fails_saying(self.compile(*small, behaviour="crash@compiler"), 1)
        self.assertEqual([c[0] for c in self.calls()], ["parser", "optimize", "compiler"])
        self.assert_takes_with(self.compile(*small))
        self.assertEqual([c[0] for c in self.calls()], ["compiler"])
        self.assertTrue((work / "hailo_sdk.client.log").exists(), "the tool's own logs are kept")
        extra = pathlib.Path(self.write("extra.alls", "allocator_param(timeout=10h)\n"))
        self.assert_takes_with(self.compile(*small, "--option", f"script={extra}", "--option", "output-bits=16"))
        self.assertEqual([c[0] for c in self.calls()], ["optimize", "compiler"])
        extra.write_text("not a command\n")
        self.assert_fails_saying(self.compile(*small, "--option", f"script={extra}"), 1, "does not take the script")

    def test_virtual_environment(self):
        done = self.compile("pt/yolov8n.pt", *SMALL, place=["--option", f"environment={self.tool.parent.parent}"])
        self.assert_takes_with(done)
        self.assertEqual(len(self.calls()), 3)
        done = self.compile("pt/yolov8n.pt", place=["--option", f"environment={self.folder}"])
        self.assert_fails_saying(done, 3, "is not where the virtual environment says")


if __name__ == "__main__":
    unittest.main()
