"""`lathe inspect` of checkpoints: small ones whose every number is known, and real ones beside what Ultralytics prints of them."""

import os
import sys
import unittest

sys.path.insert(0, os.environ["LATHE_SOURCE_DIR"] + "/tests/support")
import schema  # noqa: E402
from program import SOURCE, ProgramTest  # noqa: E402
from torch_files import Call, Named, checkpoint, classifier, module, trained  # noqa: E402

MODELS = SOURCE.parent / "shared" / "models" / "pt"


class Small(ProgramTest):
    def test_numbers(self):
        document = self.lathe_json("inspect", self.write("best.pt", checkpoint(trained())))
        self.assertEqual(schema.problems(document, schema.load(SOURCE, "inspect")), [])
        self.assertEqual(document["task"], "classify")
        self.assertEqual(document["classes"], ["cat", "dog"])
        self.assertEqual(document["parameters"], 108 + 4 + 8)
        self.assertEqual(document["imgsz"], 32)
        # 16x16 places, 4 filters, 27 weights each; 2x4 in the matrix; two operations each
        self.assertAlmostEqual(document["gflops"], 2 * (16 * 16 * 4 * 27 + 8) / 1e9)
        self.assertEqual((document["version"], document["date"], document["license"][:8]), ("8.3.0", "2024-01-02T03:04:05.678901", "AGPL-3.0"))
        self.assertEqual(document["train_args"], {"task": "classify", "imgsz": 32, "epochs": 3, "lr0": 0.01})
        self.assertEqual([(m["from"], m["n"], m["parameters"], m["module"]) for m in document["modules"]],
                         [("-1", 1, 112, "ultralytics.nn.modules.conv.Conv"), ("-1", 1, 8, "ultralytics.nn.modules.head.Classify")])
        self.assertTrue(document["importable"])
        self.assertEqual([g for g in document["globals"] if not g["expected"]], [])

    def test_arguments_from_the_saved_description(self):
        yaml = {"nc": 2, "scales": {"n": [0.33, 0.0625, 1024]}, "scale": "n", "backbone": [[-1, 1, "Conv", [64, 3, 2]]], "head": [[-1, 1, "Classify", ["nc"]]], "ch": 3}
        document = self.lathe_json("inspect", self.write("best.pt", checkpoint(trained(classifier(yaml=yaml)))))
        self.assertEqual([m["arguments"] for m in document["modules"]], ["[3, 8, 3, 2]", "[8, 2]"])

    def test_a_network_that_cannot_be_built_is_described_all_the_same(self):
        network = classifier(head=module("my.fork.Strange", {}, {"act": module("my.fork.Layer")}, i=1, f=-1))
        path = self.write("best.pt", checkpoint(trained(network)))
        document = self.lathe_json("inspect", path)
        self.assertFalse(document["importable"])
        self.assertIn("my.fork.Strange", " ".join(document["problems"]))
        self.assertEqual((document["parameters"], len(document["modules"]), document["task"]), (112, 2, "classify"))
        self.assertNotIn("gflops", document)
        self.assertIn("! my.fork.Layer", self.lathe("inspect", path).stdout)

    def test_no_network_at_all(self):
        path = self.write("best.pt", checkpoint({"epoch": 3, "date": "today"}))
        done = self.lathe("inspect", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("holds no network", done.stdout)
        self.assertIn("today", done.stdout)

    def test_values_of_every_kind(self):
        arguments = {"imgsz": 32, "project": Call(Named("pathlib", "PosixPath"), "/", "runs", "cls"), "freeze": [1, 2], "escape": "a\x1b[2Jb", "when": None}
        document = self.lathe_json("inspect", self.write("best.pt", checkpoint(trained(train_args=arguments))))
        self.assertEqual(document["train_args"]["project"], "/runs/cls")
        self.assertEqual(document["train_args"]["freeze"], [1, 2])
        self.assertIsNone(document["train_args"]["when"])
        shown = self.lathe("inspect", self.folder / "best.pt").stdout
        self.assertNotIn("\x1b", shown)
        self.assertIn("project=/runs/cls", shown)


# What the real program says of them: parameters with batch norms apart; GFLOPs as twice the multiplications that it counts once they are folded.
KNOWN = {
    "yolov8n": ("detect", 3157200, 8.744, 23, "[80, [64, 128, 256]]", "8.0.0.dev0"),
    "yolo11n-seg": ("segment", 2876848, 9.740, 24, "[80, 32, 64, [64, 128, 256]]", "8.2.100"),
    "yolov5n": ("detect", 1872157, 4.468, 25, None, None),
    "custom_yolo11n_fruit_best": ("detect", 2590815, 6.315, 24, "[5, 16, None, [64, 128, 256]]", "8.4.107"),
    "custom_yolov8n-cls_leaf_best": ("classify", 1484404, 3.326, 10, "[256, 36]", "8.2.59"),
    "LeYOLONano": ("detect", 1120480, None, 36, None, "8.1.4"),
}


class Real(ProgramTest):
    def test_known_values(self):
        if not MODELS.is_dir():
            self.skipTest(f"{MODELS} is not here")
        for name, (task, parameters, gflops, modules, last, version) in KNOWN.items():
            with self.subTest(name):
                document = self.lathe_json("inspect", MODELS / f"{name}.pt")
                self.assertEqual(schema.problems(document, schema.load(SOURCE, "inspect")), [])
                self.assertEqual((document["task"], document["parameters"], document["imgsz"]), (task, parameters, 640))
                self.assertEqual(len(document["modules"]), modules)
                self.assertEqual(sum(m["parameters"] for m in document["modules"]), parameters)
                self.assertEqual(document.get("version"), version)
                if last:
                    self.assertEqual(document["modules"][-1]["arguments"], last)
                if gflops:  # that program leaves products of two activations out, and counts additions of poolings
                    self.assertLess(abs(document["gflops"] - gflops), 0.02 * gflops)
                else:
                    self.assertFalse(document["importable"])

    def test_the_table_of_yolov8n(self):
        if not MODELS.is_dir():
            self.skipTest(f"{MODELS} is not here")
        shown = [" ".join(line.split()) for line in self.lathe("inspect", MODELS / "yolov8n.pt").stdout.splitlines()]
        for line in (
            "0 -1 1 464 ultralytics.nn.modules.Conv [3, 16, 3, 2]",
            "4 -1 2 49664 ultralytics.nn.modules.C2f [64, 64, 2, True]",
            "9 -1 1 164608 ultralytics.nn.modules.SPPF [256, 256, 5]",
            "10 -1 1 0 torch.nn.modules.upsampling.Upsample [None, 2, 'nearest']",
            "11 [-1, 6] 1 0 ultralytics.nn.modules.Concat [1]",
            "12 -1 1 148224 ultralytics.nn.modules.C2f [384, 128, 1]",
            "22 [15, 18, 21] 1 897664 ultralytics.nn.modules.Detect [80, [64, 128, 256]]",
        ):
            self.assertIn(line, shown)


if __name__ == "__main__":
    unittest.main()
