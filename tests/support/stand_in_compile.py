"""Whole compiles with a stand-in for a vendor's tool: the tool's folder, calibration pictures, small models, and what a package must be.

A plugin's test derives from StandInTest and says which stand-in it has; plugins/*/tests/compile.py are such tests.
"""

import hashlib
import json
import os
import pathlib
import struct
import zlib

import tiny_onnx
from program import SOURCE, ProgramTest

SHARED = SOURCE.parent / "shared"


def png(width, height, seed):
    """Noise over a gradient, another one for every seed."""
    state, rows = seed * 2654435761 % (1 << 32) or 1, []
    for y in range(height):
        row = bytearray([0])
        for x in range(width):
            state = (state * 1664525 + 1013904223) % (1 << 32)
            row += bytes(((x * 255 // width + (state >> 24)) % 256, (y * 255 // height + (state >> 16)) % 256, state >> 8 & 255))
        rows.append(bytes(row))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(b"".join(rows), 1))
        + chunk(b"IEND", b"")
    )


class StandInTest(ProgramTest):
    target = None  # "acme:one"
    stand_in = None  # the script
    executable = None  # the tool's name

    def setUp(self):
        super().setUp()
        self.tool = self.folder / "tool" / self.executable
        self.tool.parent.mkdir()
        self.tool.write_text(f'#!/bin/sh\nexec /usr/bin/python3 -B "{self.stand_in}" "$@"\n')
        self.tool.chmod(0o755)
        self.pictures = self.folder / "pictures"
        self.pictures.mkdir()
        for seed in range(4):
            (self.pictures / f"{seed}.png").write_bytes(png(96, 64, seed + 1))
        self.out = self.folder / "out"

    def small_model(self, size=64):
        """Conv, Relu, GlobalAveragePool: [1, 3, size, size] -> [1, 4, 1, 1]."""
        weights = [((i * 37) % 19 - 9) / 40 for i in range(4 * 3 * 3 * 3)]
        return self.write(
            "small.onnx",
            tiny_onnx.model(
                [
                    tiny_onnx.node("Conv", ["images", "w"], ["c"], "conv", [tiny_onnx.attribute_ints("pads", [1, 1, 1, 1])]),
                    tiny_onnx.node("Relu", ["c"], ["r"], "relu"),
                    tiny_onnx.node("GlobalAveragePool", ["r"], ["scores"], "pool"),
                ],
                [tiny_onnx.value_info("images", [1, 3, size, size])],
                [tiny_onnx.value_info("scores", [1, 4, 1, 1])],
                [tiny_onnx.tensor("w", [4, 3, 3, 3], weights)],
            ),
        )

    def shared(self, *parts):
        path = SHARED.joinpath(*parts)
        if not path.exists():
            self.skipTest(f"{path} is not here")
        return path

    def compile(self, model, *options, behaviour="success", calibration=True, timeout=300):
        self.environment["LATHE_STAND_IN"] = behaviour
        data = ["--calibration", self.pictures] if calibration else []
        return self.lathe("compile", model, "--target", self.target, "-o", self.out, "--option", f"compiler={self.tool}", *data, *options, timeout=timeout)

    def package_of(self, done):
        """The folder; all that holds of every package is checked."""
        self.assertEqual(done.returncode, 0, done.stderr)
        folder = pathlib.Path(done.stdout.splitlines()[-1])
        folder = folder if folder.is_absolute() else self.folder / folder
        if folder.is_file():
            folder = folder.parent
        description = json.loads((folder / f"{folder.name}.json").read_text())
        artifact = folder / description["MODEL_PARAMETERS"][0]["ModelPath"]
        self.assertEqual(artifact.stem, folder.name)
        self.assertEqual(description["Checksum"], hashlib.sha256(artifact.read_bytes()).hexdigest())
        runtime, device = description["DEVICE"][0]["RuntimeAgent"], description["DEVICE"][0]["DeviceType"]
        self.assertIn(f"_{runtime}_{device}_".lower(), folder.name)
        self.assertTrue(description["DEVICE"][0]["SupportedDeviceTypes"].startswith(f"{runtime}/{device}"))
        return folder, description, artifact

    def assert_fails_saying(self, done, code, *words):
        self.assert_fails(done, code, *words)
        self.assertEqual([p.name for p in self.out.iterdir()] if self.out.exists() else [], [])

    def verify_zoo(self):
        checked = self.lathe("zoo", self.out, "verify")
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)

    def wrap(self, artifact, model):
        """`lathe package` of what a bundle's run.sh made elsewhere."""
        wrapped = self.lathe("package", artifact, "--from", model, "--target", self.target, "-o", self.out)
        found = self.package_of(wrapped)
        self.verify_zoo()
        return found
