"""Whole compiles for RKNN with a stand-in for rknn-toolkit2 that the plugin's own build.py imports: from models to packages, and every way to fail."""

import json
import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(os.environ["LATHE_SOURCE_DIR"]) / "tests" / "support"))
import virtual_environment  # noqa: E402
from program import npy  # noqa: E402
from stand_in_compile import StandInTest  # noqa: E402

# What the stand-in plays, the exit code, words of ours.
FAILURES = {
    "failure-config": (1, "config returned -1"),
    "failure-load": (1, "load_onnx returned -1"),
    "failure-opset": (3, "does not take models of opset 19", "opset=12"),
    "failure-regtask": (3, "too large for the NPU"),
    "failure-operator": (3, "Scan"),
    "failure-export": (1, "export_rknn returned -1"),
    "exit0-failure": (1, "reports an error", "Catch exception"),
    "record-alone": (3, "too large for the NPU"),
    "no-data": (1, "none of the calibration data"),
    "long-traceback": (1, "IndexError", "list index out of range"),
    "old-onnxruntime": (3, "takes models up to opset 15", "opset=12"),
    "new-onnx": (3, "too new", "onnx<1.19"),
    "traceback": (1, "ValueError", "too many values"),
    "prompt": (1, "asks a question", "[y/n]"),
    "crash": (1, "signal 6"),
    "killed": (1, "signal 9"),
    "nothing": (1, "did not write", "model.rknn"),
    "garbage": (1, "no .rknn file"),
    "wrong-target": (1, "another chip", "rk3562"),
    "wrong-shape": (1, "the shape of its output"),
}


class Rknn(StandInTest):
    target = "rknn:rk3588"
    executable = "python3"
    calibrates = False
    pictures_wanted = 24

    def install(self, version="2.3.2"):
        virtual_environment.make(self.tool.parent.parent, version)
        self.environment["RKNN_PYTHON"] = ""
        self.int8 = ["--precision", "int8", "--calibration", self.folder / "pictures"]

    def place(self):
        return ["--option", f"rknn.environment={self.tool.parent.parent}"]


class Models(Rknn):
    def check(self, name, *options, outputs, **more):
        folder, description, artifact, said = self.goes_through(self.shared("models", "pt", name), *options, outputs=outputs, **more)
        self.assertEqual(artifact.suffix, ".rknn")
        before = description["PRE_PROCESS"][0]
        self.assertEqual((before["InputRawDataType"], before["InputTensorLayout"]), ("DG_UINT8", "NHWC"))
        self.assertNotIn("InputScaleEn", before)
        # Mean and scale are in the artifact.
        self.assertEqual(said["inputs"][0]["std"], [255.0] * 3)
        return said

    def test_yolov8n(self):
        for device in ("rk3588", "rk3566"):
            self.assertEqual(self.check("yolov8n.pt", *self.int8, outputs=6, target=f"rknn:{device}")["target"], device)

    def test_yolo11n_seg(self):
        self.check("yolo11n-seg.pt", *self.int8, outputs=10)

    def test_yolov5n(self):
        self.check("yolov5n.pt", outputs=6)

    def test_classifier(self):
        self.check("custom_yolov8n-cls_leaf_best.pt", outputs=1)


class Behaviours(Rknn):
    def test_success(self):
        model = self.small_model()
        for options in ([], self.int8, ["--option", "rknn.opset=12"], ["--option", "rknn.runtime-version=2.3.2"]):
            self.goes_through(model, *options, outputs=1)
        for behaviour in ("slow", "renamed"):
            self.goes_through(model, behaviour=behaviour, outputs=1)
        self.assert_takes_with(self.compile(model, behaviour="fallback"), "runs on the board's processor")

    def test_failures(self):
        model = self.small_model()
        for behaviour, (code, *words) in FAILURES.items():
            with self.subTest(behaviour):
                self.assert_fails_saying(self.compile(model, behaviour=behaviour), code, *words)

    def test_calibration(self):
        model = self.small_model()
        self.assert_fails_saying(self.compile(model, *self.int8, behaviour="failure-dataset"), 1, "cannot read a calibration file")
        self.assert_fails_saying(self.compile(model, *self.int8, behaviour="ignored"), 1, "left calibration data out")
        self.assert_fails_saying(self.compile(model, "--precision", "int8"), 2, "--calibration")
        finished = self.write("finished.npy", npy([24, 3, 64, 64], [i % 97 / 97 for i in range(24 * 3 * 64 * 64)]))
        self.assert_fails_saying(self.compile(model, "--precision", "int8", "--calibration", finished), 2, "finished numbers")

    def test_versions(self):
        model = self.small_model()
        folder, _, _ = self.package_of(self.compile(model))
        facts = json.loads((folder / "manifest.json").read_text())["stages"][0]["facts"]
        self.assertEqual((facts["rknn-toolkit2"], facts["container"], facts["lowest-runtime"]), ("2.3.2", "6", "librknnrt 1.6"))
        self.assert_fails_saying(self.compile(model, "--option", "rknn.runtime-version=1.4.0"), 3, "librknnrt 1.6")
        self.assert_fails_saying(self.compile(model, target="rknn:rk3399"), 2, "RK3588")
        self.assert_fails_saying(self.compile(model, place=[]), 3, "rknn-toolkit2 is not installed", "--emit bundle")
        self.tool = self.folder / "old" / "bin" / "python3"
        self.install("1.6.0")
        self.assert_fails_saying(self.compile(model), 3, "1.6.0", "at least 2.3")

    def test_bundle(self):
        model = self.small_model()
        folder = self.bundle(model, *self.int8)
        for name in ("build.json", "build.py", "calibration", "model.onnx", "run.sh"):
            self.assertTrue((folder / name).exists(), name)
        folder = folder.rename(self.folder / "a b ü")  # a blank, at which the toolkit would end a path
        code, said = self.run_bundle(folder, RKNN_PYTHON=str(self.tool))
        self.assertEqual(code, 0, said)
        self.assertIn("lathe package", said)
        made = folder / "model.rknn"
        self.assertEqual(self.lathe_json("inspect", made)["outputs"][0]["type"], "int8")
        self.wrap(made, model, "--precision", "int8")
        other = self.lathe("package", made, "--from", model, "--target", "rknn:rk3566", "--precision", "int8", "-o", self.folder / "other")
        self.assert_fails(other, 1, "RK3566")

    def test_quantised_model(self):
        self.assert_fails_saying(self.compile(self.shared("models", "onnx", "yolov8n_int8_qdq.onnx")), 3, "quantised already", "--calibration")

    def test_check_needs_no_toolkit(self):
        model = self.shared("models", "pt", "custom_yolov8n-cls_leaf_best.pt")
        checked = self.lathe("check", model, "--target", "rknn:rk3566", "--width", "320", "--height", "320")
        self.assert_takes_with(checked, "run on the board's processor")
        self.assert_takes_with(self.lathe("check", self.small_model(), "--target", "rknn:rk3566"), "can be compiled")
        last = self.lathe("check", self.small_model(), "--target", "rknn", "--layout", "NHWC")
        self.assertEqual(last.returncode, 3)
        self.assertIn("leave out --layout NHWC", last.stderr)


if __name__ == "__main__":
    unittest.main()
