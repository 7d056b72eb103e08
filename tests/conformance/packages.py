"""Calibration data, `check`, `package` and `zoo` through the whole program, with plugins/calibrated.cpp as the chip: its artifact says what it was given."""

import hashlib
import json
import os
import pathlib
import shutil
import sys
import unittest

sys.path.insert(0, os.environ["LATHE_SOURCE_DIR"] + "/tests/support")
import schema  # noqa: E402
from program import BUILD, FAULTS, SOURCE, ProgramTest  # noqa: E402
from stand_in_compile import png  # noqa: E402
from tiny_onnx import attribute_ints, model, node, tensor, value_info  # noqa: E402

PLUGIN = FAULTS / "calibrated"
REAL = SOURCE.parent / "shared" / "models" / "vendor" / "degirum"


def classifier():
    """[1, 3, 8, 8] -> Conv -> Relu -> GlobalAveragePool, which goes to the host."""
    return model(
        [
            node("Conv", ["x", "w"], ["c"], "conv", [attribute_ints("pads", [1, 1, 1, 1])]),
            node("Relu", ["c"], ["r"], "relu"),
            node("GlobalAveragePool", ["r"], ["y"], "pool"),
        ],
        [value_info("x", (1, 3, 8, 8))],
        [value_info("y", (1, 4, 1, 1))],
        [tensor("w", (4, 3, 3, 3), [((i * 37) % 19 - 9) / 40 for i in range(108)])],
        metadata=[("names", "{0: 'a', 1: 'b', 2: 'c', 3: 'd'}")],
    )


class Base(ProgramTest):
    def setUp(self):
        super().setUp()
        self.model = self.write("small.onnx", classifier())
        self.pictures = self.folder / "pictures"
        for i in range(6):
            self.write(f"pictures/{i}.png", png(20, 10, i + 1))

    def run_lathe(self, *arguments):
        return self.lathe("--plugin", PLUGIN, *arguments)

    def run_json(self, name, *arguments, code=0):
        document = self.lathe_json("--plugin", PLUGIN, *arguments, code=code)
        if code in (0, 3) and "error" not in document:
            self.assertEqual(schema.problems(document, schema.load(SOURCE, name)), [])
        return document

    def compile(self, *arguments):
        return self.run_json("compile", "compile", self.model, "--target", "calibrated", "-o", "made", *arguments)

    def made(self, document):
        folder = pathlib.Path(document["package"])
        described = json.loads((folder / f"{folder.name}.json").read_text())
        manifest = json.loads((folder / "manifest.json").read_text())
        for name, what in [("package", described), ("manifest", manifest)]:
            self.assertEqual(schema.problems(what, schema.load(SOURCE, name)), [])
        return folder, described, manifest, json.loads((folder / described["MODEL_PARAMETERS"][0]["ModelPath"]).read_text())


class Calibration(Base):
    def test_pictures_reach_the_chip(self):
        folder, described, manifest, artifact = self.made(self.compile("--calibration", self.pictures))
        self.assertEqual(folder.name, "small--8x8_quant_calrt_large_1")
        self.assertEqual((artifact["samples"], artifact["pictures"], artifact["width"]), (6, True, 8))
        self.assertEqual(manifest["calibration"]["kind"], "pictures")
        hashes = "".join(hashlib.sha256((self.pictures / f"{i}.png").read_bytes()).hexdigest() + "\n" for i in range(6))
        self.assertEqual(manifest["calibration"]["sha256"], hashlib.sha256(hashes.encode()).hexdigest())
        self.assertIn("letterbox 8x8", manifest["preprocessing"])
        self.assertEqual(described["DEVICE"][0], {"DeviceType": "LARGE", "RuntimeAgent": "CALRT", "SupportedDeviceTypes": "CALRT/LARGE, CALRT/SMALL, CALRT/TINY"})
        self.assertEqual([p.name for p in sorted(folder.glob("*_post.*"))], [s["artifact"] for s in described["lathe"]["stages"]][1:])

    def test_the_same_data_in_any_form(self):
        _, _, _, whole = self.made(self.compile("--calibration", self.pictures))
        self.write("list.txt", "".join(f"pictures/{i}.png\n" for i in range(6)))
        self.write("data.yaml", "path: .\ntrain: pictures\nnames: {0: thing}\n")
        for data in ["list.txt", "data.yaml"]:
            _, _, _, artifact = self.made(self.compile("--calibration", self.folder / data))
            self.assertEqual(artifact["sum"], whole["sum"])

    def test_the_contract_is_the_persons(self):
        data = ["--calibration", self.pictures, "--mean", "10", "--scale", "1/2", "--color-order", "BGR", "--fit", "stretch"]
        _, described, _, artifact = self.made(self.compile(*data))
        self.assertEqual((artifact["mean"], artifact["scale"], artifact["bgr"], artifact["fit"]), (10, 0.5, 1, 0))
        before = described["PRE_PROCESS"][0]
        self.assertEqual((before["InputColorSpace"], before["InputPadMethod"]), ("BGR", "stretch"))
        # (pixel * coefficient - mean) / deviation is (pixel - 10) / 2.
        value = (110 * before["InputImgNormCoeff"] - before["InputImgMean"][0]) / before["InputImgStd"][0]
        self.assertAlmostEqual(value, 50, 4)

    def test_pixels_inside_the_artifact_are_not_normalised_again(self):
        _, described, _, _ = self.made(self.compile("--calibration", self.pictures, "--option", "pixels=true"))
        before = described["PRE_PROCESS"][0]
        self.assertEqual((before["InputQuantEn"], before["InputRawDataType"], before["InputTensorLayout"]), (True, "DG_UINT8", "NHWC"))
        self.assertFalse({"InputScaleEn", "InputImgNormEn", "InputNormEn"} & set(before))

    def test_none_too_few_random(self):
        line = ["compile", self.model, "--target", "calibrated", "-o", "made"]
        self.assert_fails(self.run_lathe(*line), 2, "needs data to measure ranges", "3 samples or more, better 5", "--calibration")
        for i in range(2, 6):
            (self.pictures / f"{i}.png").unlink()
        self.assert_fails(self.run_lathe(*line, "--calibration", self.pictures), 1, "wants at least 3, better 5")
        self.assert_nothing_left(self.folder / "made")
        _, _, manifest, artifact = self.made(self.compile("--calibration", "random:7:3"))
        self.assertEqual((artifact["samples"], manifest["calibration"]["seed"]), (7, 3))
        done = self.run_lathe(*line, "--calibration", "random")
        self.assertIn("64 random samples", done.stderr)
        _, _, _, artifact = self.made(self.compile("--precision", "float"))
        self.assertNotIn("samples", artifact)

    def test_what_is_no_use_is_said(self):
        self.write("pictures/broken.jpg", b"no picture")
        self.write("pictures/twice.png", png(20, 10, 1))
        done = self.run_lathe("compile", self.model, "--target", "calibrated", "-o", "made", "--calibration", self.pictures)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("broken.jpg", done.stderr)
        self.assertIn("twice.png", done.stderr)

    def test_mistyped(self):
        for words, code, text in [
            (["--calibration", "nowhere"], 1, "nowhere"),
            (["--calibration", "random:many"], 2, "'many' is no number"),
            (["--mean", "1,2"], 2, "the picture input has 3 channels"),
            (["--scale", "1/0"], 2, "no finite number"),
            (["--scale", "x"], 2, "'x' is no number"),
            (["--padding", "300"], 2, "--padding"),
            (["--fit", "bend"], 2, "--fit"),
        ]:
            self.assert_fails(self.run_lathe("compile", self.model, "--target", "calibrated", *words), code, text)


class Check(Base):
    def test_who_compiles_what_and_what_it_costs(self):
        document = self.run_json("check", "check", self.model, "--target", "calibrated", "--calibration", self.pictures)
        self.assertTrue(document["fits"])
        self.assertEqual([(n["operator"], n["verdict"]) for n in document["nodes"]], [("Conv", "accepted"), ("Relu", "accepted"), ("GlobalAveragePool", "host")])
        conv, _, pool = document["nodes"]
        self.assertEqual((conv["multiplications"], conv["parameters"]), (4 * 8 * 8 * 27, 108))
        self.assertEqual(pool["reason"], "only Conv and Relu are taken")
        part = document["parts"][0]
        self.assertEqual((part["target"], part["parameters"], part["features"]), ("calibrated:LARGE", 108, (3 + 4) * 64))
        self.assertEqual(document["calibration"], {"kind": "pictures", "given": 6, "used": 6})
        table = self.run_lathe("check", self.model, "--target", "calibrated")
        self.assertEqual(table.returncode, 0, table.stderr)
        self.assertIn("only Conv and Relu are taken ('pool')", table.stdout)
        self.assertIn("needs data to measure ranges", table.stderr)
        self.assertEqual([p.name for p in self.folder.glob(".lathe*")], [])

    def test_capacity(self):
        small = self.run_json("check", "check", self.model, "--target", "calibrated:small", "--calibration", self.pictures)
        texts = "\n".join(d["text"] for d in small["diagnostics"])
        self.assertTrue(small["fits"])
        self.assertIn("the weights will hardly fit calibrated:SMALL", texts)
        self.assertIn("the feature maps that live at the same time (most at 'conv') may not fit", texts)
        tiny = self.run_json("check", "check", self.model, "--target", "calibrated:tiny", "--calibration", self.pictures, code=3)
        self.assertFalse(tiny["fits"])
        self.assert_fails(self.run_lathe("compile", self.model, "--target", "calibrated:tiny", "--calibration", self.pictures), 3, "the weights cannot fit")

    def test_a_model_that_is_refused(self):
        self.write("pool.onnx", model([node("GlobalAveragePool", ["x"], ["y"], "pool")], [value_info("x", (1, 3, 8, 8))], [value_info("y", (1, 3, 1, 1))]))
        document = self.run_json("check", "check", "pool.onnx", "--target", "calibrated", "--precision", "float", code=3)
        self.assertFalse(document["fits"])
        self.assertIn("takes no part of this model", document["diagnostics"][-1]["text"])
        self.assert_fails(self.run_lathe("check", "nowhere.onnx", "--target", "calibrated"), 1, "nowhere.onnx")
        self.assert_fails(self.run_lathe("check", self.model, "--target", "calibratd"), 2, "did you mean 'calibrated'")


class Package(Base):
    def test_as_compile_would_have_left_it(self):
        folder, described, _, _ = self.made(self.compile("--calibration", self.pictures))
        elsewhere = self.folder / "elsewhere.cal"
        shutil.copy(folder / described["MODEL_PARAMETERS"][0]["ModelPath"], elsewhere)
        document = self.run_json("package-made", "package", elsewhere, "--from", self.model, "--target", "calibrated", "-o", "again")
        again, same, _, _ = self.made(document)
        self.assertEqual(again.name, folder.name)
        self.assertEqual(same, described)
        for file in folder.iterdir():
            if file.name != "manifest.json":
                self.assertEqual((again / file.name).read_bytes(), file.read_bytes(), file.name)

    def test_what_does_not_belong_is_refused(self):
        _, described, _, artifact = self.made(self.compile("--calibration", self.pictures))
        text = json.dumps(artifact) + "\n"
        for change, words in [
            (("[1, 3, 8, 8]", "[1, 3, 8, 9]"), "has no input for the model's 'x'"),
            (("[1, 4, 8, 8]", "[1, 5, 8, 8]"), "has no output for the model's 'r'"),
            (('"LARGE"', '"SMALL"'), "made for another device"),
            (('"CALRT"', '"OTHER"'), "for another runtime"),
            (("}\n", "}"), "ends too early"),
        ]:
            self.assertIn(change[0], text)
            self.write("other.cal", text.replace(*change))
            self.assert_fails(self.run_lathe("package", "other.cal", "--from", self.model, "--target", "calibrated", "-o", "none"), 1, words)
        self.assert_nothing_left(self.folder / "none")
        self.assert_fails(self.run_lathe("package", self.model, "--from", self.model, "--target", "calibrated"), 1, "no file of target 'calibrated'")
        notes = self.write("notes.txt", "nothing that a compiler writes")
        self.assert_fails(self.run_lathe("package", notes, "--from", self.model, "--target", "calibrated"), 1, "no installed plugin knows its kind", notes)
        self.assert_fails(self.run_lathe("package", "nowhere.cal", "--from", self.model, "--target", "calibrated"), 1, "nowhere.cal")
        self.assert_fails(self.run_lathe("package", "other.cal", "--target", "calibrated"), 2, "--from is missing")


class Zoo(Base):
    def setUp(self):
        super().setUp()
        line = ["compile", self.model, "--target", "calibrated", "--calibration", self.pictures, "--zoo", "zoo", "--name-prefix", "Net", "--model-version", "7"]
        done = self.run_lathe(*line)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.package = self.folder / "zoo" / "net--8x8_quant_calrt_large_7"
        self.document = self.package / f"{self.package.name}.json"

    def verdict(self, code=1):
        document = self.run_json("zoo", "zoo", "zoo", "verify", code=code)
        return document if "error" in document else "\n".join(d["severity"] + ": " + d["text"] for p in document["packages"] for d in p["diagnostics"])

    def change(self, change):
        described = json.loads(self.document.read_text())
        change(described)
        self.document.write_text(json.dumps(described))
        (self.package / "manifest.json").unlink(missing_ok=True)

    def test_list_add_verify(self):
        listed = self.run_json("zoo", "zoo", "zoo", "list")["packages"]
        self.assertEqual([(p["model"], p["device"], p["classes"], p["made_by_lathe"]) for p in listed], [(self.package.name, "LARGE", 4, True)])
        self.assertNotIn("error", self.verdict(code=0))
        added = self.run_json("zoo", "zoo", "second", "add", self.package)["added"]
        self.assertEqual(added, [f"second/{self.package.name}"])
        self.run_json("zoo", "zoo", "second", "add", self.document)  # again: replaced
        self.assertEqual(sorted(p.name for p in (self.folder / "second").iterdir()), [self.package.name])
        self.assertEqual(self.run_lathe("zoo", "second", "verify").stdout, f"{self.package.name}: sound\n")
        (next(self.package.glob("*.cal"))).write_text("{}")
        self.assert_fails(self.run_lathe("zoo", "third", "add", self.package), 1, "checksum")
        self.assert_nothing_left(self.folder / "third")

    def link(self, name):
        """The file moves out of the package, and a link takes its place."""
        (self.package / name).rename(self.folder / name)
        (self.package / name).symlink_to(self.folder / name)

    def test_damage(self):
        pristine = self.folder / "pristine"
        shutil.copytree(self.package, pristine)
        artifact = next(self.package.glob("*.cal")).name
        post = next(self.package.glob("*_post.*")).name

        def lines(key, section, value):
            return lambda d: d[section][0].__setitem__(key, value)

        cases = [
            (lambda: (self.package / artifact).write_text((pristine / artifact).read_text() + " "), "the checksum is not the artifact's"),
            (lambda: (self.package / post).unlink(), f"a stage's artifact '{post}' is missing"),
            (lambda: (self.package / post).write_bytes(b"other"), f"'{post}' is not the file that the manifest lists"),
            (lambda: (self.package / "labels_net.json").unlink(), "the labels 'labels_net.json' is missing"),
            (lambda: (self.package / "labels_net.json").write_text("[]"), "cannot be read"),
            (lambda: self.change(lambda d: d.pop("Checksum")), "the key 'Checksum' is missing"),
            (lambda: self.change(lambda d: d.update(ConfigVersion=99)), "newer than any framework knows"),
            (lambda: self.change(lines("InputPadMethod", "PRE_PROCESS", "letterboxed")), "none of its words"),
            (lambda: self.change(lines("InputPadMetod", "PRE_PROCESS", "letterbox")), "did you mean 'InputPadMethod'"),
            (lambda: self.change(lines("InputW", "PRE_PROCESS", "8")), "has another type"),
            (lambda: self.change(lines("InputW", "PRE_PROCESS", 9)), "another size than the JSON says"),
            (lambda: self.change(lines("ModelPath", "MODEL_PARAMETERS", "../x.cal")), "leaves the package's folder"),
            (lambda: self.change(lines("SupportedDeviceTypes", "DEVICE", "CALRT/SMALL")), "lacks the device that is chosen"),
            (lambda: self.change(lines("SupportedDeviceTypes", "DEVICE", "CALRT")), "is no list of devices"),
            (lambda: self.change(lines("OutputNumClasses", "POST_PROCESS", 2)), "labels for more classes"),
            (lambda: self.change(lambda d: d.update(DEVICE={})), "no list of objects"),
            (lambda: self.package.rename(self.package.parent / "renamed"), "no JSON of its name"),
            (lambda: self.document.unlink(), "no JSON of its name"),
            (lambda: self.document.write_text("[1, 2"), "error: "),
            (lambda: self.document.write_text("{}"), "is missing"),
            (lambda: (self.package / "notes.txt").write_text("mine"), "'notes.txt' lies in the package's folder"),
            (lambda: self.link(artifact), "is a link"),
            (lambda: self.link(post), "is a link"),
            (lambda: self.change(lambda d: d["lathe"].update(format=2)), "its 'format' is another one"),
            (lambda: self.change(lambda d: d.update(lathe=[])), "it is no object"),
            (lambda: self.change(lambda d: d["lathe"].update(stages=[])), "it has no stages"),
            (lambda: self.change(lambda d: d["lathe"].update(stages={})), "its 'stages' are no list"),
            (lambda: self.change(lambda d: d["lathe"].update(inputs=3)), "its 'inputs' are no list"),
            (lambda: self.change(lambda d: d["lathe"]["stages"][0].update(target=1)), "its 'stages' are no list"),
            (lambda: self.change(lambda d: d["lathe"]["stages"][0].update(inputs=[{"name": 1}])), "its 'inputs' are no list"),
            (lambda: self.change(lambda d: d["lathe"]["stages"][0].update(artifact="../../x")), "'../../x' is missing"),
            (lambda: self.change(lambda d: d["lathe"]["stages"].reverse() or d["lathe"]["stages"].pop()), "none of its stages"),
        ]
        for damage, words in cases:
            damage()
            said = self.verdict(code=0 if "notes.txt" in words else 1)
            self.assertIn(words, said)
            shutil.rmtree(self.folder / "zoo")
            shutil.copytree(pristine, self.package)

    def test_code_is_said_to_be_code(self):
        self.change(lambda d: d["POST_PROCESS"][0].update(PythonFile="after.py", MyOwnKey=1))
        self.assertIn("'after.py' is missing", self.verdict())
        (self.package / "after.py").write_text("class PostProcessor: pass\n")
        said = self.verdict(code=0)
        self.assertIn("warning: this package brings executable code, 'after.py'", said)
        self.assertIn("warning: the key 'MyOwnKey' in POST_PROCESS is not known", said)

    def test_mistyped(self):
        self.assert_fails(self.run_lathe("zoo", "nowhere", "list"), 1, "no folder 'nowhere'")
        self.assert_fails(self.run_lathe("zoo", "zoo", "check"), 2)
        self.assert_fails(self.run_lathe("zoo", "zoo", "add"), 2, "no package is named")
        self.assert_fails(self.run_lathe("zoo", "zoo", "add", "nowhere"), 1, "nowhere")
        (self.folder / "empty").mkdir()
        self.assert_fails(self.run_lathe("zoo", "empty", "verify"), 1, "no packages")

    def test_real_packages(self):
        if not REAL.exists():
            self.skipTest(f"{REAL} is not here")
        listed = self.run_json("zoo", "zoo", REAL, "list")["packages"]
        self.assertGreaterEqual(len(listed), 9)
        for package in REAL.iterdir():
            if any(f.suffix in (".n2x", ".xml", ".tflite") for f in package.iterdir()):
                shutil.copytree(package, self.folder / "real" / package.name)
        verdicts = {p["model"]: p for p in self.run_json("zoo", "zoo", "real", "verify", code=1)["packages"]}
        self.assertTrue(verdicts.pop("mobilenet_v2_generic_object--224x224_quant_n2x_cpu_1")["sound"])
        # The two others carry checksums that were never their artifacts', and came without all of their files.
        for verdict in verdicts.values():
            errors = [d["text"] for d in verdict["diagnostics"] if d["severity"] == "error"]
            self.assertIn("the checksum is not the artifact's: one of the two was changed", errors)
            self.assertEqual([e for e in errors if "checksum" not in e and "is missing" not in e], [])
            self.assertTrue(any("executable code, 'regression.py'" in d["text"] for d in verdict["diagnostics"]))


if __name__ == "__main__":
    unittest.main()
