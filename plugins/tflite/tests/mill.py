#!/usr/bin/env python3
"""ONNX's own node tests through the tflite target and TensorFlow Lite itself.

    mill.py --lathe PROGRAM --tests FOLDER [--page FILE] [--only NAME] [--known FILE] [--rules FILE]

Each test is compiled as it is; where that is refused because a parameter (axes, a shape, ...) is an input of the test, once more with every input but
the first as a constant, which is how exported models have them. Tests in float64 and float16 get float32 inputs and outputs (borders=float), which is what the runtime computes in. What is compiled is run in
the real runtime and compared with the test's numbers. The rules file lists what may be said of a node that is refused, each with the rule of the format or its runtime; another reason fails.
The known file lists tests that are compiled and that TensorFlow Lite 2.9 nevertheless cannot run, with its reason; everything else that goes wrong fails.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import tempfile
import threading

import numpy as np
import onnx
from onnx import numpy_helper

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import runtime  # noqa: E402


def reasons_of(said):
    """What is said of each refused node, without names."""
    said = ' '.join(said.split())
    found = re.findall(r"does not take it: (.*?)(?= \(name a further|$| error: )", said) or re.findall(r'error: (.*?)(?= error: |$)', said)
    return [re.sub(r"'[^']*'", '...', reason).strip() for reason in found]


def read_rules(path):
    """(pattern, rule) of each line that is none of text alone: PATTERN, two spaces or more, the rule behind it."""
    return [re.split(r' {2,}', line.strip(), maxsplit=1) for line in open(path) if line.strip() and not line.startswith('#')]


def read_tensor(path):
    """The tensor's array; nothing where the file holds a sequence or an optional, or a type that numpy has none for."""
    tensor = onnx.TensorProto()
    try:
        with open(path, 'rb') as f:
            tensor.ParseFromString(f.read())
        if tensor.data_type in (0, 8) or tensor.data_type > 13:
            return None
        return numpy_helper.to_array(tensor)
    except Exception:
        return None


def load_model(path):
    return onnx.load(path)


def bind(model, values):
    """The model with these inputs as constants, by name."""
    bound = onnx.ModelProto()
    bound.CopyFrom(model)
    for i in reversed(range(len(bound.graph.input))):
        name = bound.graph.input[i].name
        if name in values:
            bound.graph.initializer.append(numpy_helper.from_array(values[name], name))
            del bound.graph.input[i]
    return bound


def compile_model(lathe, model, out, folder, options):
    path = os.path.join(folder, 'model.onnx')
    with open(path, 'wb') as f:
        f.write(model.SerializeToString())
    return run_compiler(lathe, path, out, options)


def run_compiler(lathe, path, out, options):
    done = subprocess.run([lathe, '--quiet', 'compile', path, '--target', 'tflite', '--verify', 'off', '--emit', 'model', '-o', out] + options, capture_output=True, text=True)
    return done.returncode, done.stderr.strip()


def agree(expected, found, tolerance=1e-4):
    if expected.shape != found.shape:
        return 'shape %s instead of %s' % (found.shape, expected.shape)
    if expected.dtype != found.dtype:
        return 'type %s instead of %s' % (found.dtype, expected.dtype)
    if expected.dtype.kind in 'biu':
        return '' if np.array_equal(expected, found) else 'integers differ'
    a, b = expected.astype(np.float64), found.astype(np.float64)
    finite = np.isfinite(a)
    if not np.array_equal(finite, np.isfinite(b)) or not np.array_equal(np.isnan(a), np.isnan(b)) or not np.array_equal(a[~finite & ~np.isnan(a)], b[~finite & ~np.isnan(a)]):
        return 'NaN or infinity in other places'
    if not finite.any():
        return ''
    off = np.abs(a[finite] - b[finite]).max()
    limit = tolerance * max(np.abs(a[finite]).max(), 1e-6) + 1e-7
    return '' if off <= limit else 'off by %g where the largest is %g' % (off, np.abs(a[finite]).max())


class Mill:
    def __init__(self, lathe, with_operators, again):
        self.lathe = lathe
        self.again = again
        self.with_operators = with_operators
        self.local = threading.local()
        self.met = collections.Counter()  # tests of each set of operators that were read back

    def engine(self):
        if not hasattr(self.local, 'runtime'):
            self.local.runtime = runtime.Runtime()
        return self.local.runtime

    def operators(self, file):
        """What the file computes with, leaving out what only moves."""
        said = subprocess.run([self.lathe, 'inspect', file, '--json'], capture_output=True, text=True, check=True).stdout
        return ' '.join(sorted(set(json.loads(said)['operators']) - {'TRANSPOSE', 'RESHAPE', 'CAST', 'PAD', 'PADV2'}))

    def read_back(self, file, given, expected):
        """(state, detail) of the file read in and written again: it must give the same numbers."""
        again = file + '.again.tflite'
        code, said = run_compiler(self.lathe, file, again, [])
        if code != 0:
            # Written again it may ask for shapes that its reading leaves open; what is not read at all is a fault.
            return ('refused' if 'does not take it' in said else 'fails'), 'it is not read back: ' + said
        try:
            found = self.engine().run(again, given)
        except runtime.Failure as failure:
            return 'fails', str(failure)
        for a, b in zip(expected, found):
            wrong = agree(a, b, 1e-6)
            if wrong:
                return 'differs', wrong
        return 'exact', ''

    def test(self, folder):
        """(operator, state, detail); states: exact, refused, fails, differs, left out."""
        model = load_model(os.path.join(folder, 'model.onnx'))
        operators = sorted({n.op_type for n in model.graph.node})
        operator = operators[0] if len(operators) == 1 else '+'.join(operators)
        if self.again and self.met[operator] >= 2:
            return operator, 'left out', ''
        data = os.path.join(folder, 'test_data_set_0')
        inputs, outputs = [], []
        for i in range(len(model.graph.input)):
            path = os.path.join(data, 'input_%d.pb' % i)
            inputs.append(read_tensor(path) if os.path.exists(path) else None)
        for i in range(len(model.graph.output)):
            outputs.append(read_tensor(os.path.join(data, 'output_%d.pb' % i)))
        names = [i.name for i in model.graph.input]
        stored = inputs
        kinds = {x.dtype for x in inputs + outputs if x is not None and x.dtype in (np.float16, np.float64)}
        options, tolerance = [], 1e-4
        if kinds and operator not in ('BitCast', 'Cast', 'CastLike'):  # those are about the type itself
            options, tolerance = ['--option', 'borders=float'], 2e-3 if np.dtype(np.float16) in kinds else 1e-4
            inputs = [x.astype(np.float32) if x is not None and x.dtype in kinds else x for x in inputs]
            outputs = [x.astype(np.float32) if x is not None and x.dtype in kinds else x for x in outputs]
        with tempfile.TemporaryDirectory() as work:
            out = os.path.join(work, 'out.tflite')
            given, how = inputs, 'exact'
            code, said = compile_model(self.lathe, model, out, work, options)
            if code == 3 and len(names) > 1 and all(x is not None for x in inputs):
                second, said_second = compile_model(self.lathe, bind(model, dict(zip(names[1:], stored[1:]))), out, work, options)
                if second == 0 or second != 3:
                    code, said, given = second, said_second, inputs[:1]
                else:
                    said = said_second
            if code == 3:
                return operator, 'refused', said
            if code != 0:
                return operator, 'fails', 'exit code %d: %s' % (code, said)
            if any(x is None for x in inputs + outputs):
                return operator, 'fails', 'it is taken, and its numbers cannot be compared here'
            try:
                found = self.engine().run(out, given)
            except runtime.Failure as failure:
                return operator, 'fails', str(failure)
            for name, a, b in zip([o.name for o in model.graph.output], outputs, found):
                wrong = agree(a, b, tolerance)
                if wrong:
                    return operator, 'differs', name + ': ' + wrong
            if self.again:
                self.met[operator] += 1  # two of a kind are enough
                return (operator,) + self.read_back(out, given, found)
            return operator, how, self.operators(out) if self.with_operators else ''


def write_page(path, results):
    """One line per operator, from the tests that hold it alone."""
    table = {}
    for operator, state, detail in results:
        if '+' not in operator:
            table.setdefault(operator, []).append((state, detail))
    lines = ['# ONNX operators in TensorFlow Lite files', '',
             'Written by `plugins/tflite/tests/mill.py --page` from ONNX\'s own node tests: each is compiled for `tflite:cpu`, run in TensorFlow Lite 2.9 and compared; those in float64 as float32.',
             '"exact" is one operator of the format (and what moves elements around it), "by decomposition" several. Of what is refused the reasons are given, as',
             '`lathe compile` says them; "of its types" are those the format or numpy has no tensors of: strings, sequences, bfloat16, float8, 4-bit types.', '',
             '| operator | how | agree | refused | why |', '|---|---|---|---|---|']
    for operator in sorted(table):
        agree = [d for s, d in table[operator] if s == 'exact']
        refused = [d for s, d in table[operator] if s == 'refused']
        other = len(table[operator]) - len(agree) - len(refused)
        how = ('not compared' if other else 'not expressed') if not agree else 'exact' if all(len(d.split()) <= 1 for d in agree) else 'by decomposition'
        reasons = []
        for text in refused:
            for match in re.findall(r"does not take it: (.*?) \(name a further", text.replace('\n', ' ')) or [text.split(': ')[-1][:120]]:
                match = re.sub(r"'[^']*'", '...', re.sub(r'error: node .*?does not take it: ', '', match))
                if match not in reasons:
                    reasons.append(match)
        if other:
            reasons.append('%d that TensorFlow Lite 2.9 cannot run, see tests/known.txt' % other)
        lines.append('| %s | %s | %d | %d | %s |' % (operator, how, len(agree), len(refused), '; '.join(reasons[:3]).replace('|', '/')))
    with open(path, 'w') as f:
        f.write('\n'.join(lines) + '\n')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--lathe', required=True)
    parser.add_argument('--tests', required=True)
    parser.add_argument('--only', default='')
    parser.add_argument('--known', default='')
    parser.add_argument('--rules', default='')
    parser.add_argument('--again', action='store_true', help='what is right is read in and written again, two tests of a kind, and must be the same then')
    parser.add_argument('--list', default='')
    parser.add_argument('--page', default='')
    parser.add_argument('--threads', type=int, default=2)
    given = parser.parse_args()
    if not runtime.library() or not os.path.isdir(given.tests):
        print('SKIPPED: ' + ('the tests are not at ' + given.tests if runtime.library() else 'TensorFlow Lite\'s library is not here; set LATHE_TFLITE_LIBRARY'))
        return 77
    known = {}
    if given.known:
        for line in open(given.known):
            if line.strip() and not line.startswith('#'):
                name, why = line.strip().split(None, 1)
                known[name] = why
    rules = read_rules(given.rules) if given.rules else []
    names = [n for n in sorted(os.listdir(given.tests)) if given.only in n]
    mill = Mill(given.lathe, bool(given.page), given.again)
    counts, wrong, lines, results = collections.Counter(), [], [], []
    with concurrent.futures.ThreadPoolExecutor(given.threads) as pool:
        for name, (operator, state, detail) in zip(names, pool.map(lambda n: mill.test(os.path.join(given.tests, n)), names)):
            counts[state] += 1
            results.append((operator, state, detail))
            lines.append('%s\t%s\t%s\t%s' % (name, operator, state, ' '.join(detail.split())))
            if state in ('fails', 'differs') and name not in known:
                wrong.append('%s (%s) %s: %s' % (name, operator, state, detail))
            if state == 'refused' and rules:
                for reason in reasons_of(detail) or [detail]:
                    if not any(re.fullmatch(pattern, reason) for pattern, _ in rules):
                        wrong.append('%s (%s) is refused for a reason that no rule allows: %s' % (name, operator, reason))
            if state == 'exact' and name in known and not known[name].startswith('random'):
                wrong.append('%s agrees now: take it out of %s' % (name, given.known))
    if given.page:
        write_page(given.page, results)
    if given.list:
        with open(given.list, 'w') as f:
            f.write('\n'.join(lines) + '\n')
    print(', '.join('%d %s' % (n, state) for state, n in counts.most_common()))
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
