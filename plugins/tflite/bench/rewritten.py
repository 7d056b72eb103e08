#!/usr/bin/env python3
"""Speed of .tflite files as written here beside the originals, in TensorFlow Lite with XNNPACK, interleaved: seconds that pass, and
seconds that the processor works, which a busy machine disturbs less (with one thread).

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


def takes_xnnpack(engine, models, inputs):
    """Whether XNNPACK prepares all of them: it gives up on some files of asymmetric uint8."""
    try:
        for model in models:
            engine.ask(model, inputs, 1, xnnpack=True)
        return True
    except runtime.Failure:
        return False


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
            xnnpack = takes_xnnpack(engine, (original, again), inputs)
            passed, worked = {original: [], again: []}, {original: [], again: []}
            for _ in range(given.rounds):
                for model in passed:
                    passed[model] += engine.ask(model, inputs, given.threads, runs=8, xnnpack=xnnpack)[1][2:]  # the first two warm up
                    worked[model] += engine.processor[2:]
            for clock, times in (('passed', passed), ('worked', worked)):
                for what, of in (('median', statistics.median), ('least', min)):
                    a, b = (of(t) * 1000 for t in times.values())
                    print('%s%s, time %s, %s: original %.2f ms, written again %.2f ms, ratio %.2f' % (os.path.basename(original), '' if xnnpack else ' without XNNPACK', clock, what, a, b, b / a))


if __name__ == '__main__':
    sys.exit(main())
