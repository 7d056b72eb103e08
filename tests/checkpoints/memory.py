"""How much memory opening a checkpoint takes, above a worker that refuses a web page: hostile ones at most twice their size and 64 MB.

For real ones the import alone is measured, by a program beside this one, against four times their size; the time is printed, and never judged.
"""

import os
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, os.environ["LATHE_SOURCE_DIR"] + "/tests/support")
from program import BUILD, SOURCE, ProgramTest  # noqa: E402

MEGABYTE = 1 << 20


class Memory(ProgramTest):
    def peak(self, *arguments):
        """The most memory that the program or its worker held, in bytes."""
        process = subprocess.Popen(self.command(*arguments), cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
        return usage.ru_maxrss * 1024

    def compile(self, path):
        return self.peak("compile", path, "--target", "onnx", "--verify", "off", "-o", self.folder / "out")

    def setUp(self):
        super().setUp()
        page = self.write("page.pt", "<!DOCTYPE html>")
        self.idle = {"compile": self.compile(page), "inspect": self.peak("inspect", page)}

    def test_hostile_ones(self):
        # Made by another process: what this one holds would count as its children's, until they run something else.
        folder = self.folder / "hostile"
        folder.mkdir()
        subprocess.run([sys.executable, str(SOURCE / "tests/support/hostile_checkpoints.py"), str(folder), str(self.folder / "owned")], check=True)
        largest = {}
        files = sorted(folder.iterdir(), key=lambda p: int(p.stem))
        self.assertGreater(len(files), 100)
        for path in files:
            size = path.stat().st_size
            for command, used in {"compile": self.compile(path), "inspect": self.peak("inspect", path)}.items():
                extra = used - self.idle[command]
                largest[command] = max(largest.get(command, (0, "")), (extra - 2 * size, path.name))
                with self.subTest(f"{command} {path.name}"):
                    self.assertLessEqual(extra, 2 * size + 64 * MEGABYTE)
        for command, (extra, name) in largest.items():
            print(f"{command}: at most {extra / MEGABYTE:.1f} MB above an idle worker ({self.idle[command] / MEGABYTE:.1f} MB) and twice the file: {name}")

    def test_import_of_real_ones(self):
        folder = SOURCE.parent / "shared" / "models" / "pt"
        if not folder.is_dir():
            self.skipTest(f"{folder} is not here")
        for path in sorted(folder.glob("yolo*.pt")):
            with self.subTest(path.name):
                done = subprocess.run([BUILD / "tests/checkpoints/import_memory", path], capture_output=True, text=True)
                print(done.stdout, end="")
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
