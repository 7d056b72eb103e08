"""lathe predict from the outside: the example detector on its pictures, what is written, and what goes wrong.

The same shape of tables as errors.py; it wants a target that runs on this machine.
"""

import json
import os
import pathlib
import shutil
import sys
import unittest

sys.path.insert(0, os.environ["LATHE_SOURCE_DIR"] + "/tests/support")
import schema  # noqa: E402
import tiny_onnx  # noqa: E402
from program import SOURCE, ProgramTest, png_of  # noqa: E402

EXAMPLES = SOURCE / "examples"


def overlap(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


MISTYPED = [
    ("predict", 2, ["ARTIFACT"]),
    ("predict {package}", 2, ["PICTURE"]),
    ("predict nowhere {picture}", 1, ["nowhere"]),
    ("predict {package} nowhere.png", 1, ["nowhere.png"]),
    ("predict {package} {empty_folder}", 1, ["holds no pictures"]),
    ("predict {package} {picture} --conf 2", 2, ["--conf", "0 to 1"]),
    ("predict {package} {picture} --iou -0.1", 2, ["--iou"]),
    ("predict {package} {picture} --max-det 0", 2, ["--max-det"]),
    ("predict {package} {picture} --classes circel", 2, ["no class 'circel'", "did you mean 'circle'"]),
    ("predict {package} {picture} --classes 17", 2, ["no class '17'"]),
    ("predict {package} {picture} -o {text}/sub", 1, ["notes.txt"]),
    ("predict {package} {own}/shapes_1.png -o {own}", 2, ["would replace the picture", "--output"]),
    ("predict {nameless} {picture}", 1, ["neither the model's task nor its classes", "lathe run"]),
    ("predict {library} {picture}", 1, ["belongs to no package"]),
    ("predict {broken} {picture}", 1, ["compile the model again"]),
    ("predict {vector} {picture}", 1, ["holds no picture"]),
]


class Predict(ProgramTest):
    @classmethod
    def setUpClass(cls):
        cls.made = {}

    def compile(self, model, *arguments):
        done = self.lathe("compile", model, "--verify", "off", "-o", "made", *arguments)
        if done.returncode == 3 or "no target" in done.stderr:
            self.skipTest("no installed target runs on this machine")
        self.assertEqual(done.returncode, 0, done.stderr)
        return pathlib.Path(done.stdout.splitlines()[-1]).parent

    def test_found_shapes(self):
        package = self.compile(EXAMPLES / "detector.onnx")
        pictures = EXAMPLES / "pictures"
        document = self.lathe_json("predict", package, pictures, "-o", "found", "--iou", "0.5")
        self.assertEqual(schema.problems(document, schema.load(SOURCE, "predict")), [])
        self.assertEqual(document["task"], "detect")
        self.assertEqual(document, json.loads((self.folder / "found" / "predictions.json").read_text()))
        self.assertEqual([pathlib.Path(p["picture"]).name for p in document["pictures"]], ["shapes_1.png", "shapes_2.png", "shapes_3.png"])
        for entry in document["pictures"]:
            wanted = json.loads(pathlib.Path(entry["picture"]).with_suffix(".json").read_text())
            found = [(d["label"], d["box"]) for d in entry["detections"] if d["score"] >= 0.5]
            self.assertEqual(sorted(label for label, _ in found), sorted(s["name"] for s in wanted["objects"]))
            for shape in wanted["objects"]:
                self.assertTrue(any(label == shape["name"] and overlap(box, shape["box"]) > 0.7 for label, box in found), f"{shape} in {found}")
            drawn = (self.folder / entry["drawing"]).read_bytes()
            self.assertTrue(drawn.startswith(b"\x89PNG"))
            self.assertNotEqual(drawn, pathlib.Path(entry["picture"]).read_bytes())

        # Only some classes, and the same twice: by name and by number.
        circles = [self.lathe_json("predict", package, pictures, "-o", "circles", "--classes", word) for word in ("circle,star", "0,3")]
        self.assertEqual(circles[0], circles[1])
        labels = {d["label"] for entry in circles[0]["pictures"] for d in entry["detections"]}
        self.assertTrue(labels and labels <= {"circle", "star"}, labels)
        self.assertEqual(sum(len(e["detections"]) for e in self.lathe_json("predict", package, pictures, "--max-det", "1")["pictures"]), 3)

        # For people: one line a picture, the file of results last.
        done = self.lathe("predict", package, pictures / "shapes_1.png", "-o", "lines")
        lines = done.stdout.splitlines()
        self.assertEqual(len(lines), 2)
        self.assertIn("shapes_1.png: ", lines[0])
        self.assertEqual(lines[1], "lines/predictions.json")

    def test_normalised_classifier(self):
        """A classifier as torchvision's are exported, with no word about its input: the options say it. Expected: PyTorch 1.13's numbers."""
        size, weights = 16, [((i * 37) % 19 - 9) / 20 for i in range(4 * 3 * 3 * 3)]
        nodes = [
            tiny_onnx.node("Conv", ["x", "w"], ["c"], "conv", [tiny_onnx.attribute_ints("pads", [1, 1, 1, 1])]),
            tiny_onnx.node("Relu", ["c"], ["r"]),
            tiny_onnx.node("GlobalAveragePool", ["r"], ["p"]),
            tiny_onnx.node("Flatten", ["p"], ["y"]),
        ]
        ends = [tiny_onnx.value_info("x", [1, 3, size, size])], [tiny_onnx.value_info("y", [1, 4])]
        model = self.write("classifier.onnx", tiny_onnx.model(nodes, *ends, [tiny_onnx.tensor("w", [4, 3, 3, 3], weights)]))
        picture = self.write("picture.png", png_of(size, size, lambda x, y: [(x * 13 + y * 7 + c * 40) % 256 for c in range(3)]))
        normalised = {
            "RGB": (["123.675,116.28,103.53", "0.01712475,0.017507,0.017429"], [0.3641965, 0.1902032, 0.2139039, 0.2316964]),
            "BGR": (["103.53,116.28,123.675", "0.017429,0.017507,0.01712475"], [0.3919719, 0.1807598, 0.2466752, 0.1805932]),
        }
        for order, ((mean, scale), expected) in normalised.items():
            package = self.compile(model, "--mean", mean, "--scale", scale, "--fit", "crop", "--color-order", order)
            found = self.lathe_json("predict", package, picture, "-o", "found")["pictures"][0]["classes"]
            self.assertEqual({c["label"] for c in found}, {f"class {i}" for i in range(4)})
            for c in found:
                self.assertAlmostEqual(c["score"], expected[c["class"]], delta=2e-5)
        package = self.compile(model)
        found = self.lathe_json("predict", package, picture, "-o", "found")["pictures"][0]["classes"]
        for c in found:
            self.assertAlmostEqual(c["score"], [0.3894001, 0.1787115, 0.2013617, 0.2305266][c["class"]], delta=2e-5)

    def test_one_bad_picture_does_not_cost_the_others(self):
        package = self.compile(EXAMPLES / "detector.onnx")
        bad = self.write("bad.png", b"\x89PNG\r\n\x1a\n and then nothing")
        good = EXAMPLES / "pictures" / "shapes_2.png"
        document = self.lathe_json("predict", package, bad, good, good, "-o", "found", code=1)
        self.assertEqual(schema.problems(document, schema.load(SOURCE, "predict")), [])
        self.assertIn("PNG", document["pictures"][0]["problem"][0]["text"])
        self.assertEqual(document["pictures"][1]["detections"], document["pictures"][2]["detections"])
        self.assertEqual([pathlib.Path(e["drawing"]).name for e in document["pictures"][1:]], ["shapes_2.png", "shapes_2_2.png"])
        self.assertFalse((self.folder / "found" / "bad.png").exists())

    def test_mistyped(self):
        package = self.compile(EXAMPLES / "detector.onnx")
        own, empty, broken = self.folder / "own", self.folder / "empty", self.folder / "broken"
        own.mkdir(), empty.mkdir(), shutil.copytree(package, broken)
        shutil.copy(EXAMPLES / "pictures" / "shapes_1.png", own)
        for file in broken.glob("detector*.json"):
            file.write_text('{"lathe": {"format": 1, "stages": 7}}')
        library = self.folder / "alone" / "detector.so"
        library.parent.mkdir()
        done = self.lathe("compile", EXAMPLES / "detector.onnx", "--verify", "off", "--emit", "library", "-o", library)
        self.assertEqual(done.returncode, 0, done.stderr)
        vector = tiny_onnx.model([tiny_onnx.node("Relu", ["x"], ["y"])], [tiny_onnx.value_info("x", (1, 7))], [tiny_onnx.value_info("y", (1, 7))])
        files = {
            "package": package,
            "picture": EXAMPLES / "pictures" / "shapes_1.png",
            "empty_folder": empty,
            "own": own,
            "broken": broken,
            "text": self.write("notes.txt", "these are notes\n"),
            "nameless": self.compile(self.write("nameless.onnx", tiny_onnx.relu())),
            "library": library,
            "vector": self.compile(self.write("vector.onnx", vector)),
        }
        for line, code, words in MISTYPED:
            with self.subTest(line):
                self.assert_fails(self.lathe(*line.format(**files).split()), code, *words)


if __name__ == "__main__":
    unittest.main()
