"""Whole compiles for Axelera with a stand-in for axcompile: from models to packages, and every way in which the tool can fail."""

import os
import pathlib
import platform
import shutil
import sys
import unittest
import zipfile

sys.path.insert(0, str(pathlib.Path(os.environ["LATHE_SOURCE_DIR"]) / "tests" / "support"))
from stand_in_compile import StandInTest  # noqa: E402

STATUSES = {
    "INITIALIZE_CLI_ERROR": "does not take its arguments",
    "ONNX_GRAPH_CLEANER_ERROR": "cleaning of the ONNX graph",
    "QTOOLS_ERROR": "the quantiser fails",
    "GRAPH_EXPORTER_ERROR": "cannot be handed to the code generator",
    "TVM_FRONTEND_ERROR": "cannot read the quantised graph",
    "TOP_LEVEL_QUANTIZE_ERROR": "quantising fails",
    "LOWER_FRONTEND_ERROR": "its first step",
    "FRONTEND_TO_MIDEND_ERROR": "between its first and second step",
    "LOWER_MIDEND_ERROR": "its second step",
    "MIDEND_TO_TIR_ERROR": "before kernels are made",
    "LOWER_TIR_ERROR": "kernels cannot be made",
    "TIR_TO_RUNTIME_ERROR": "the program cannot be written",
    "TOP_LEVEL_LOWER_ERROR": "lowering fails",
    "SOMETHING_NEW": "a status that is not known here: SOMETHING_NEW",
}


class Axelera(StandInTest):
    target = "axelera:metis"
    stand_in = pathlib.Path(__file__).parent / "stand_in.py"
    executable = "axcompile"

    def setUp(self):
        if platform.machine() != "x86_64":
            self.skipTest("axcompile wants an x86-64 machine, and the plugin holds it to that")
        super().setUp()
        self.beside({"axelera-devkit": "1.6.0", "axelera-rt": "1.6.0"})

    def beside(self, packages):
        """The Python beside axcompile, with packages of these versions."""
        folder = self.folder / "packages"
        shutil.rmtree(folder, ignore_errors=True)
        for name, version in packages.items():
            information = folder / f"{name.replace('-', '_')}-{version}.dist-info"
            information.mkdir(parents=True)
            (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        python = self.tool.parent / "python3"
        python.write_text(f'#!/bin/sh\nPYTHONPATH="{folder}" exec /usr/bin/python3 -B "$@"\n')
        python.chmod(0o755)
        self.environment["LATHE_STAND_IN_SDK"] = packages.get("axelera-devkit", "1.6")[:3]

    def check(self, done, detector, suffix=".axm"):
        folder, _, artifact = self.package_of(done)
        self.assertEqual(artifact.suffix, suffix)
        said = self.lathe_json("inspect", artifact)
        self.assertIn("Axelera", said["format"])
        self.assertEqual(any("_post." in p.name for p in folder.iterdir()), detector, sorted(p.name for p in folder.iterdir()))
        self.verify_zoo()
        return artifact, said

    def test_small(self):
        done = self.compile(self.small_model())
        self.check(done, detector=False)
        warnings = [line for line in done.stderr.splitlines() if line.startswith("warning")]
        self.assertEqual([w for w in warnings if "too few samples" not in w], [])

    def test_folder(self):
        artifact, said = self.check(self.compile(self.small_model(), "--option", "result=folder"), False, ".zip")
        self.assertEqual(said["inputs"][0]["shape"], [1, 3, 64, 64])
        self.assertEqual(said["memory_inputs"][0]["shape"], [1, 64, 64, 4])
        with zipfile.ZipFile(artifact) as packed:
            self.assertIsNone(packed.testzip())
            self.assertIn("compiled_model/kernel_function.c", packed.namelist())

    def test_yolov8n(self):
        self.check(self.compile(self.shared("models", "pt", "yolov8n.pt")), detector=True)

    def test_yolo11n_seg(self):
        self.check(self.compile(self.shared("models", "pt", "yolo11n-seg.pt")), detector=True)

    def test_yolov5n(self):
        self.check(self.compile(self.shared("models", "pt", "yolov5n.pt")), detector=True)

    def test_classifier(self):
        self.check(self.compile(self.shared("models", "pt", "custom_yolov8n-cls_leaf_best.pt")), detector=False)

    def test_every_status_becomes_a_sentence(self):
        model = self.small_model()
        for status, words in STATUSES.items():
            with self.subTest(status):
                self.assert_fails_saying(self.compile(model, behaviour="failure-" + status), 1, words)

    def test_other_ends(self):
        model = self.small_model()
        for behaviour, code, words, options in (
            ("exit0-failure", 1, "kernels cannot be made", ()),
            ("no-report", 1, "left no report", ()),
            ("random", 1, "random numbers", ()),
            ("missing-module", 3, "incomplete", ()),
            ("crash", 1, "axcompile", ()),
            ("killed", 1, "axcompile", ()),
            ("unrecognized", 3, "does not know the arguments --imreader-backend", ()),
            ("log-alone", 1, "random numbers", ()),
            ("no-axm", 1, "result=folder", ()),
            ("garbage", 1, "no JSON", ("--option", "result=folder")),
            ("other-model", 1, "compiled another model", ("--option", "result=folder")),
        ):
            with self.subTest(behaviour):
                self.assert_fails_saying(self.compile(model, *options, behaviour=behaviour), code, words)

    def test_slow(self):
        self.check(self.compile(self.small_model(), behaviour="slow"), detector=False)

    def test_question(self):
        self.assert_fails_saying(self.compile(self.small_model(), behaviour="prompt"), 1, "y/n")

    def test_small_pictures(self):
        self.assert_fails_saying(self.compile(self.small_model(32)), 3, "smaller than 64x64", "32x32")

    def test_without_pictures(self):
        self.assert_fails_saying(self.compile(self.small_model(), calibration=False), 2, "calibration")

    def test_tool_is_absent(self):
        self.tool.unlink()
        self.environment["PATH"] = "/usr/bin:/bin"
        self.environment["HOME"] = str(self.folder)
        done = self.lathe("compile", self.small_model(), "--target", self.target, "-o", self.out, "--calibration", self.pictures)
        self.assert_fails_saying(done, 3, "axelera-devkit", "--emit bundle")

    def test_versions(self):
        model = self.small_model()
        done = self.compile(model)
        self.assertIn("metis-dkms 1.4.16", done.stderr)
        self.assertIn('"axelera-devkit": "1.6.0"', (self.package_of(done)[0] / "manifest.json").read_text())
        self.beside({"axelera-devkit": "1.5.2"})  # other names of keys
        self.check(self.compile(model), False)
        self.beside({})
        done = self.compile(model)
        self.check(done, False)
        self.assertIn("cannot be told", done.stderr)
        self.beside({"axelera-devkit": "1.8.0", "torch": "2.4.0"})
        done = self.compile(model)
        self.check(done, False)
        self.assertIn("torch 2.4.0 is not among those", done.stderr)
        self.assertIn("metis-dkms 1.6.2", done.stderr)

    def test_wrong_versions(self):
        model = self.small_model()
        self.assert_fails_saying(self.compile(model, "--option", "runtime-version=1.8"), 3, "of the Voyager SDK 1.8", "axelera-devkit 1.6.0")
        self.assert_fails_saying(self.compile(model, "--option", "runtime-version=new"), 2, "runtime-version")
        for packages, words in (
            ({"axelera-devkit": "1.2.5"}, "axelera-devkit 1.2.5 does not serve"),
            ({"axelera-devkit": "2.0.0"}, "axelera-devkit 2.0.0 does not serve"),
            ({"axelera-devkit": "1.8.0", "axelera-rt": "1.7.0"}, "axelera-rt 1.7.0 and axelera-devkit 1.8.0 are of different versions"),
        ):
            self.beside(packages)
            self.assert_fails_saying(self.compile(model), 3, words)

    def test_quantised_model(self):
        model = self.shared("models", "onnx", "yolov8n_int8_qdq.onnx")
        self.assert_fails_saying(self.compile(model), 3, "quantised already")

    def test_what_no_picture_becomes(self):
        """A part that could not be calibrated is refused before anything is written, by `lathe check` too."""
        model = self.shared("models", "onnx", "yolox_nano.onnx")  # begins with slices of two steps
        self.assert_fails_saying(self.compile(model), 3, "has to begin at the model's picture", "Slice has no steps")
        self.assertEqual(self.lathe("check", model, "--target", self.target).returncode, 3)

    def test_channels_last(self):
        self.assert_fails_saying(self.compile(self.small_model(), "--layout", "NHWC"), 3, "has its channels last", "leave out --layout NHWC")

    def test_wrong_options(self):
        model = self.small_model()
        self.assert_fails_saying(self.compile(model, "--option", "cores=5"), 2, "METIS has four")
        self.assert_fails_saying(self.compile(model, "--option", "resources=0.3"), 2, "0.25")

    def test_bundle(self):
        folder = self.bundle(self.small_model())
        code, said = self.run_bundle(folder, AXCOMPILE=str(self.tool))
        self.assertEqual(code, 0, said)
        self.wrap(folder / "model.axm", self.small_model())


unittest.main()
