#!/usr/bin/env python3
"""Writes pictures/shapes_<n>.png, which the detector has never seen, and beside each a JSON file that says what is on it."""

import json
import pathlib
import struct
import zlib

import numpy as np

import shapes


def write_png(path, picture):
    """PNG (RFC 2083), 8-bit RGB without filters."""
    height, width, _ = picture.shape
    rows = b"".join(b"\0" + row.tobytes() for row in picture)
    chunk = lambda kind, body: struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def main():
    folder = pathlib.Path(__file__).resolve().parent / "pictures"
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(2024)
    number = 0
    while number < 3:
        picture, classes, boxes = shapes.draw(rng)
        if len(classes) < 4:
            continue
        number += 1
        write_png(folder / f"shapes_{number}.png", picture)
        objects = [{"name": shapes.NAMES[c], "box": [round(float(v), 1) for v in b]} for c, b in zip(classes, boxes)]
        (folder / f"shapes_{number}.json").write_text(json.dumps({"box": "left, top, right, bottom in pixels", "objects": objects}, indent=1) + "\n")


if __name__ == "__main__":
    main()
