"""A Python virtual environment that has the stand-in for rknn-toolkit2."""

import pathlib
import shutil


def make(folder, version="2.3.2"):
    """`folder`/bin/python3 finds the stand-in, and its version by the package's metadata."""
    packages = folder / "packages"
    shutil.copytree(pathlib.Path(__file__).parent / "stand_in" / "rknn", packages / "rknn", ignore=shutil.ignore_patterns("__pycache__"))
    information = packages / f"rknn_toolkit2-{version}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: rknn-toolkit2\nVersion: {version}\n")
    python = folder / "bin" / "python3"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{packages}" exec /usr/bin/python3 -B "$@"\n')
    python.chmod(0o755)
