#!/usr/bin/env python3
"""Test: compiles the example detector, runs it on the example pictures and compares what it finds with what was drawn.

    check_detector.py LATHE DETECT FOLDER
"""

import json
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def iou(a, b):
    common = max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def main():
    lathe, detect, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    shutil.rmtree(folder, ignore_errors=True)
    compiled = subprocess.run([lathe, "compile", HERE / "detector.onnx", "-o", folder], stdout=subprocess.PIPE, text=True, check=True)
    artifact = compiled.stdout.splitlines()[-1]
    wrong = 0
    for picture in sorted((HERE / "pictures").glob("*.png")):
        drawn = folder / picture.name
        lines = subprocess.run([detect, artifact, picture, drawn], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
        found = [(line.split()[0], [float(v) for v in line.split()[3:7]]) for line in lines]
        objects = json.loads(picture.with_suffix(".json").read_text())["objects"]
        missed = [o for o in objects if not any(name == o["name"] and iou(box, o["box"]) > 0.6 for name, box in found)]
        wrong += len(missed) + abs(len(found) - len(objects)) + (not drawn.read_bytes().startswith(b"\x89PNG"))
        print(f"{picture.name}: {len(found)} found of {len(objects)}, missed {missed}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
