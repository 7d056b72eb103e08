"""Networks of other families than the chips' own tests use: each goes through the stand-in to a package that `lathe zoo verify` takes.

    models.py CHIP FOLDER    FOLDER holds the golden data: NAME/NAME.pt or NAME/model.onnx
"""

import pathlib
import sys
import unittest

from stand_ins import ChipTest

ChipTest.chip = sys.argv.pop(1)
GOLDEN = pathlib.Path(sys.argv.pop(1))


class Models(ChipTest):
    def through(self, name, post):
        model = next((p for p in (GOLDEN / name / f"{name}.pt", GOLDEN / name / "model.onnx") if p.exists()), None)
        if model is None:
            self.skipTest(f"{name} is not in {GOLDEN}")
        folder, _, _ = self.package_of(self.compile(model))
        self.assertEqual(any("_post." in p.name for p in folder.iterdir()), post, sorted(p.name for p in folder.iterdir()))
        self.verify_zoo()

    def test_end_to_end_head(self):
        self.through("yolo26n", True)

    def test_selection_head(self):
        self.through("yolov10n", True)

    def test_elan_blocks(self):
        self.through("yolov9t", True)

    def test_area_attention(self):
        """Some chips take only the part before the attention: the rest is computed on the host."""
        self.through("yolo12n", True)

    def test_keypoints(self):
        self.through("yolov8n-pose", True)

    def test_oriented_boxes(self):
        self.through("yolov8n-obb", True)

    def test_classifier_with_squeeze_and_excitation(self):
        self.through("tv_mobilenet_v3_small", False)


unittest.main()
