"""Compiles for N2X: the refusal without a compiler, a stand-in for a private one, and files made elsewhere."""

import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(os.environ["LATHE_SOURCE_DIR"]) / "tests" / "support"))
import tiny_onnx  # noqa: E402
from stand_in_compile import StandInTest  # noqa: E402


class N2x(StandInTest):
    target = "n2x:cpu"
    stand_in = pathlib.Path(__file__).parent / "stand_in.py"
    executable = "private"

    def setUp(self):
        super().setUp()
        self.environment.pop("N2X_COMPILER", None)

    def check(self, done, detector, quantised):
        folder, description, artifact = self.package_of(done)
        self.assertEqual(artifact.suffix, ".n2x")
        said = self.lathe_json("inspect", artifact)
        self.assertEqual((said["format"], said["quantised"]), ("N2X", quantised))
        self.assertIn("_quant_" if quantised else "_float_", folder.name)
        self.assertEqual(any("_post." in p.name for p in folder.iterdir()), detector, sorted(p.name for p in folder.iterdir()))
        self.verify_zoo()
        return folder

    def test_small(self):
        self.check(self.compile(self.small_model(), "--precision", "quant"), False, True)
        self.check(self.compile(self.small_model(), "--precision", "float", calibration=False), False, False)

    def test_yolov8n(self):
        self.check(self.compile(self.shared("models", "pt", "yolov8n.pt"), "--precision", "quant"), True, True)

    def test_yolo11n_seg(self):
        self.check(self.compile(self.shared("models", "pt", "yolo11n-seg.pt"), "--precision", "quant"), True, True)

    def test_yolov5n(self):
        self.check(self.compile(self.shared("models", "pt", "yolov5n.pt"), calibration=False), True, False)

    def test_classifier(self):
        self.check(self.compile(self.shared("models", "pt", "custom_yolov8n-cls_leaf_best.pt"), calibration=False), False, False)

    def test_without_a_compiler(self):
        done = self.lathe("compile", self.small_model(), "--target", "n2x:orca1", "-o", self.out)
        self.assert_fails_saying(done, 3, "no compiler for N2X is public", "lathe package", "compiler=PATH", "--emit bundle")

    def test_int8_without_data(self):
        done = self.compile(self.small_model(), "--precision", "int8", calibration=False)
        self.check(done, False, True)
        self.assertIn("int8 without --calibration", done.stderr)

    def test_another_tool(self):
        """A path that is no program, and a message of the tool."""
        done = self.lathe("compile", self.small_model(), "--target", "n2x", "-o", self.out, "--option", "compiler=/nowhere/n2xc")
        self.assert_fails_saying(done, 3, "is not where the option 'compiler' says", "/nowhere/n2xc")
        self.assert_fails_saying(self.compile(self.small_model(), "--max-time", "3", behaviour="hang", calibration=False), 6)

    def test_other_ends(self):
        model = self.small_model()
        for behaviour, words in (
            ("failure", "this is what the compiler says"),
            ("exit0-failure", "model.n2x"),
            ("crash", "N2X compiler"),
            ("killed", "N2X compiler"),
            ("garbage", "no N2X file"),
            ("truncated", "damaged"),
            ("other-model", "compiled another model"),
        ):
            with self.subTest(behaviour):
                self.assert_fails_saying(self.compile(model, behaviour=behaviour, calibration=False), 1, words)

    def test_slow(self):
        self.check(self.compile(self.small_model(), behaviour="slow", calibration=False), False, False)

    def test_question(self):
        self.assert_fails_saying(self.compile(self.small_model(), behaviour="prompt", calibration=False), 1, "y/n")

    def test_mistakes_in_arguments(self):
        done = self.compile(self.small_model(), "--option", "arguments={modle}", calibration=False)
        self.assert_fails_saying(done, 2, "no such place: {modle}")

    def test_public_file_becomes_a_package(self):
        stem = "mobilenet_v2_generic_object--224x224_quant_n2x_cpu_1"
        real = self.shared("models", "vendor", "degirum", stem, stem + ".n2x")

        def model(classes):
            """A model with the ends of the file, which is all that can be held against it."""
            nodes = [tiny_onnx.node("GlobalAveragePool", ["images"], ["a"]), tiny_onnx.node("Flatten", ["a"], ["b"]), tiny_onnx.node("MatMul", ["b", "w"], ["y"])]
            ends = [tiny_onnx.value_info("images", [1, 3, 224, 224])], [tiny_onnx.value_info("y", [1, classes])]
            return self.write(f"ends{classes}.onnx", tiny_onnx.model(nodes, *ends, [tiny_onnx.tensor("w", [3, classes], [0.5] * 3 * classes)]))

        folder, _, artifact = self.wrap(real, model(631))
        self.assertEqual(artifact.read_bytes(), real.read_bytes())
        self.assertIn("n2x_cpu", folder.name)
        done = self.lathe("package", real, "--from", model(630), "--target", self.target, "-o", self.folder / "other")
        self.assert_fails(done, 1, "631")

    def test_bundle(self):
        folder = self.bundle(self.small_model(), calibration=False)
        code, said = self.run_bundle(folder, N2X_COMPILER=str(self.tool))
        self.assertEqual(code, 0, said)
        self.wrap(folder / "model.n2x", self.small_model())


unittest.main()
