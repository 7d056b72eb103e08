#!/usr/bin/env python3
"""Whole compiles for the MEMRYX target with a stand-in for mx_nc.

    compiles.py --lathe PROGRAM --shared FOLDER (models | behaviours)
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def heavy_model(path):
    """A convolution of 10.6 million weights: more than one chip holds."""
    import numpy
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    weights = numpy_helper.from_array(numpy.full((3300, 3200, 1, 1), 0.5, numpy.float32), 'w')
    graph = helper.make_graph([helper.make_node('Conv', ['x', 'w'], ['y'], name='heavy')], 'heavy',
                              [helper.make_tensor_value_info('x', TensorProto.FLOAT, [1, 3200, 4, 4])],
                              [helper.make_tensor_value_info('y', TensorProto.FLOAT, [1, 3300, 4, 4])], [weights])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)]), path)


def tiny_model(path, quantised=False):
    import numpy
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    random = numpy.random.RandomState(1)
    constants = [numpy_helper.from_array(random.rand(4, 3, 3, 3).astype(numpy.float32), 'w')]
    nodes = [helper.make_node('Conv', ['images', 'w'], ['features'], name='first', pads=[1, 1, 1, 1])]
    last = 'features'
    if quantised:
        constants += [numpy_helper.from_array(numpy.float32(0.1), 's'), numpy_helper.from_array(numpy.int8(0), 'z')]
        nodes += [helper.make_node('QuantizeLinear', ['features', 's', 'z'], ['q'], name='quantise'),
                  helper.make_node('DequantizeLinear', ['q', 's', 'z'], ['d'], name='back')]
        last = 'd'
    nodes.append(helper.make_node('Relu', [last], ['y'], name='last'))
    graph = helper.make_graph(nodes, 'tiny', [helper.make_tensor_value_info('images', TensorProto.FLOAT, [1, 3, 32, 32])],
                              [helper.make_tensor_value_info('y', TensorProto.FLOAT, [1, 4, 32, 32])], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)]), path)


class Bench:
    def __init__(self, given, work):
        self.given, self.work, self.wrong = given, work, []
        self.tool = os.path.join(work, 'environment')
        os.makedirs(os.path.join(self.tool, 'bin'))
        compiler = os.path.join(self.tool, 'bin', 'mx_nc')
        with open(compiler, 'w') as f:
            f.write('#!/bin/sh\nexec /usr/bin/python3 "%s" "$@"\n' % os.path.join(HERE, 'stand_in.py'))
        os.chmod(compiler, 0o755)

    def run(self, *arguments, stand_in='success', version='2.2.5'):
        return subprocess.run([self.given.lathe, *arguments], capture_output=True, text=True,
                              env=dict(os.environ, LATHE_STAND_IN=stand_in, LATHE_STAND_IN_VERSION=version, MEMRYX_COMPILER='', TMPDIR=self.work))

    def compile(self, model, *more, **play):
        out = os.path.join(self.work, 'out')
        shutil.rmtree(out, ignore_errors=True)
        return self.run('compile', model, '--target', 'memryx', '-o', out, '--option', 'memryx.environment=' + self.tool, *more, **play)

    def check(self, what, done, code, *parts):
        text = done.stdout + done.stderr
        missing = [p for p in parts if p not in text]
        if done.returncode != code or missing:
            self.wrong.append('%s: exit code %d (wanted %d), without %s\n%s' % (what, done.returncode, code, missing, text[-3000:]))
            return False
        return True

    def expect(self, what, truth):
        if not truth:
            self.wrong.append(what)


def models(bench):
    for name, stages, outputs, version in (('yolov8n.pt', 2, 6, '2.2.5'), ('yolo11n-seg.pt', 2, 10, '2.2.5'), ('yolo11n-seg.pt', 2, 10, '2.1.0'),
                                           ('yolov5n.pt', 2, 6, '2.2.5'), ('custom_yolov8n-cls_leaf_best.pt', 1, 1, '2.2.5')):
        model = os.path.join(bench.given.shared, 'models/pt', name)
        if not os.path.exists(model):
            print('SKIPPED: %s' % name)
            continue
        done = bench.compile(model, version=version)
        if not bench.check(name, done, 0):
            continue
        package = done.stdout.strip().split('\n')[-1]
        package = package if os.path.isdir(package) else os.path.dirname(package)
        stem = os.path.basename(package)
        with open(os.path.join(package, stem + '.json')) as f:
            described = json.load(f)
        made = described['lathe']['stages']
        bench.expect('%s: %d stages: %s' % (name, len(made), made), len(made) == stages)
        bench.expect('%s: %s' % (name, sorted(os.listdir(package))), stem + '.dfp' in os.listdir(package))
        bench.expect('%s: nothing of the tool stays: %s' % (name, sorted(os.listdir(package))), 'memryx.neural_compiler.log' not in os.listdir(package))
        bench.expect('%s is not called after its target: %s' % (name, stem), '_float_memryx_mx3_1' in stem)
        if stages == 2:
            bench.expect('%s: the host\'s part is in the package: %s' % (name, sorted(os.listdir(package))), any('_post' in f for f in os.listdir(package)))
        bench.check(name + ' in a zoo', bench.run('zoo', os.path.join(bench.work, 'out'), 'verify'), 0, 'sound')
        artifact = json.loads(bench.run('inspect', os.path.join(package, stem + '.dfp'), '--json').stdout)
        bench.expect('%s: outputs of the artifact: %s' % (name, artifact['outputs']), len(artifact['outputs']) == outputs)
        bench.expect('%s: input of the artifact: %s' % (name, artifact['inputs']), artifact['inputs'][0]['shape'] == [640, 640, 1, 3])
        bench.expect('%s: %d chips' % (name, artifact['chips']), artifact['chips'] == 4)


def behaviours(bench):
    model, quantised = os.path.join(bench.work, 'tiny.onnx'), os.path.join(bench.work, 'quantised.onnx')
    tiny_model(model)
    tiny_model(quantised, True)
    bench.check('success', bench.compile(model), 0, '_float_memryx_mx3_1')
    bench.check('slow', bench.compile(model, stand_in='slow'), 0)
    bench.check('an older SDK', bench.compile(model, version='2.1.0'), 0)
    bench.check('ports of other names', bench.compile(model, stand_in='renamed'), 0)
    bench.check('approximated', bench.compile(model, stand_in='approximated'), 0, 'approximates an operator')
    bench.check('options', bench.compile(model, '--option', 'memryx.chips=2', '--option', 'memryx.effort=hard', '--option', 'memryx.processes=3', '--option',
                                         'memryx.double-precision=true', '--option', 'memryx.opset=13'), 0)
    for behaviour, code, parts in (('failure-layer', 3, ['does not take an operator', 'GridSample']),
                                   ('failure-fit', 3, ['does not fit the chips']),
                                   ('log-alone', 3, ['does not fit the chips']),
                                   ('missing-module', 3, ['incomplete']),
                                   ('unrecognized', 3, ['does not know the arguments --model_in_out']),
                                   ('checker', 1, ['finds the ONNX file wrong']),
                                   ('failure-plain', 1, ['exit code 7', 'something else']),
                                   ('traceback', 1, ['ValueError', 'bad graph']),
                                   ('exit0-failure', 1, ['mapper thread died']),
                                   ('prompt', 1, ['asks a question', '(y/n)']),
                                   ('crash', 1, ['signal 6']),
                                   ('killed', 1, ['signal 9']),
                                   ('nothing', 1, ['did not write', 'model.dfp']),
                                   ('garbage', 1, ['no .dfp file']),
                                   ('cut-short', 1, ['damaged']),
                                   ('wrong-chip', 1, ['another generation']),
                                   ('wrong-shape', 1, ['the shape of its output']),
                                   ('no-version', 3, ['does not tell its version'])):
        bench.check(behaviour, bench.compile(model, stand_in=behaviour), code, *parts)
        bench.expect(behaviour + ' leaves something behind', not os.path.exists(os.path.join(bench.work, 'out')) or not os.listdir(os.path.join(bench.work, 'out')))
    bench.check('int8', bench.compile(model, '--precision', 'int8'), 2, 'bfloat16')
    bench.check('a quantised model', bench.compile(quantised), 3, 'quantised already')
    bench.check('an old SDK', bench.compile(model, version='1.2.0'), 3, '1.2.0', 'at least 2.0')
    bench.check('the runtime of another release', bench.compile(model, '--option', 'memryx.runtime-version=2.1'), 3, 'the SDK 2.1', '2.2.5')
    bench.check('the runtime of this release', bench.compile(model, '--option', 'memryx.runtime-version=2.2.0'), 0)
    bench.check('no compiler', bench.run('compile', model, '--target', 'memryx', '-o', os.path.join(bench.work, 'none')), 3, 'is not installed', '--emit bundle')

    done = bench.compile(model, '--emit', 'bundle')
    if bench.check('bundle', done, 0):
        folder = done.stdout.strip().split('\n')[-1]
        bundled = sorted(os.listdir(folder))
        bench.expect('the bundle: %s' % bundled, {'model.onnx', 'model_in_out.json', 'run.sh'} <= set(bundled))
        ran = subprocess.run(['bash', os.path.join(folder, 'run.sh')], capture_output=True, text=True, cwd='/',
                             env=dict(os.environ, MEMRYX_COMPILER=os.path.join(bench.tool, 'bin')))
        if bench.check('run.sh', ran, 0, 'lathe package'):
            bench.check('what run.sh made', bench.run('inspect', os.path.join(folder, 'model.dfp')), 0, 'MX3, 4 chips', 'y 32x32x1x4')
            brought = os.path.join(bench.work, 'brought')
            bench.check('brought back', bench.run('package', os.path.join(folder, 'model.dfp'), '--from', model, '--target', 'memryx', '-o', brought), 0, 'tiny')
            bench.check('brought back, verified', bench.run('zoo', brought, 'verify'), 0, 'sound')
    heavy = os.path.join(bench.work, 'heavy.onnx')
    heavy_model(heavy)
    bench.check('one chip', bench.run('check', heavy, '--target', 'memryx', '--option', 'chips=1'), 0, 'more than the chips hold: 10560000')
    two = bench.run('check', heavy, '--target', 'memryx', '--option', 'chips=2')
    bench.expect('two chips hold it: %s' % two.stderr, 'more than the chips hold' not in two.stderr)
    bench.check('lathe check', bench.run('check', model, '--target', 'memryx'), 0, 'can be compiled', '42.00 M', '10.00 M')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--lathe', required=True)
    parser.add_argument('--shared', required=True)
    parser.add_argument('what', choices=['models', 'behaviours'])
    given = parser.parse_args()
    if given.what == 'models' and not os.path.exists(os.path.join(given.shared, 'models/pt/yolov8n.pt')):
        print('SKIPPED: no checkpoints in %s' % given.shared)
        return 77
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(given, work)
        (models if given.what == 'models' else behaviours)(bench)
    print('\n'.join(bench.wrong) if bench.wrong else 'as it should be')
    return 1 if bench.wrong else 0


if __name__ == '__main__':
    sys.exit(main())
