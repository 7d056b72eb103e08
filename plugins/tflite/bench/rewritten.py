#!/usr/bin/env python3
"""Speed of .tflite files as written here beside the originals, in TensorFlow Lite with its own choice of delegate (XNNPACK), interleaved.

    rewritten.py --lathe PROGRAM [--threads N] [--rounds N] FILE.tflite...     # LATHE_TFLITE_LIBRARY names the library
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile


sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'tests'))
import round_trip  # noqa: E402
import runtime  # noqa: E402


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--lathe', required=True)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--rounds', type=int, default=9)
    parser.add_argument('files', nargs='+')
    given = parser.parse_args()
    engine = runtime.Runtime()
    for original in given.files:
        with tempfile.TemporaryDirectory() as work:
            again = round_trip.compile_to(given.lathe, original, 'tflite:cpu', work)
            inputs = round_trip.made_up(round_trip.describe(given.lathe, original)['inputs'])
            times = {original: [], again: []}
            for _ in range(given.rounds):
                for model, all_times in times.items():
                    all_times += engine.ask(model, inputs, given.threads, runs=8)[1][2:]  # the first two warm up
            for what, of in (('median', statistics.median), ('least', min)):
                a, b = (of(t) * 1000 for t in times.values())
                print('%s: %s of the original %.2f ms, written again %.2f ms, ratio %.2f' % (os.path.basename(original), what, a, b, b / a))


if __name__ == '__main__':
    sys.exit(main())
