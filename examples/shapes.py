"""Draws the pictures that the example detector learns from and is tested on: coloured shapes on noisy backgrounds.

Everything follows from one numpy random generator, so a seed stands for a picture. Shapes are drawn from their signed distance
(https://iquilezles.org/articles/distfunctions2d/ lists such functions; here: distance to a polygon's edges), which gives smooth edges.
"""

import numpy as np

SIZE = 160  # pixels, width and height
NAMES = ["circle", "square", "triangle", "star", "cross"]


def polygon(kind, radius, angle):
    """Corners of a shape around the origin, float64 [n, 2] in pixels (x to the right, y down)."""
    if kind == "square":
        turns, radii = np.arange(4) / 4, np.full(4, radius)
    elif kind == "triangle":
        turns, radii = np.arange(3) / 3, np.full(3, radius)
    elif kind == "star":
        turns, radii = np.arange(10) / 10, np.where(np.arange(10) % 2 == 0, radius, radius * 0.45)
    else:  # cross: a plus sign, arms a third of its width
        arm = radius / np.hypot(1, 3)
        corners = np.array([(1, 3), (1, 1), (3, 1), (3, -1), (1, -1), (1, -3), (-1, -3), (-1, -1), (-3, -1), (-3, 1), (-1, 1), (-1, 3)]) * arm
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return corners @ turn.T
    angles = 2 * np.pi * turns + angle
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1)


def polygon_distance(corners, x, y):
    """Signed distance in pixels of the points (x, y) to a polygon: negative inside."""
    nearest = np.full(x.shape, np.inf)
    inside = np.zeros(x.shape, bool)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, 0)):
        ex, ey, px, py = bx - ax, by - ay, x - ax, y - ay
        along = np.clip((px * ex + py * ey) / (ex * ex + ey * ey), 0, 1)
        nearest = np.minimum(nearest, (px - along * ex) ** 2 + (py - along * ey) ** 2)
        if ey != 0:
            inside ^= ((ay <= y) != (by <= y)) & (px < py * ex / ey)
    return np.where(inside, -1, 1) * np.sqrt(nearest)


def background(rng):
    """A gradient, soft blotches, a few lines and noise; float32 [SIZE, SIZE, 3], 0..1."""
    ramp = np.linspace(0, 1, SIZE, dtype=np.float32)
    corners = rng.uniform(0.1, 0.9, (4, 3)).astype(np.float32)
    x, y = ramp[None, :, None], ramp[:, None, None]
    picture = (corners[0] * (1 - x) + corners[1] * x) * (1 - y) + (corners[2] * (1 - x) + corners[3] * x) * y
    cells = int(rng.integers(4, 17))
    blotches = rng.normal(0, rng.uniform(0, 0.12), (cells, cells, 3)).astype(np.float32)
    reach = (np.arange(SIZE) * cells) // SIZE
    picture = picture + blotches[reach][:, reach]
    for _ in range(rng.integers(0, 4)):  # lines, so that an edge alone is no shape
        turn, away = rng.uniform(0, np.pi), rng.uniform(20, SIZE - 20)
        distance = np.abs((np.arange(SIZE)[None] - SIZE / 2) * np.cos(turn) + (np.arange(SIZE)[:, None] - SIZE / 2) * np.sin(turn) + SIZE / 2 - away)
        cover = np.clip(rng.uniform(1, 2.5) - distance, 0, 1)[..., None]
        picture = picture * (1 - cover) + rng.uniform(0, 1, 3) * cover
    return picture


def draw(rng):
    """One picture and what is on it: uint8 [SIZE, SIZE, 3] (RGB), int64 [n] classes, float32 [n, 4] boxes (left, top, right, bottom)."""
    picture = background(rng)
    classes, boxes = [], []
    for _ in range(rng.integers(1, 7)):
        kind = int(rng.integers(len(NAMES)))
        radius = float(np.exp(rng.uniform(np.log(9), np.log(40))))
        angle = float(rng.uniform(0, 2 * np.pi))
        corners = None if NAMES[kind] == "circle" else polygon(NAMES[kind], radius, angle)
        low = np.full(2, -radius) if corners is None else corners.min(0)
        high = np.full(2, radius) if corners is None else corners.max(0)
        centre = rng.uniform(2 - low, SIZE - 2 - high)
        box = np.concatenate([centre + low, centre + high])
        if any(overlap(box, other) > 0.15 for other in boxes):
            continue
        left, top = np.floor(box[:2]).astype(int) - 1
        right, bottom = np.ceil(box[2:]).astype(int) + 2
        left, top, right, bottom = max(left, 0), max(top, 0), min(right, SIZE), min(bottom, SIZE)
        x, y = np.meshgrid(np.arange(left, right) + 0.5 - centre[0], np.arange(top, bottom) + 0.5 - centre[1])
        distance = np.hypot(x, y) - radius if corners is None else polygon_distance(corners, x, y)
        behind = picture[top:bottom, left:right]
        colour = rng.uniform(0, 1, 3)
        if np.abs(colour - behind.mean((0, 1))).max() < 0.3:  # it must be seen
            colour = (behind.mean((0, 1)) + 0.5) % 1
        if rng.uniform() < 0.25:  # some are outlines
            distance = np.maximum(distance, -distance - max(2.5, radius * 0.22))
        cover = np.clip(0.5 - distance, 0, 1)[..., None]
        picture[top:bottom, left:right] = behind * (1 - cover) + (colour + rng.normal(0, 0.03, behind.shape)) * cover
        classes.append(kind)
        boxes.append(box)
    picture = picture + rng.normal(0, rng.uniform(0.005, 0.06), picture.shape)
    picture = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
    return picture, np.array(classes, np.int64), np.array(boxes, np.float32).reshape(-1, 4)


def overlap(a, b):
    """Intersection over the smaller box's area."""
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    return max(wide, 0) * max(high, 0) / smaller
