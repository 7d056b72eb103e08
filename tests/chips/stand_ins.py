"""The vendors' stand-ins in one form, for tests that hold for every chip: what `lathe compile` is told of the tool and of calibration data.

A chip's own tests, of what its tool wants and how it fails, are plugins/*/tests.
"""

import os
import pathlib
import sys

SOURCE = pathlib.Path(os.environ["LATHE_SOURCE_DIR"])
sys.path[:0] = [str(SOURCE / "tests" / "support"), str(SOURCE / "plugins" / "rknn" / "tests")]
import virtual_environment  # noqa: E402
from stand_in_compile import StandInTest  # noqa: E402

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
    pictures_wanted = 20

    def setUp(self):
        self.target, self.executable, self.option, self.quantises = CHIPS[self.chip]
        self.calibrates = self.quantises
        self.stand_in = SOURCE / "plugins" / self.chip / "tests" / "stand_in.py"
        super().setUp()

    def install(self):
        virtual_environment.make(self.tool.parent.parent) if self.chip == "rknn" else super().install()

    def place(self):
        return ["--option", f"{self.chip}.{self.option}={self.tool.parent.parent if self.option == 'environment' else self.tool}"]

    def arguments(self, model, *options, **more):
        precision = ["--precision", "int8"] if self.quantises and "--precision" not in options else []
        return super().arguments(model, *precision, *options, **more)
