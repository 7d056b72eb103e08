"""The ways of a person with a chip, the same for every chip: odd paths, several compiles at once, an interrupt, a bundle that was carried elsewhere.

    user_paths.py CHIP
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import unittest

from stand_ins import ChipTest

ChipTest.chip = sys.argv.pop(1)
VARIABLES = {"axelera": "AXCOMPILE", "deepx": "DXCOM", "memryx": "MEMRYX_COMPILER", "n2x": "N2X_COMPILER", "rknn": "RKNN_PYTHON"}


class UserPaths(ChipTest):
    def test_blanks_and_letters_beyond_ascii(self):
        for out in ("out ö ü/deep", "."):  # the first is made; the second is where the person stands
            self.out = pathlib.Path(out)
            self.environment["TMPDIR"] = str(self.folder / "t m p")
            os.makedirs(self.environment["TMPDIR"], exist_ok=True)
            folder, _, _ = self.package_of(self.compile(self.small_model()))
            self.assertTrue(folder.is_absolute() and folder.parent == (self.folder / out).resolve(), folder)

    def test_devices_in_any_case(self):
        name, device = self.target.split(":")
        self.package_of(self.compile(self.small_model(), target=name.upper() + ":" + device.title()))
        self.assert_fails(self.compile(self.small_model(), target=name + ":another"), 2, "another", device.upper())

    def test_precisions(self):
        self.assert_fails_saying(self.compile(self.small_model(), "--precision", "float64"), 2, "has no precision 'float64'", "it declares")
        if self.chip in ("axelera", "deepx"):
            self.assert_fails_saying(self.compile(self.small_model(), "--precision", "float"), 2, "has no precision 'float' (it declares: int8)")
        if self.chip == "memryx":
            self.assert_fails_saying(self.compile(self.small_model(), "--precision", "quant"), 2, "it declares: bfloat16")

    def test_several_at_once(self):
        self.environment["LATHE_STAND_IN"] = "slow"
        model = self.small_model()
        runs = [
            subprocess.Popen(self.command(*self.arguments(model)), cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(3)
        ]
        said = [run.communicate(timeout=200) for run in runs]
        self.assertEqual([run.returncode for run in runs], [0, 0, 0], said)
        self.assertEqual(len(list(self.out.iterdir())), 1)
        self.verify_zoo()

    def test_interrupt(self):
        self.environment["LATHE_STAND_IN"] = "prompt"
        run = subprocess.Popen(self.command(*self.arguments(self.small_model())), cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for line in run.stderr:  # until the tool's turn
            if "compile (" in line:
                break
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=100)
        self.assertEqual(run.returncode, 130, said)
        self.assertEqual(self.left(), [])

    def test_full_disk(self):
        """A limit on the size of files, which is how a full disk looks from within."""
        done = subprocess.run(
            ["bash", "-c", 'ulimit -f 1; trap "" XFSZ; exec "$@"', "-", *self.command(*self.arguments(self.small_model(256), "--quiet"))],
            cwd=self.folder, env={**self.environment, "LATHE_STAND_IN": "success"}, capture_output=True, text=True, timeout=200,
        )
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("error", done.stderr)
        self.assertEqual(self.left(), [])

    def test_in_a_container_image(self):
        """A program that is called as docker is, and starts what the 'image' has."""
        if self.option != "environment":
            self.skipTest("there is no image of a private tool")
        docker = self.folder / "docker" / "docker"
        docker.parent.mkdir()
        docker.write_text(
            "#!/bin/bash\n"
            '[ "$1" = run ] || exit 9; shift\n'
            'while :; do case $1 in --rm | --network=none) shift ;; -v) [ -d "${2%%:*}" ] || exit 8; shift 2 ;; -w) cd "$2"; shift 2 ;;'
            ' -e) export "$2"; shift 2 ;; *) break ;; esac; done\n'
            f'[ "$1" = vendor/image:1 ] || exit 7; shift; PATH="{self.tool.parent}:$PATH" exec "$@"\n'
        )
        docker.chmod(0o755)
        self.environment["PATH"] = f"{docker.parent}:{self.environment['PATH']}"
        self.package_of(self.compile(self.small_model(), place=["--option", f"{self.chip}.container=vendor/image:1"]))

    def test_a_bundle_that_was_carried_elsewhere(self):
        bundle = self.bundle(self.small_model())
        folder = self.folder / "an other ö" / "place"
        folder.parent.mkdir()
        shutil.move(bundle, folder)
        code, said = self.run_bundle(folder, **{VARIABLES[self.chip]: str(self.tool)})
        self.assertEqual(code, 0, said)
        made = next(line[len("made: ") :] for line in said.splitlines() if line.startswith("made: "))
        precision = ["--precision", "int8"] if self.quantises else []
        self.package_of(self.lathe("package", made, "--from", self.small_model(), "--target", self.target, *precision, "-o", self.out))
        self.verify_zoo()


unittest.main()
