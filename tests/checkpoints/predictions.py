"""What `lathe predict` makes of checkpoints: a classifier of YOLOv5's kind against sums written out (and PyTorch, where it is installed), and the mean
average precision of a real detector over labelled pictures.
"""

import json
import math
import os
import pathlib
import sys
import unittest

sys.path.insert(0, os.environ["LATHE_SOURCE_DIR"] + "/tests/support")
from program import BUILD, SOURCE, ProgramTest, png_of  # noqa: E402
from torch_files import BIASES, MATRIX, WEIGHTS, checkpoint, classifier, module, parameter, tensor, trained, Storage  # noqa: E402

SHARED = SOURCE.parent / "shared"
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's
SIDE = 32


def colour(x, y):
    """The square that the network is to see; other pixels lie around it."""
    if not (0 <= x < SIDE and 0 <= y < SIDE):
        return 255, 0, 255
    return (x * 8, y * 8, (x * y) % 256)


def yolov5_classifier():
    nn = "torch.nn.modules."
    identity = lambda: module(nn + "linear.Identity")  # noqa: E731
    matrix, bias = parameter(tensor(Storage("Float", MATRIX), (2, 4))), parameter(tensor(Storage("Float", [0.25, -0.5]), (2,)))
    head = module(
        "models.common.Classify",
        {},
        {
            "conv": module("models.common.Conv", {}, {"conv": identity(), "act": identity()}),
            "pool": module(nn + "pooling.AdaptiveAvgPool2d", output_size=1),
            "drop": module(nn + "dropout.Dropout", p=0.0, inplace=True),
            "linear": module(nn + "linear.Linear", {"weight": matrix, "bias": bias}, in_features=4, out_features=2),
        },
        i=1,
        f=-1,
        type="models.common.Classify",
    )
    return trained(classifier(head=head))


def softmax(logits):
    powers = [math.exp(v - max(logits)) for v in logits]
    return [p / sum(powers) for p in powers]


def by_sums():
    """The scores of the two classes for the square of colour(x, y)."""
    image = [[[(colour(x, y)[c] / 255 - MEAN[c]) / DEVIATION[c] for x in range(SIDE)] for y in range(SIDE)] for c in range(3)]
    features = []
    for filter_, bias in enumerate(BIASES):
        total = 0
        for oy in range(0, SIDE, 2):
            for ox in range(0, SIDE, 2):
                value = bias
                for c in range(3):
                    for ky in range(3):
                        for kx in range(3):
                            y, x = oy + ky - 1, ox + kx - 1
                            if 0 <= y < SIDE and 0 <= x < SIDE:
                                value += image[c][y][x] * WEIGHTS[((filter_ * 3 + c) * 3 + ky) * 3 + kx]
                total += value / (1 + math.exp(-value))
        features.append(total / (SIDE // 2) ** 2)
    return softmax([sum(f * m for f, m in zip(features, MATRIX[k * 4 : k * 4 + 4])) + (0.25, -0.5)[k] for k in range(2)])


def by_torch():
    import torch

    pixels = torch.tensor([[colour(x, y) for x in range(SIDE)] for y in range(SIDE)], dtype=torch.float32).permute(2, 0, 1) / 255
    image = ((pixels - torch.tensor(MEAN)[:, None, None]) / torch.tensor(DEVIATION)[:, None, None])[None]
    y = torch.nn.functional.silu(torch.nn.functional.conv2d(image, torch.tensor(WEIGHTS).view(4, 3, 3, 3), torch.tensor(BIASES), 2, 1))
    return torch.softmax(torch.nn.functional.linear(y.mean((2, 3)), torch.tensor(MATRIX).view(2, 4), torch.tensor([0.25, -0.5])), 1)[0].tolist()


def overlap(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common) if common else 0


def hits(found, wanted, threshold):
    """Which of the detections of one class in one picture meet an object; pairs are taken by overlap, the best first."""
    pairs = sorted(((overlap(d["box"], box), i, k) for i, d in enumerate(found) for k, box in enumerate(wanted)), reverse=True)
    right, met = [False] * len(found), set()
    for value, i, k in pairs:
        if value >= threshold and not right[i] and k not in met:
            right[i] = True
            met.add(k)
    return right


def average_precision(scored, objects):
    """The area under precision over recall at 101 places, precision made monotonous (COCO's, by trapezoids as Ultralytics has it)."""
    recall, precision, right = [0.0], [1.0], 0
    for rank, (_, hit) in enumerate(sorted(scored, key=lambda s: -s[0]), 1):
        right += hit
        recall.append(right / objects)
        precision.append(right / rank)
    recall, precision = recall + [1.0], precision + [0.0]
    for i in range(len(precision) - 2, -1, -1):
        precision[i] = max(precision[i], precision[i + 1])
    values, at = [], 0
    for step in range(101):
        x = step / 100
        while at + 2 < len(recall) and recall[at + 1] <= x:
            at += 1
        width = recall[at + 1] - recall[at]
        part = min((x - recall[at]) / width, 1) if width > 0 else 1
        values.append(precision[at] + part * (precision[at + 1] - precision[at]))
    return sum((a + b) / 200 for a, b in zip(values, values[1:]))


class Predictions(ProgramTest):
    def compile(self, model):
        if not (BUILD / "lib/lathe/plugins/llvm_cpu.so").exists():
            self.skipTest("no installed target runs on this machine")
        done = self.lathe("compile", model, "--verify", "off", "-o", "made")
        self.assertEqual(done.returncode, 0, done.stderr)
        return pathlib.Path(done.stdout.splitlines()[-1]).parent

    def test_a_classifier_of_yolov5(self):
        package = self.compile(self.write("leaves.pt", checkpoint(yolov5_classifier())))
        # The square in the middle of 45x32, and the same doubled: reduced to half, which is the mean of four equal pixels.
        self.write("pictures/a.png", png_of(45, SIDE, lambda x, y: colour(x - 6, y)))
        self.write("pictures/b.png", png_of(2 * SIDE, 2 * SIDE + 10, lambda x, y: colour(x // 2, (y - 5) // 2)))
        done = self.lathe("predict", package, "pictures", "-o", "found")
        self.assertEqual(done.returncode, 0, done.stderr)
        wanted = by_sums()
        self.assertGreater(abs(wanted[0] - wanted[1]), 0.05)
        try:
            for a, b in zip(wanted, by_torch()):
                self.assertAlmostEqual(a, b, delta=1e-5)
        except ImportError:
            print("PyTorch is not here: the sums are the only judge")
        for picture in json.loads((self.folder / "found/predictions.json").read_text())["pictures"]:
            scores = {c["class"]: c["score"] for c in picture["classes"]}
            for k in range(2):
                self.assertAlmostEqual(scores[k], wanted[k], delta=1e-5, msg=picture["picture"])

    def test_mean_average_precision(self):
        model, pictures = SHARED / "models/pt/yolov8n.pt", SHARED / "images/coco/images"
        if not model.exists() or not pictures.exists():
            self.skipTest(f"{model} or {pictures} is not here")
        package = self.compile(model)
        done = self.lathe("predict", package, pictures, "-o", "found", "--conf", "0.001", "--iou", "0.7", "--max-det", "300")
        self.assertEqual(done.returncode, 0, done.stderr)
        thresholds = [0.5 + 0.05 * i for i in range(10)]
        objects, scored = {}, {}
        seen = json.loads((self.folder / "found/predictions.json").read_text())["pictures"]
        self.assertEqual(len(seen), 80)
        for picture in seen:
            width, height = picture["width"], picture["height"]
            labels = pictures.parent / "labels" / (pathlib.Path(picture["picture"]).stem + ".txt")
            wanted = {}
            for line in labels.read_text().splitlines() if labels.exists() else ():
                name, x, y, w, h = map(float, line.split())
                wanted.setdefault(int(name), []).append(((x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height))
            found = {}
            for detection in picture["detections"]:
                found.setdefault(detection["class"], []).append(detection)
            for name in wanted.keys() | found.keys():
                objects[name] = objects.get(name, 0) + len(wanted.get(name, ()))
                for threshold in thresholds:
                    right = hits(found.get(name, []), wanted.get(name, []), threshold)
                    scored.setdefault((name, threshold), []).extend((d["score"], hit) for d, hit in zip(found.get(name, []), right))
        table = {n: [average_precision(scored.get((n, t), []), count) for t in thresholds] for n, count in objects.items() if count}
        at_half, over_all = sum(row[0] for row in table.values()) / len(table), sum(map(sum, table.values())) / 10 / len(table)
        print(f"{len(table)} classes, mAP50 {at_half:.4f}, mAP50-95 {over_all:.4f}")
        self.assertAlmostEqual(at_half, 0.561, delta=0.01)
        self.assertAlmostEqual(over_all, 0.450, delta=0.01)


if __name__ == "__main__":
    unittest.main()
