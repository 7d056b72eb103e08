#!/usr/bin/env python3
"""Whole compiles for the RKNN target with a stand-in for rknn-toolkit2 that the plugin's own build.py imports.

    compiles.py --lathe PROGRAM --shared FOLDER (models | behaviours)
"""
import argparse
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def environment(folder, version='2.3.2'):
    """A virtual environment whose Python has the stand-in, at a version."""
    packages = os.path.join(folder, 'packages')
    shutil.copytree(os.path.join(HERE, 'stand_in', 'rknn'), os.path.join(packages, 'rknn'), ignore=shutil.ignore_patterns('__pycache__'))
    information = os.path.join(packages, 'rknn_toolkit2-%s.dist-info' % version)
    os.makedirs(information)
    with open(os.path.join(information, 'METADATA'), 'w') as f:
        f.write('Metadata-Version: 2.1\nName: rknn-toolkit2\nVersion: %s\n' % version)
    os.makedirs(os.path.join(folder, 'bin'))
    python = os.path.join(folder, 'bin', 'python3')
    with open(python, 'w') as f:
        f.write('#!/bin/sh\nPYTHONDONTWRITEBYTECODE=1 PYTHONPATH="%s" exec /usr/bin/python3 "$@"\n' % packages)
    os.chmod(python, 0o755)
    return folder


def tiny_model(path):
    import numpy
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    weights = numpy_helper.from_array(numpy.random.RandomState(1).rand(4, 3, 3, 3).astype(numpy.float32), 'w')
    conv = helper.make_node('Conv', ['images', 'w'], ['features'], name='first', pads=[1, 1, 1, 1])
    relu = helper.make_node('Relu', ['features'], ['y'], name='second')
    graph = helper.make_graph([conv, relu], 'tiny', [helper.make_tensor_value_info('images', TensorProto.FLOAT, [1, 3, 32, 32])],
                              [helper.make_tensor_value_info('y', TensorProto.FLOAT, [1, 4, 32, 32])], [weights])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)]), path)


class Bench:
    def __init__(self, given, work):
        self.given, self.work, self.wrong = given, work, []
        self.tool = environment(os.path.join(work, 'environment'))
        self.pictures = os.path.join(work, 'pictures')
        os.makedirs(self.pictures)
        for picture in sorted(glob.glob(os.path.join(given.shared, 'images/coco/images/*.jpg')))[:24]:
            shutil.copy(picture, self.pictures)

    def run(self, *arguments, stand_in='success'):
        return subprocess.run([self.given.lathe, *arguments], capture_output=True, text=True,
                              env=dict(os.environ, LATHE_STAND_IN=stand_in, RKNN_PYTHON='', TMPDIR=self.work))

    def compile(self, model, *more, device='rk3588', stand_in='success', tool=None):
        out = os.path.join(self.work, 'out')
        shutil.rmtree(out, ignore_errors=True)
        return self.run('compile', model, '--target', 'rknn:' + device, '-o', out, '--option', 'rknn.environment=' + (tool or self.tool), *more, stand_in=stand_in)

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
    shared = bench.given.shared
    for name, more, stages, outputs in (('yolov8n.pt', ('--precision', 'int8', '--calibration', bench.pictures), 2, 6),
                                        ('yolo11n-seg.pt', ('--precision', 'int8', '--calibration', bench.pictures), 2, 10),
                                        ('yolov5n.pt', (), 2, 6),
                                        ('custom_yolov8n-cls_leaf_best.pt', (), 1, 1)):
        model = os.path.join(shared, 'models/pt', name)
        if not os.path.exists(model):
            print('SKIPPED: %s' % name)
            continue
        for device in ('rk3588', 'rk3566') if name == 'yolov8n.pt' else ('rk3588',):
            done = bench.compile(model, *more, device=device)
            if not bench.check(name, done, 0):
                continue
            package = done.stdout.strip().split('\n')[-1]
            package = package if os.path.isdir(package) else os.path.dirname(package)
            stem = os.path.basename(package)
            with open(os.path.join(package, stem + '.json')) as f:
                described = json.load(f)
            made = described['lathe']['stages']
            bench.expect('%s: %d stages: %s' % (name, len(made), made), len(made) == stages)
            bench.expect('%s: %s' % (name, sorted(os.listdir(package))), stem + '.rknn' in os.listdir(package))
            bench.expect('%s is not called after its target: %s' % (name, stem), '_rknn_%s_1' % device in stem)
            with open(os.path.join(package, 'manifest.json')) as f:
                facts = json.load(f)['stages'][0]['facts']
            bench.expect('%s: the artifact takes pixels: %s' % (name, facts), facts.get('input') == 'pixels' and facts.get('input-layout') == 'NHWC')
            bench.check(name + ' in a zoo', bench.run('zoo', os.path.join(bench.work, 'out'), 'verify'), 0, 'sound')
            before = described['PRE_PROCESS'][0]
            bench.expect('%s: the package says pixels: %s' % (name, before), before['InputRawDataType'] == 'DG_UINT8' and before['InputTensorLayout'] == 'NHWC' and
                         'InputScaleEn' not in before)
            artifact = json.loads(bench.run('inspect', os.path.join(package, stem + '.rknn'), '--json').stdout)
            bench.expect('%s: outputs of the artifact: %s' % (name, artifact['outputs']), len(artifact['outputs']) == outputs)
            bench.expect('%s: mean and scale are in the artifact: %s' % (name, artifact['inputs']), artifact['inputs'][0]['std'] == [255.0] * 3)
            bench.expect('%s: target %s' % (name, artifact['target']), artifact['target'] == device)


def behaviours(bench):
    model = os.path.join(bench.work, 'tiny.onnx')
    tiny_model(model)
    int8 = ('--precision', 'int8', '--calibration', bench.pictures)
    bench.check('success', bench.compile(model), 0, 'tiny')
    bench.check('quantised', bench.compile(model, *int8), 0, '_quant_rknn_rk3588_1')
    bench.check('slow', bench.compile(model, stand_in='slow'), 0)
    bench.check('tensors of other names', bench.compile(model, stand_in='renamed'), 0)
    bench.check('opset 12', bench.compile(model, '--option', 'rknn.opset=12'), 0)
    for behaviour, code, parts in (('failure-config', 1, ['config returned -1']),
                                   ('failure-load', 1, ['load_onnx returned -1']),
                                   ('failure-opset', 3, ['does not take models of opset 19', 'opset=12']),
                                   ('failure-regtask', 3, ['too large for the NPU']),
                                   ('failure-operator', 3, ['Scan']),
                                   ('failure-export', 1, ['export_rknn returned -1']),
                                   ('exit0-failure', 1, ['reports an error', 'Catch exception']),
                                   ('record-alone', 3, ['too large for the NPU']),
                                   ('no-data', 1, ['none of the calibration data']),
                                   ('long-traceback', 1, ['IndexError', 'list index out of range']),
                                   ('old-onnxruntime', 3, ['takes models up to opset 15', 'opset=12']),
                                   ('new-onnx', 3, ['too new', 'onnx<1.19']),
                                   ('traceback', 1, ['ValueError', 'too many values']),
                                   ('prompt', 1, ['asks a question', '[y/n]']),
                                   ('crash', 1, ['signal 6']),
                                   ('killed', 1, ['signal 9']),
                                   ('nothing', 1, ['did not write', 'model.rknn']),
                                   ('garbage', 1, ['no .rknn file']),
                                   ('wrong-target', 1, ['another chip', 'rk3562']),
                                   ('wrong-shape', 1, ['the shape of its output'])):
        bench.check(behaviour, bench.compile(model, stand_in=behaviour), code, *parts)
        bench.expect(behaviour + ' leaves something behind', not os.path.exists(os.path.join(bench.work, 'out')) or not os.listdir(os.path.join(bench.work, 'out')))
    bench.check('a file that cannot be read', bench.compile(model, *int8, stand_in='failure-dataset'), 1, 'cannot read a calibration file')
    bench.check('files left out', bench.compile(model, *int8, stand_in='ignored'), 1, 'left calibration data out')
    import numpy
    finished = os.path.join(bench.work, 'finished.npy')
    numpy.save(finished, numpy.random.RandomState(2).rand(24, 3, 32, 32).astype(numpy.float32))
    bench.check('finished numbers', bench.compile(model, '--precision', 'int8', '--calibration', finished), 2, 'finished numbers')
    bench.check('fallback', bench.compile(model, stand_in='fallback'), 0, "runs on the board's processor")
    bench.check('int8 without data', bench.compile(model, '--precision', 'int8'), 2, '--calibration')
    bench.check('an old runtime', bench.compile(model, '--option', 'rknn.runtime-version=1.4.0'), 3, 'librknnrt 1.6')
    bench.check('a new runtime', bench.compile(model, '--option', 'rknn.runtime-version=2.3.2'), 0)
    old = environment(os.path.join(bench.work, 'old'), '1.6.0')
    bench.check('an old toolkit', bench.compile(model, tool=old), 3, '1.6.0', 'at least 2.3')
    bench.check('no toolkit', bench.run('compile', model, '--target', 'rknn', '-o', os.path.join(bench.work, 'none')), 3, 'rknn-toolkit2 is not installed', '--emit bundle')
    bench.check('another chip', bench.compile(model, device='rk3399'), 2, 'RK3588')

    # A bundle, run by hand where the toolkit is, and what it makes brought back.
    done = bench.compile(model, *int8, '--emit', 'bundle')
    if bench.check('bundle', done, 0, 'run.sh'):
        folder = done.stdout.strip().split('\n')[-1]
        bundled = sorted(os.listdir(folder))
        bench.expect('the bundle: %s' % bundled, {'build.json', 'build.py', 'calibration', 'model.onnx', 'run.sh'} <= set(bundled))
        elsewhere = os.path.join(bench.work, 'a b ü')  # a blank, at which the toolkit would end a path
        shutil.copytree(folder, elsewhere)
        folder = elsewhere
        ran = subprocess.run(['bash', os.path.join(folder, 'run.sh')], capture_output=True, text=True, cwd='/',
                             env=dict(os.environ, RKNN_PYTHON=os.path.join(bench.tool, 'bin/python3')))
        if bench.check('run.sh', ran, 0, 'lathe package'):
            described = bench.run('inspect', os.path.join(folder, 'model.rknn'))
            bench.check('what run.sh made', described, 0, 'rk3588', 'y 1x4x32x32 int8')
            brought = os.path.join(bench.work, 'brought')
            bench.check('brought back', bench.run('package', os.path.join(folder, 'model.rknn'), '--from', model, '--target', 'rknn:rk3588', '--precision', 'int8', '-o', brought), 0, 'tiny')
            bench.check('brought back, verified', bench.run('zoo', brought, 'verify'), 0, 'sound')
            bench.check('for another chip', bench.run('package', os.path.join(folder, 'model.rknn'), '--from', model, '--target', 'rknn:rk3566', '--precision', 'int8', '-o', brought), 1)
    qdq = os.path.join(bench.given.shared, 'models/onnx/yolov8n_int8_qdq.onnx')
    if os.path.exists(qdq):
        bench.check('a quantised model', bench.compile(qdq), 3, 'quantised already', '--calibration')
    bench.check('the processor is named', bench.run('check', os.path.join(bench.given.shared, 'models/pt/custom_yolov8n-cls_leaf_best.pt'), '--target', 'rknn:rk3566',
                                                    '--width', '320', '--height', '320'), 0, "run on the board's processor")
    bench.check('lathe check', bench.run('check', model, '--target', 'rknn:rk3566'), 0, 'can be compiled')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--lathe', required=True)
    parser.add_argument('--shared', required=True)
    parser.add_argument('what', choices=['models', 'behaviours'])
    given = parser.parse_args()
    if not glob.glob(os.path.join(given.shared, 'images/coco/images/*.jpg')):
        print('SKIPPED: no pictures in %s' % given.shared)
        return 77
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(given, work)
        (models if given.what == 'models' else behaviours)(bench)
    print('\n'.join(bench.wrong) if bench.wrong else 'as it should be')
    return 1 if bench.wrong else 0


if __name__ == '__main__':
    sys.exit(main())
