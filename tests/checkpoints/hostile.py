"""Hostile checkpoints against the whole program: a sentence and the right exit code, nothing run, nothing left behind.

Each file goes through `compile` and `inspect`. A network that is sound compiles, whatever else its checkpoint carries.
"""

import os
import random
import shutil
import sys
import unittest

sys.path.insert(0, os.environ["LATHE_SOURCE_DIR"] + "/tests/support")
import hostile_checkpoints  # noqa: E402
from program import SOURCE, ProgramTest  # noqa: E402
from torch_files import checkpoint, trained  # noqa: E402


class Hostile(ProgramTest):
    def setUp(self):
        super().setUp()
        self.marker = self.folder / "owned"
        self.out = self.folder / "out"

    def compile(self, path):
        return self.lathe("compile", path, "--target", "onnx", "--verify", "off", "-o", self.out)

    def assert_harmless(self, done, name):
        self.assertIn(done.returncode, (0, 1, 3), f"{name}: {done.stdout}{done.stderr}")
        self.assertFalse(self.marker.exists(), name)
        self.assertEqual(self.logs(), [], name)
        for escape in ("\x1b", "Traceback", "terminate called"):
            self.assertNotIn(escape, done.stdout + done.stderr, name)

    def test_every_row(self):
        for name, data, words in hostile_checkpoints.rows(str(self.marker)):
            with self.subTest(name):
                path = self.write("best.pt", data)
                done = self.compile(path)
                self.assert_harmless(done, name)
                if words is None:
                    self.assertEqual(done.returncode, 0, f"{name}: {done.stderr}")
                    shutil.rmtree(self.out)
                else:
                    self.assertIn(done.returncode, (1, 3), f"{name}: {done.stdout}{done.stderr}")
                    for word in words:
                        self.assertIn(word, done.stderr, name)
                    self.assertRegex(done.stderr, "best.pt|node '", name)
                    self.assertEqual(done.stdout, "", name)
                    self.assert_nothing_left(self.out)
                described = self.lathe("inspect", path)
                self.assert_harmless(described, name)
                self.assertTrue(described.returncode == 0 or described.stderr.startswith("error: "), name)

    def test_what_would_have_been_run_is_named(self):
        path = self.write("best.pt", hostile_checkpoints.network_with(hostile_checkpoints.reduced("os", "system", f"touch {self.marker}")))
        done = self.compile(path)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("names os.system, which no network needs; nothing of it was run", done.stderr)
        document = self.lathe_json("inspect", path)
        self.assertEqual([g["name"] for g in document["globals"] if not g["expected"]], ["os.system"])
        self.assertIn("! os.system", self.lathe("inspect", path).stdout)

    def test_flipped_bits_of_a_sound_checkpoint(self):
        sound = checkpoint(trained())
        chance = random.Random(1)
        for i in range(60):
            damaged = bytearray(sound)
            for _ in range(chance.randint(1, 4)):
                at = chance.randrange(len(damaged))
                damaged[at] ^= 1 << chance.randrange(8)
            with self.subTest(i):
                self.assert_harmless(self.compile(self.write("best.pt", bytes(damaged))), i)

    def test_broken_uploads(self):
        folder = SOURCE.parent / "shared" / "models" / "pt_negative"
        if not folder.is_dir():
            self.skipTest(f"{folder} is not here")
        for path in sorted(folder.iterdir()):
            with self.subTest(path.name):
                for command in (self.compile(path), self.lathe("inspect", path)):
                    self.assert_fails(command, 1, path.name, "cut off")
        self.assert_nothing_left(self.out)


if __name__ == "__main__":
    unittest.main()
