"""Whole compiles with a stand-in for a vendor's tool: the tool's folder, calibration pictures, small models, and what a package must be.

A plugin's tests derive from StandInTest and say which stand-in they have: plugins/*/tests/compile.py.
"""

import functools
import hashlib
import json
import pathlib
import shutil
import subprocess

import tiny_onnx
from program import SOURCE, ProgramTest, png_of

SHARED = SOURCE.parent / "shared"


@functools.lru_cache(None)
def png(width, height, seed):
    """Noise over a gradient, another one for every seed."""
    state = seed * 2654435761 % (1 << 32) or 1

    def pixel(x, y):
        nonlocal state
        state = (state * 1664525 + 1013904223) % (1 << 32)
        return (x * 255 // width + (state >> 24)) % 256, (y * 255 // height + (state >> 16)) % 256, state >> 8 & 255

    return png_of(width, height, pixel)


class StandInTest(ProgramTest):
    target = None  # "acme:one"
    stand_in = None  # the script
    executable = None  # the tool's name
    calibrates = True  # whether compile() gives pictures where nothing is said of it
    pictures_wanted = 4

    def setUp(self):
        super().setUp()
        self.environment["TMPDIR"] = str(self.folder)
        # A folder that a careless command line stumbles over.
        self.tool = self.folder / "to ols & 'more" / "bin" / self.executable
        self.install()
        self.pictures = self.folder / "pictures"
        self.pictures.mkdir()
        for seed in range(self.pictures_wanted):
            (self.pictures / f"{seed}.png").write_bytes(png(96, 64, seed + 1))
        self.out = self.folder / "out"
        self.before = []  # what lay there before the last compile

    def install(self):
        """Makes the tool, in the form of a virtual environment."""
        self.tool.parent.mkdir(parents=True)
        self.tool.write_text(f'#!/bin/sh\nexec /usr/bin/python3 -B "{self.stand_in}" "$@"\n')
        self.tool.chmod(0o755)

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

    def place(self):
        """The options that say where the tool is."""
        return ["--option", f"compiler={self.tool}"]

    def arguments(self, model, *options, calibration=None, target=None, place=None):
        data = ["--calibration", self.pictures] if (self.calibrates if calibration is None else calibration) else []
        where = self.place() if place is None else place
        return ["compile", model, "--target", target or self.target, "-o", self.out, *where, *data, *options]

    def compile(self, model, *options, behaviour="success", timeout=300, **more):
        self.environment["LATHE_STAND_IN"] = behaviour
        self.before = self.left()
        return self.lathe(*self.arguments(model, *options, **more), timeout=timeout)

    def left(self):
        """What lies in the folder of packages."""
        return sorted(p.name for p in self.out.iterdir()) if self.out.exists() else []

    def package_of(self, done):
        """The folder, its description and artifact; all that holds of every package is checked."""
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

    def goes_through(self, model, *options, outputs, **more):
        """From a model to a package that `lathe zoo verify` takes: folder, description, artifact, what `lathe inspect` says of it. `outputs`: how many
        the artifact has; those of a detector, several, are decoded by a stage of the host."""
        folder, description, artifact = self.package_of(self.compile(model, *options, **more))
        host = outputs > 1
        self.assertEqual(any("_post." in p.name for p in folder.iterdir()), host, sorted(p.name for p in folder.iterdir()))
        self.assertEqual(len(description["lathe"]["stages"]), 2 if host else 1)
        said = self.lathe_json("inspect", artifact)
        self.assertIn(len(said.get("outputs", [])), (0, outputs), said.get("outputs"))
        self.verify_zoo()
        return folder, description, artifact, said

    def assert_fails_saying(self, done, code, *words):
        self.assert_fails(done, code, *words)
        self.assertEqual(self.left(), self.before)

    def assert_takes_with(self, done, *words):
        """Exit code 0, and every word in what was said."""
        self.assertEqual(done.returncode, 0, done.stderr)
        for word in words:
            self.assertIn(word, done.stdout + done.stderr)

    def run_bundle(self, folder, behaviour="success", **environment):
        """run.sh of a bundle, from another folder; the exit code and all it said."""
        environment = {**self.environment, "LATHE_STAND_IN": behaviour, **environment}
        ran = subprocess.run([str(folder / "run.sh")], env=environment, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100)
        return ran.returncode, ran.stdout + ran.stderr

    def bundle(self, model, *options, **more):
        """The folder of `--emit bundle`."""
        done = self.compile(model, "--emit", "bundle", *options, **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return pathlib.Path(done.stdout.splitlines()[-1])

    def verify_zoo(self):
        checked = self.lathe("zoo", self.out, "verify")
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)

    def wrap(self, artifact, model, *options):
        """`lathe package` of what a bundle's run.sh made elsewhere."""
        wrapped = self.lathe("package", artifact, "--from", model, "--target", self.target, "-o", self.out, *options)
        found = self.package_of(wrapped)
        self.verify_zoo()
        return found
