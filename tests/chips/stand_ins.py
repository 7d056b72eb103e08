"""The vendors' stand-ins in one form, for tests that hold for every chip: what `lathe compile` is told of the tool and of calibration data.

A chip's own tests, of what its tool wants and how it fails, are plugins/*/tests.
"""

import os
import pathlib
import sys

SOURCE = pathlib.Path(os.environ["LATHE_SOURCE_DIR"])
sys.path[:0] = [str(SOURCE / "tests" / "support"), str(SOURCE / "plugins" / "rknn" / "tests")]
import compiles as rknn  # noqa: E402
from stand_in_compile import StandInTest, png  # noqa: E402

# target, its tool's name, the option that names the tool's folder, whether the compile quantises
CHIPS = {
    "axelera": ("axelera:metis", "axcompile", "environment", True),
    "deepx": ("deepx:m1a", "dxcom", "environment", True),
    "memryx": ("memryx:mx3", "mx_nc", "environment", False),
    "n2x": ("n2x:orca1", "n2x_compiler", "compiler", False),
    "rknn": ("rknn:rk3566", "python3", "environment", True),
}


class ChipTest(StandInTest):
    chip = None

    def setUp(self):
        self.target, self.executable, self.option, self.quantises = CHIPS[self.chip]
        self.stand_in = SOURCE / "plugins" / self.chip / "tests" / "stand_in.py"
        super().setUp()
        for seed in range(4, 20):
            (self.pictures / f"{seed}.png").write_bytes(png(96, 64, seed + 1))
        self.place = self.installed(self.folder / "a tool ü")

    def installed(self, folder):
        """The tool in a folder as its vendor would have it: a virtual environment, or the program itself."""
        if self.chip == "rknn":
            return rknn.environment(str(folder))
        program = folder / "bin" / self.executable
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/sh\nexec /usr/bin/python3 -B "{self.stand_in}" "$@"\n')
        program.chmod(0o755)
        return folder if self.option == "environment" else program

    def arguments(self, model, *options, target=None):
        data = ["--calibration", self.pictures] if self.quantises else []
        data += ["--precision", "int8"] if self.quantises and "--precision" not in options else []
        return ["compile", model, "--target", target or self.target, "-o", self.out, "--option", f"{self.chip}.{self.option}={self.place}", *data, *options]

    def compile(self, model, *options, behaviour="success", target=None, timeout=300):
        self.environment["LATHE_STAND_IN"] = behaviour
        return self.lathe(*self.arguments(model, *options, target=target), timeout=timeout)
