"""How close two sets of outputs are: each output, and within detections boxes and the rest, against its own largest value."""
import numpy as np


def parts(y, boxes_axis, boxes):
    """(label, array) pairs: the boxes of a detection output (the first `boxes` along the axis) and what follows them."""
    if boxes_axis is None:
        return [('', y)]
    return [('boxes', np.take(y, range(boxes), boxes_axis)), ('scores', np.take(y, range(boxes, y.shape[boxes_axis]), boxes_axis))]


def worst(expected, found, boxes_axis=None, boxes=4):
    """The greatest difference relative to the largest value, over the parts."""
    if expected.shape != found.shape:
        raise AssertionError('shape %s instead of %s' % (found.shape, expected.shape))
    off = 0.0
    for (_, a), (_, b) in zip(parts(expected, boxes_axis, boxes), parts(found, boxes_axis, boxes)):
        largest = np.abs(a.astype(np.float64)).max()
        off = max(off, float(np.abs(a.astype(np.float64) - b).max() / max(largest, 1e-30)))
    return off


def missing_rows(expected, found, pixels=0.1, score=1e-4):
    """The share of rows x1 y1 x2 y2 score class that have no like."""
    missing = 0
    for row in expected:
        like = (np.abs(found[:, :4] - row[:4]).max(1) <= pixels) & (np.abs(found[:, 4] - row[4]) <= score) & (found[:, 5] == row[5])
        missing += not like.any()
    return missing / len(expected)


def cosine(a, b):
    a, b = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))
