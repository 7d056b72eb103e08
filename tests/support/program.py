"""Running the program under test in a folder and an environment of its own."""

import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

BUILD = pathlib.Path(os.environ["LATHE_BINARY_DIR"])
SOURCE = pathlib.Path(os.environ["LATHE_SOURCE_DIR"])
LATHE = BUILD / "bin" / "lathe"
FAULTS = BUILD / "tests" / "plugins"

sys.path.insert(0, str(SOURCE / "tests" / "support"))


def npy(shape, values, descr="<f4"):
    """A .npy file of floats, without numpy."""
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {tuple(shape)!r}, }}"
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + struct.pack(f"<{len(values)}f", *values)


def png_of(width, height, pixel):
    """A .png file; pixel(x, y) yields red, green, blue."""
    rows = b"".join(b"\0" + bytes(v for x in range(width) for v in pixel(x, y)) for y in range(height))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


class ProgramTest(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="lathe-test-")
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)
        self.state = self.folder / "state"
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("LATHE_PLUGIN", "XDG_", "SOURCE_DATE"))}
        self.environment.update(XDG_STATE_HOME=str(self.state), XDG_DATA_HOME=str(self.folder / "data"), NO_COLOR="1")

    def write(self, name, data):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return str(path)

    def command(self, *arguments, fault=None):
        plugin = ["--plugin", str(FAULTS / f"fault_{fault}")] if fault else []
        return [str(LATHE), *plugin, *map(str, arguments)]

    def lathe(self, *arguments, fault=None, timeout=120, **options):
        return subprocess.run(
            self.command(*arguments, fault=fault), cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=timeout, **options
        )

    def lathe_json(self, *arguments, code=0, **options):
        done = self.lathe("--json", *arguments, **options)
        self.assertEqual(done.returncode, code, done.stderr)
        return json.loads(done.stdout)

    def assert_fails(self, done, code, *words):
        """The exit code, every word in what was said, and nothing on standard output."""
        self.assertEqual(done.returncode, code, f"{done.args}\n{done.stdout}\n{done.stderr}")
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertEqual(done.stdout, "")

    def assert_nothing_left(self, folder):
        """No staging folder, no package, no folder made for the output."""
        folder = pathlib.Path(folder)
        self.assertEqual(sorted(p.name for p in folder.iterdir()) if folder.exists() else [], [])

    def logs(self):
        folder = self.state / "lathe" / "logs"
        return sorted(folder.iterdir()) if folder.exists() else []
