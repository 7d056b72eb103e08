#!/usr/bin/env python3
"""Trains the example detector on pictures it draws itself and writes detector.onnx; then measures it on pictures it has never seen.

    python3 train_detector.py            # Debian: python3-torch python3-onnx python3-numpy; about ten minutes on one core

The network is anchor-free: at strides 8 and 16 every cell says how far the object's four sides are from its centre (as in FCOS,
arXiv 1904.01355) and how much it is of each class. The exported model decodes that to Ultralytics' form: output0 float32
[1, 4 + classes, cells], rows centre x, centre y, width, height in pixels, then one score for each class.
"""

import argparse
import json
import pathlib
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import shapes

STRIDES = (8, 16)
REACH = 6.0  # the farthest side of an object, in strides from a cell's centre
HERE = pathlib.Path(__file__).resolve().parent


def conv(inputs, outputs, size=3, stride=1, groups=1):
    return nn.Sequential(nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs), nn.SiLU())


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.body = nn.Sequential(conv(channels, channels // 2, 1), conv(channels // 2, channels))

    def forward(self, x):
        return x + self.body(x)


class Detector(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.to_stride_8 = nn.Sequential(conv(3, 12, 3, 2), conv(12, 24, 3, 2), Residual(24), conv(24, 48, 3, 2), Residual(48), Residual(48))
        self.to_stride_16 = nn.Sequential(conv(48, 64, 3, 2), Residual(64), Residual(64))
        self.down = conv(64, 48, 1)
        self.join = nn.Sequential(conv(96, 48, 1), Residual(48))
        self.heads = nn.ModuleList(nn.Sequential(conv(c, 48), conv(48, 48, 5, groups=48), nn.Conv2d(48, 4 + classes, 1)) for c in (48, 64))
        for head in self.heads:
            nn.init.constant_(head[-1].bias[4:], -4.6)  # scores start at 0.01, so that the many empty cells do not drown the rest
            nn.init.constant_(head[-1].bias[:4], -1.5)
        size = shapes.SIZE
        centres = [np.stack(np.meshgrid(np.arange(size // s), np.arange(size // s)), 0).reshape(2, -1) * s + s / 2 for s in STRIDES]
        self.register_buffer("centres", torch.tensor(np.concatenate(centres, 1), dtype=torch.float32))  # [2, cells]
        self.register_buffer("strides", torch.cat([torch.full((1, c.shape[1]), float(s)) for c, s in zip(centres, STRIDES)], 1))

    def raw(self, x):
        """Distances to left, top, right, bottom in pixels [n, 4, cells] and class logits [n, classes, cells]."""
        fine = self.to_stride_8(x)
        coarse = self.to_stride_16(fine)
        fine = self.join(torch.cat([fine, F.interpolate(self.down(coarse), scale_factor=2.0, mode="nearest")], 1))
        out = torch.cat([head(y).flatten(2) for head, y in zip(self.heads, (fine, coarse))], 2)
        return torch.sigmoid(out[:, :4]) * (self.strides * REACH), out[:, 4:]

    def forward(self, x):
        sides, logits = self.raw(x)
        near, far = sides[:, :2], sides[:, 2:]
        return torch.cat([self.centres + (far - near) * 0.5, near + far, torch.sigmoid(logits)], 1)


def targets(model, classes, boxes):
    """Which cell answers for which object: the cells near its centre at the stride that suits its size; the smallest object wins."""
    cells = model.centres.shape[1]
    wanted = torch.full((cells,), -1, dtype=torch.int64)
    x, y = model.centres
    order = np.argsort(-np.prod(boxes[:, 2:] - boxes[:, :2], 1)) if len(boxes) else []
    for i in order:
        left, top, right, bottom = boxes[i]
        stride = 8.0 if max(right - left, bottom - top) < 44 else 16.0
        near = torch.maximum((x - (left + right) / 2).abs(), (y - (top + bottom) / 2).abs()) < 1.25 * stride
        within = (x > left) & (x < right) & (y > top) & (y < bottom)
        wanted[near & within & (model.strides[0] == stride)] = int(i)
    return wanted


def giou(a, b):
    """Generalised intersection over union (arXiv 1902.09630) of boxes given by distances from one point, [n, 4]; and the plain one."""
    area = lambda s: (s[:, 0] + s[:, 2]) * (s[:, 1] + s[:, 3])
    common, hull = area(torch.minimum(a, b)), area(torch.maximum(a, b))
    union = area(a) + area(b) - common
    iou = common / union
    return iou - (hull - union) / hull, iou


def loss_of(model, pictures, labels):
    sides, logits = model.raw(pictures)
    wanted_scores = torch.zeros_like(logits)
    box_loss, count = 0.0, 0
    for n, (classes, boxes) in enumerate(labels):
        owner = targets(model, classes, boxes)
        cells = (owner >= 0).nonzero()[:, 0]
        if not len(cells):
            continue
        box = torch.tensor(boxes)[owner[cells]]
        point = model.centres[:, cells].T
        wanted_sides = torch.cat([point - box[:, :2], box[:, 2:] - point], 1)
        generalised, iou = giou(sides[n][:, cells].T, wanted_sides)
        box_loss = box_loss + (1 - generalised).sum()
        count += len(cells)
        wanted_scores[n, torch.tensor(classes)[owner[cells]], cells] = 0.5 + 0.5 * iou.detach()  # a score tells how good the box is, too
    weight = (torch.sigmoid(logits.detach()) - wanted_scores).abs() ** 1.5  # quality focal loss (arXiv 2006.04388)
    score_loss = (F.binary_cross_entropy_with_logits(logits, wanted_scores, reduction="none") * weight).sum()
    return (score_loss + 2 * box_loss) / max(count, 1)


def to_tensor(pictures):
    return torch.tensor(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255


def detect(output, threshold, iou_limit=0.5):
    """Boxes left, top, right, bottom, scores and classes of one output [4 + classes, cells] after non-maximum suppression per class."""
    scores, classes = output[4:].max(0), output[4:].argmax(0)
    keep = scores >= threshold
    x, y, w, h = output[:4, keep]
    boxes, scores, classes = np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], 1), scores[keep], classes[keep]
    chosen = []
    for i in np.argsort(-scores, kind="stable"):
        if all(classes[i] != classes[j] or iou(boxes[i], boxes[j]) <= iou_limit for j in chosen):
            chosen.append(i)
    return boxes[chosen], scores[chosen], classes[chosen]


def iou(a, b):
    common = max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def measure(model, seed, count):
    """mAP at IoU 0.5, and precision and recall of the detections scored 0.5 or more, over pictures drawn with `seed`."""
    rng = np.random.default_rng(seed)
    found = [[] for _ in shapes.NAMES]  # per class: (score, right)
    present = np.zeros(len(shapes.NAMES), int)
    for _ in range(count // 50):
        drawn = [shapes.draw(rng) for _ in range(50)]
        with torch.no_grad():
            outputs = model(to_tensor([d[0] for d in drawn])).numpy()
        for (_, classes, boxes), output in zip(drawn, outputs):
            np.add.at(present, classes, 1)
            taken = set()
            for box, score, kind in zip(*detect(output, 0.02)):
                overlaps = [(iou(box, b), i) for i, b in enumerate(boxes) if classes[i] == kind and i not in taken]
                best = max(overlaps, default=(0, -1))
                if best[0] >= 0.5:
                    taken.add(best[1])
                found[kind].append((score, best[0] >= 0.5))
    precisions = []
    for kind, hits in enumerate(found):
        hits.sort(key=lambda h: -h[0])
        right = np.cumsum([h[1] for h in hits])
        precision = np.maximum.accumulate((right / np.arange(1, len(hits) + 1))[::-1])[::-1]
        recall = right / present[kind]
        precisions.append(float(np.trapz(np.interp(np.linspace(0, 1, 101), recall, precision, right=0), dx=0.01)))
    sure = [h[1] for hits in found for h in hits if h[0] >= 0.5]
    return {"pictures": count, "objects": int(present.sum()), "mAP50": round(float(np.mean(precisions)), 4),
            "precision": round(sum(sure) / max(len(sure), 1), 4), "recall": round(sum(sure) / int(present.sum()), 4)}


def export(model, path, accuracy):
    import onnx  # Debian's python3-onnx; only to add the metadata

    torch.onnx.export(model, torch.zeros(1, 3, shapes.SIZE, shapes.SIZE), str(path), opset_version=17, input_names=["images"], output_names=["output0"])
    file = onnx.load(str(path))
    for node in file.graph.node:
        node.ClearField("doc_string")
    properties = {"description": "Lathe's example detector", "task": "detect", "stride": str(max(STRIDES)), "batch": "1",
                  "imgsz": str([shapes.SIZE, shapes.SIZE]), "names": str(dict(enumerate(shapes.NAMES))), "accuracy": json.dumps(accuracy)}
    onnx.helper.set_model_props(file, properties)
    onnx.save(file, str(path))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2600)
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=pathlib.Path, default=HERE / "detector.onnx")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    model = Detector(len(shapes.NAMES))
    average = {name: value.clone() for name, value in model.state_dict().items()}
    print(sum(p.numel() for p in model.parameters()), "parameters", flush=True)
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    optimiser = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.02}, {"params": others, "weight_decay": 0.0}], lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=4e-3, total_steps=options.steps, pct_start=0.1)
    start = time.time()
    for step in range(options.steps):
        drawn = [shapes.draw(rng) for _ in range(options.batch)]
        loss = loss_of(model, to_tensor([d[0] for d in drawn]), [d[1:] for d in drawn])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimiser.step()
        schedule.step()
        keep = min(0.998, (step + 1) / (step + 10))
        for name, value in model.state_dict().items():  # what is exported is the running mean of the weights
            if value.dtype.is_floating_point:
                average[name].mul_(keep).add_(value, alpha=1 - keep)
            else:
                average[name].copy_(value)
        if step % 100 == 99:
            print(f"step {step + 1}: loss {loss.item():.3f}, {time.time() - start:.0f} s", flush=True)
    model.load_state_dict(average)
    model.eval()
    accuracy = measure(model, options.seed + 1000, 1000)
    print(accuracy, flush=True)
    export(model, options.output, accuracy)


if __name__ == "__main__":
    main()
