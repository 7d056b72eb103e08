#!/usr/bin/env python3
"""Test: executables made where no compiler and no linker can be found yield what the packaged library yields, and two compiles of one
model are the same bytes.

    executables.py LATHE MODEL FOLDER
"""

import filecmp
import pathlib
import shutil
import subprocess
import sys

try:
    import numpy
except ImportError:
    print("SKIPPED: numpy is absent")
    sys.exit(77)

NO_TOOLS = {"PATH": "/nonexistent", "HOME": "/nonexistent"}
LIMIT = 1e-5  # of the largest value: other vector widths add in another order


def compile_model(lathe, model, output, *arguments):
    command = [lathe, "compile", model, "-o", output, "--verify", "off", "--quiet", *arguments]
    done = subprocess.run(command, env=NO_TOOLS, stdout=subprocess.PIPE, text=True, check=True)
    return pathlib.Path(done.stdout.splitlines()[-1])


def main():
    lathe, model, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    picture = folder / "input.npy"
    numpy.save(picture, numpy.random.default_rng(1).random((1, 3, 160, 160), numpy.float32))

    library = compile_model(lathe, model, folder / "first")
    again = compile_model(lathe, model, folder / "second")
    same, different, unreadable = filecmp.cmpfiles(library.parent, again.parent, [f.name for f in library.parent.iterdir()], shallow=False)
    assert same and not different and not unreadable, (different, unreadable)

    subprocess.run([lathe, "run", library, "--input", picture, "--output", folder / "expected"], stdout=subprocess.DEVNULL, check=True)
    expected = numpy.load(folder / "expected" / "output0.npy")
    for name, target, emulator in [("here", "llvm_cpu", None), ("arm", "llvm_cpu -mtriple=aarch64-linux-gnu -mcpu=cortex-a72", "qemu-aarch64-static")]:
        program = compile_model(lathe, model, folder / f"{name} program", "--emit", "executable", "--target", target)
        if emulator and not shutil.which(emulator):
            print(f"{name}: not run, {emulator} is absent")
            continue
        found_in = folder / f"{name} found"  # made by the program itself
        subprocess.run([*([shutil.which(emulator)] if emulator else []), program, picture, "-o", found_in, "-t", "2"], env=NO_TOOLS, check=True,
                       stdout=subprocess.DEVNULL)
        found = numpy.load(found_in / "output0.npy")
        difference = float(abs(found - expected).max() / abs(expected).max())
        print(f"{name}: differs by {difference:.1e} of the largest value")
        assert found.shape == expected.shape and difference < LIMIT


if __name__ == "__main__":
    main()
