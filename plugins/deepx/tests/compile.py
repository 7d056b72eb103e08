"""Whole compiles for DEEPX with a stand-in for dxcom: from models to packages, and every way in which the tool can fail."""

import os
import pathlib
import platform
import shutil
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(os.environ["LATHE_SOURCE_DIR"]) / "tests" / "support"))
import tiny_onnx  # noqa: E402
from stand_in_compile import StandInTest  # noqa: E402

# Class names that DX-COM prints, a word of our sentence for each, and the exit code.
CLASSES = {
    "NotSupportError": ("does not take something in the model", 3),
    "ConfigFileError": ("cannot read the configuration", 5),
    "ConfigInputError": ("another input in the model", 5),
    "DatasetPathError": ("does not find the folder with calibration pictures", 1),
    "NodeNotFoundError": ("does not find a node", 1),
    "OSError": ("the system refuses", 1),
    "UbuntuVersionError": ("distribution", 3),
    "LDDVersionError": ("another C library", 3),
    "RamSizeError": ("more memory than this machine has", 3),
    "DiskSizeError": ("more room on the disk", 3),
    "NotsupportedPaddingError": ("padding", 3),
    "RequiredLibraryError": ("misses a library", 3),
    "DataNotFoundError": ("no calibration pictures", 1),
    "DataLoaderError": ("cannot make the model's input", 1),
}


class Deepx(StandInTest):
    target = "deepx:m1a"
    stand_in = pathlib.Path(__file__).parent / "stand_in.py"
    executable = "dxcom"

    def setUp(self):
        if platform.machine() != "x86_64" or shutil.disk_usage("/tmp").free < 8 << 30:
            self.skipTest("DX-COM wants an x86-64 machine with 8 GB of room, and the plugin holds it to that")
        super().setUp()

    def check(self, done, detector):
        folder, description, artifact = self.package_of(done)
        self.assertEqual(artifact.suffix, ".dxnn")
        said = self.lathe_json("inspect", artifact)
        self.assertEqual(said["format"], "DXNN")
        self.assertEqual(any("_post." in p.name for p in folder.iterdir()), detector, sorted(p.name for p in folder.iterdir()))
        # The compiled file takes bytes, height x width x channels, and normalises inside: the host must not do it again.
        before = description["PRE_PROCESS"][0]
        self.assertEqual(before.get("InputTensorLayout"), "NHWC")
        self.assertEqual(before.get("InputRawDataType"), "DG_UINT8")
        self.assertFalse(before.get("InputNormEn", False) or before.get("InputImgNormEn", False))
        self.verify_zoo()
        return folder, said

    def test_small(self):
        _, said = self.check(self.compile(self.small_model()), detector=False)
        self.assertEqual(said["tasks"][0]["opt_level"], "1")

    def test_yolov8n(self):
        self.check(self.compile(self.shared("models", "pt", "yolov8n.pt")), detector=True)

    def test_yolo11n_seg(self):
        self.check(self.compile(self.shared("models", "pt", "yolo11n-seg.pt")), detector=True)

    def test_yolov5n(self):
        self.check(self.compile(self.shared("models", "pt", "yolov5n.pt")), detector=True)

    def test_classifier(self):
        self.check(self.compile(self.shared("models", "pt", "custom_yolov8n-cls_leaf_best.pt")), detector=False)

    def test_every_error_class_becomes_a_sentence(self):
        model = self.small_model()
        for name, (words, code) in CLASSES.items():
            with self.subTest(name):
                self.assert_fails_saying(self.compile(model, behaviour="failure-" + name), code, words, "what the tool says")

    def test_other_ends(self):
        model = self.small_model()
        for behaviour, code, words in (
            ("exit0-failure", 1, "no calibration pictures"),
            ("log-alone", 3, "does not take something in the model"),
            ("unrecognized", 3, "does not know the arguments --gen_log"),
            ("missing-module", 3, "incomplete"),
            ("crash", 1, "DX-COM"),
            ("killed", 1, "DX-COM"),
            ("garbage", 1, "no DXNN file"),
            ("truncated", 1, "damaged"),
            ("other-model", 1, "compiled another model"),
            ("wrong-version", 3, "has a version that does not serve"),
        ):
            with self.subTest(behaviour):
                self.assert_fails_saying(self.compile(model, behaviour=behaviour), code, words)

    def test_what_no_picture_becomes(self):
        """Models whose part for the NPU could not be calibrated are refused before anything is written, by `lathe check` too."""
        slices = self.write(
            "first.onnx",
            tiny_onnx.model(
                [tiny_onnx.node("Abs", ["images"], ["a"], "the_first"), tiny_onnx.node("Relu", ["a"], ["y"], "relu")],
                [tiny_onnx.value_info("images", [1, 3, 64, 64])],
                [tiny_onnx.value_info("y", [1, 3, 64, 64])],
            ),
        )
        rows = self.write(
            "rows.onnx",
            tiny_onnx.model(
                [tiny_onnx.node("Relu", ["rows"], ["y"], "relu")], [tiny_onnx.value_info("rows", [1, 16, 96])], [tiny_onnx.value_info("y", [1, 16, 96])]
            ),
        )
        self.assert_fails_saying(self.compile(slices), 3, "the M1A has no Abs", "has to begin at the model's picture")
        for model, words in ((slices, "the M1A has no Abs"), (rows, "'rows' takes none")):
            checked = self.lathe("check", model, "--target", self.target)
            self.assertEqual(checked.returncode, 3, checked.stderr)
            self.assertIn(words, checked.stdout)

    def test_quantised_model(self):
        model = self.shared("models", "onnx", "yolov8n_int8_qdq.onnx")
        self.assert_fails_saying(self.compile(model), 3, "quantised already")

    def test_runtime_of_the_board(self):
        model = self.small_model()
        self.assert_fails_saying(self.compile(model, "--option", "runtime-version=2.9.5"), 3, "3.0.0", "2.9.5")
        self.assert_fails_saying(self.compile(model, "--option", "runtime-version=new"), 2, "runtime-version")
        self.check(self.compile(model, "--option", "runtime-version=3.3.2"), detector=False)

    def test_slow(self):
        self.check(self.compile(self.small_model(), behaviour="slow"), detector=False)

    def test_slow_activation(self):
        model = self.write(
            "prelu.onnx",
            tiny_onnx.model(
                [tiny_onnx.node("PRelu", ["images", "slope"], ["y"], "the_slow_one")],
                [tiny_onnx.value_info("images", [1, 3, 64, 64])],
                [tiny_onnx.value_info("y", [1, 3, 64, 64])],
                [tiny_onnx.tensor("slope", [3, 1, 1], [0.1, 0.2, 0.3])],
            ),
        )
        done = self.compile(model)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("PRelu is slow on this NPU; LeakyRelu or Relu are not: the_slow_one", done.stderr)

    def test_question(self):
        self.assert_fails_saying(self.compile(self.small_model(), behaviour="prompt"), 1, "y/n")

    def test_budget_ends_the_tool(self):
        self.assert_fails_saying(self.compile(self.small_model(), "--max-time", "3", behaviour="hang-until-killed"), 6)

    def test_checkpoint_goes_on(self):
        done = self.compile(self.small_model(), "--option", "quant-diagnosis=true")
        folder, _, artifact = self.package_of(done)
        checkpoint = self.folder / "kept.qxnn"
        checkpoint.write_bytes(artifact.with_suffix(".qxnn").read_bytes())
        again = self.compile(self.small_model(), "--option", f"checkpoint={checkpoint}", "--option", "recalibration-method=iqr")
        self.package_of(again)
        self.assert_fails(self.compile(self.small_model(), "--option", "recalibration-method=iqr"), 2, "checkpoint")

    def test_without_pictures(self):
        self.assert_fails_saying(self.compile(self.small_model(), calibration=False), 2, "calibration")

    def test_tool_is_absent(self):
        self.tool.unlink()
        self.environment["PATH"] = "/usr/bin:/bin"
        self.environment["HOME"] = str(self.folder)
        done = self.lathe("compile", self.small_model(), "--target", self.target, "-o", self.out, "--calibration", self.pictures)
        self.assert_fails_saying(done, 3, "dx-com", "--emit bundle")

    def test_bundle(self):
        folder = self.bundle(self.small_model())
        code, said = self.run_bundle(folder, DXCOM=str(self.tool))
        self.assertEqual(code, 0, said)
        self.wrap(folder / "out" / "model.dxnn", self.small_model())


unittest.main()
