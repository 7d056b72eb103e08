"""Whole compiles for MEMRYX with a stand-in for mx_nc: from models to packages, and every way in which the tool can fail."""

import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(os.environ["LATHE_SOURCE_DIR"]) / "tests" / "support"))
import tiny_onnx  # noqa: E402
from stand_in_compile import StandInTest  # noqa: E402

# What the stand-in plays, the exit code, words of ours.
FAILURES = {
    "failure-layer": (3, "does not take an operator", "GridSample"),
    "failure-fit": (3, "does not fit the chips"),
    "log-alone": (3, "does not fit the chips"),
    "missing-module": (3, "incomplete"),
    "unrecognized": (3, "does not know the arguments --model_in_out"),
    "checker": (1, "finds the ONNX file wrong"),
    "failure-plain": (1, "exit code 7", "something else"),
    "traceback": (1, "ValueError", "bad graph"),
    "exit0-failure": (1, "mapper thread died"),
    "prompt": (1, "asks a question", "(y/n)"),
    "crash": (1, "signal 6"),
    "killed": (1, "signal 9"),
    "nothing": (1, "did not write", "model.dfp"),
    "garbage": (1, "no .dfp file"),
    "cut-short": (1, "damaged"),
    "wrong-chip": (1, "another generation"),
    "wrong-shape": (1, "the shape of its output"),
    "no-version": (3, "does not tell its version"),
}


class Memryx(StandInTest):
    target = "memryx:mx3"
    stand_in = pathlib.Path(__file__).parent / "stand_in.py"
    executable = "mx_nc"
    calibrates = False
    pictures_wanted = 0

    def install(self):
        super().install()
        self.environment["MEMRYX_COMPILER"] = ""

    def place(self):
        return ["--option", f"memryx.environment={self.tool.parent.parent}"]

    def compile(self, model, *options, version="2.2.5", **more):
        self.environment["LATHE_STAND_IN_VERSION"] = version
        return super().compile(model, *options, **more)


class Models(Memryx):
    def check(self, name, outputs, **more):
        folder, _, artifact, said = self.goes_through(self.shared("models", "pt", name), outputs=outputs, **more)
        self.assertEqual(artifact.suffix, ".dfp")
        self.assertIn("_float_memryx_mx3_1", folder.name)
        self.assertFalse((folder / "memryx.neural_compiler.log").exists(), "nothing of the tool stays")
        height, width, depth, channels = said["inputs"][0]["shape"]
        self.assertEqual((height, depth, channels), (width, 1, 3))
        self.assertEqual(said["chips"], 4)

    def test_yolov8n(self):
        self.check("yolov8n.pt", 6)

    def test_yolo11n_seg(self):
        self.check("yolo11n-seg.pt", 10)
        self.check("yolo11n-seg.pt", 10, version="2.1.0")

    def test_yolov5n(self):
        self.check("yolov5n.pt", 6)

    def test_classifier(self):
        self.check("custom_yolov8n-cls_leaf_best.pt", 1)


class Behaviours(Memryx):
    def test_success(self):
        model = self.small_model()
        self.goes_through(model, outputs=1, version="2.1.0")
        for behaviour in ("success", "slow", "renamed"):
            self.goes_through(model, outputs=1, behaviour=behaviour)
        self.assert_takes_with(self.compile(model, behaviour="approximated"), "approximates an operator")
        settings = ("chips=2", "effort=hard", "processes=3", "double-precision=true", "opset=13", "runtime-version=2.2.0")
        self.goes_through(model, *(word for s in settings for word in ("--option", f"memryx.{s}")), outputs=1)

    def test_failures(self):
        model = self.small_model()
        for behaviour, (code, *words) in FAILURES.items():
            with self.subTest(behaviour):
                self.assert_fails_saying(self.compile(model, behaviour=behaviour), code, *words)

    def test_versions(self):
        model = self.small_model()
        self.assert_fails_saying(self.compile(model, version="1.2.0"), 3, "1.2.0", "at least 2.0")
        self.assert_fails_saying(self.compile(model, "--option", "memryx.runtime-version=2.1"), 3, "the SDK 2.1", "2.2.5")
        self.assert_fails_saying(self.compile(model, place=[]), 3, "is not installed", "--emit bundle")

    def test_quantised(self):
        self.assert_fails_saying(self.compile(self.small_model(), "--precision", "int8"), 2, "bfloat16")
        nodes = [
            tiny_onnx.node("QuantizeLinear", ["images", "s"], ["q"], "quantise"),
            tiny_onnx.node("DequantizeLinear", ["q", "s"], ["d"], "back"),
            tiny_onnx.node("Relu", ["d"], ["y"], "last"),
        ]
        ends = [tiny_onnx.value_info("images", [1, 3, 32, 32])], [tiny_onnx.value_info("y", [1, 3, 32, 32])]
        model = self.write("quantised.onnx", tiny_onnx.model(nodes, *ends, [tiny_onnx.tensor("s", [], [0.1])]))
        self.assert_fails_saying(self.compile(model), 3, "quantised already")

    def test_bundle(self):
        model = self.small_model()
        folder = self.bundle(model)
        for name in ("model.onnx", "model_in_out.json", "run.sh"):
            self.assertTrue((folder / name).exists(), name)
        code, said = self.run_bundle(folder, MEMRYX_COMPILER=str(self.tool.parent))
        self.assertEqual(code, 0, said)
        self.assertIn("lathe package", said)
        self.assertEqual(self.lathe_json("inspect", folder / "model.dfp")["chips"], 4)
        self.wrap(folder / "model.dfp", model)

    def test_capacity(self):
        """A product with 10.56 million weights is more than one chip holds."""
        nodes, ends = [tiny_onnx.node("MatMul", ["x", "w"], ["y"])], ([tiny_onnx.value_info("x", [1, 3300])], [tiny_onnx.value_info("y", [1, 3200])])
        model = self.write("heavy.onnx", tiny_onnx.model(nodes, *ends, [tiny_onnx.tensor("w", [3300, 3200], [0.5] * 3300 * 3200)]))
        self.assert_takes_with(self.lathe("check", model, "--target", "memryx", "--option", "chips=1"), "more than the chips hold: 10560000")
        self.assertNotIn("more than the chips hold", self.lathe("check", model, "--target", "memryx", "--option", "chips=2").stderr)

    def test_check_needs_no_compiler(self):
        self.assert_takes_with(self.lathe("check", self.small_model(), "--target", "memryx"), "can be compiled", "42.00 M", "10.00 M")


if __name__ == "__main__":
    unittest.main()
