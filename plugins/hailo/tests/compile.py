#!/usr/bin/env python3
"""Whole compiles for HAILO with the stand-in of stand_in.py.

    compile.py --lathe PROGRAM --shared FOLDER models|behaviours|bundle|options
"""
import argparse
import glob
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
wrong = []


def check(truth, what):
    if not truth:
        wrong.append(what)


class Bench:
    """A folder with a stand-in in it, whose name a careless command line would stumble over, and a place for results."""

    def __init__(self, given, folder):
        self.lathe, self.shared, self.folder = given.lathe, given.shared, folder
        self.tools = os.path.join(folder, "to ols & 'more")
        os.mkdir(self.tools)
        path = os.path.join(self.tools, 'hailo')
        with open(path, 'w') as file:
            file.write('#!/bin/sh\nexec /usr/bin/python3 %s "$@"\n' % os.path.join(HERE, 'stand_in.py'))
        os.chmod(path, 0o755)
        self.count = 0

    def model(self, name):
        return os.path.join(self.shared, 'models', name)

    def run(self, command, behaviour='success', tools=True, cwd=None):
        environment = {k: v for k, v in os.environ.items() if not k.startswith(('HAILO', 'LATHE_STAND_IN'))}
        environment['LATHE_STAND_IN'] = behaviour
        environment['LATHE_STAND_IN_CALLS'] = os.path.join(self.folder, 'calls')
        environment['PATH'] = (self.tools + ':' if tools else '') + '/usr/bin:/bin'
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors='replace', cwd=cwd)
        return done.returncode, done.stdout, done.stderr

    def compile(self, model, *more, device='hailo8l', behaviour='success', tools=True):
        self.count += 1
        out = os.path.join(self.folder, 'out%d' % self.count)
        code, printed, said = self.run(
            [self.lathe, 'compile', self.model(model), '--target', 'hailo:' + device, '--calibration', os.path.join(self.shared, 'images/coco/images'), '-o', out, *more],
            behaviour, tools)
        return code, printed, said, out

    def calls(self):
        path = os.path.join(self.folder, 'calls')
        if not os.path.exists(path):
            return []
        with open(path) as file:
            calls = [json.loads(line) for line in file]
        os.remove(path)
        return calls


def models(bench):
    """Checkpoints go through to a package: a HEF that inspect reads, the host's stage beside it, JSON keys as HailoRT packages have them."""
    for model, device, outputs in (('pt/yolov8n.pt', 'hailo8l', 6), ('pt/yolo11n-seg.pt', 'hailo8', 10), ('pt/yolov5n.pt', 'hailo8', None),
                                   ('pt/custom_yolov8n-cls_leaf_best.pt', 'hailo8l', 1), ('onnx/yolox_nano.onnx', 'hailo8', 9)):
        size = ('--width', '320', '--height', '320') if 'cls' not in model and model.endswith('.pt') else ()
        code, printed, said, out = bench.compile(model, *size, device=device)
        check(code == 0, '%s: exit code %d\n%s' % (model, code, said))
        if code:
            continue
        hef = glob.glob(out + '/*/*.hef')
        check(len(hef) == 1, '%s: %s' % (model, hef))
        folder = os.path.dirname(hef[0])
        stem = os.path.basename(folder)
        check(stem.endswith('_quant_hailort_%s_1' % device), stem)
        seen = json.loads(bench.run([bench.lathe, 'inspect', hef[0], '--json'])[1])
        check(seen['architecture'] == device.upper() and device.upper() in seen['devices'], '%s: %s' % (model, seen['architecture']))
        check(outputs is None or len(seen['outputs']) == outputs, '%s: outputs %s' % (model, [o['name'] for o in seen['outputs']]))
        check(seen['inputs'][0]['shape'][3] == 3, '%s: input %s' % (model, seen['inputs']))
        post = glob.glob(folder + '/*_post*')
        check(('cls' in model) == (not post), '%s: host stages %s' % (model, post))
        with open(os.path.join(folder, stem + '.json')) as file:
            described = json.load(file)
        check(described['DEVICE'][0]['RuntimeAgent'] == 'HAILORT' and described['DEVICE'][0]['DeviceType'] == device.upper(), '%s: %s' % (model, described['DEVICE']))
        check(described['PRE_PROCESS'][0].get('InputQuantEn') is True, '%s: %s' % (model, described['PRE_PROCESS']))
        code, printed, said = bench.run([bench.lathe, 'zoo', out, 'verify'])
        check(code == 0, '%s: zoo verify: %d %s %s' % (model, code, printed, said))
        parsing = [c for c in bench.calls() if c[0] == 'parser'][0]
        check('-y' in parsing and '--end-node-names' in parsing, '%s: %s' % (model, parsing))


def behaviours(bench):
    """Each way in which the tool fails, with exit code and sentence; nothing is left behind."""
    table = (
        ('failure-unsupported', 3, ['the parser does not take the model: Unsupported op Einsum']),
        ('failure-recommendations', 3, ['recommends that it ends at /model.22/Concat_3', 'head-cut']),
        ('prompt', 1, ['asks a question that nobody is there to answer', '(y/n)']),
        ('failure-memory', 6, ["graphics card's memory ran out", 'optimization-level']),
        ('failure-allocator', 3, ['the network was not placed on the chip', 'concat1']),
        ('exit0-failure@compiler', 3, ['the network was not placed on the chip']),
        ('garbage@optimize', 1, ['did not write the file']),
        ('silent@parser', 1, ['did not write the file']),
        ('crash@optimize', 1, ['was ended by signal 11']),
        ('killed@optimize', 1, ['was ended by signal 9', 'out of memory']),
        ('wrong-version', 3, ['has a version that does not serve', '5.1.0', 'at least 3.27, below 4']),
        ('old-version', 3, ['has a version that does not serve', '3.20.0']),
        ('runtime-only', 3, ['does not tell its version', "of HailoRT alone is another one"]),
        ('no-parser', 3, ['the program of HailoRT alone']),
        ('other-device', 1, ['the HEF is for another device', 'HAILO8L']),
        ('missing-output', 1, ['another number of outputs']),
        ('damaged', 1, ['the HEF is cut short']),
        ('retry', 0, ['took a simplified one']),
        ('lower-level', 0, ['the compiler lowered its optimisation level to 0']),
        ('slow@optimize', 0, []))
    for behaviour, wanted, parts in table:
        code, printed, said, out = bench.compile('pt/yolov8n.pt', '--width', '64', '--height', '64', behaviour=behaviour)
        missing = [p for p in parts if p not in said]
        check(code == wanted and not missing, '%s: exit code %d (wanted %d), without %s\n%s' % (behaviour, code, wanted, missing, said))
        check(wanted == 0 or not glob.glob(out + '/*'), '%s: left %s' % (behaviour, glob.glob(out + '/*')))
    code, printed, said, out = bench.compile('pt/yolov8n.pt', tools=False)
    for part in ('Hailo Dataflow Compiler is not installed', 'hailo.ai', '--emit bundle', 'HAILO_COMPILER'):
        check(code == 3 and part in said, 'absent: exit code %d, without %s\n%s' % (code, part, said))
    code, printed, said, out = bench.compile('pt/yolov8n.pt', '--precision', 'float32')
    check(code == 2 and 'int8' in said, 'float: exit code %d\n%s' % (code, said))
    bench.calls()


def bundle(bench):
    """A bundle is made without the tool, and its run.sh has the tool do what a direct compile has it do."""
    code, printed, said, out = bench.compile('pt/yolov8n.pt', '--width', '64', '--height', '64')
    check(code == 0, said)
    direct = bench.calls()
    target = os.path.join(bench.folder, "a bun&dle's")
    code, printed, said, out = bench.compile('pt/yolov8n.pt', '--width', '64', '--height', '64', '--emit', 'bundle', tools=False)
    check(code == 0, 'bundle: exit code %d\n%s' % (code, said))
    if code:
        return
    check(not bench.calls(), 'the tool was run for a bundle')
    made = printed.strip().splitlines()[-1]
    os.rename(made, target)
    for name in ('run.sh', 'model.onnx', 'model.alls', 'calibration.npy'):
        check(os.path.exists(os.path.join(target, name)), 'the bundle has no ' + name)
    code, printed, said = bench.run([os.path.join(target, 'run.sh')], tools=False, cwd='/')
    check(code == 3 and 'Hailo Dataflow Compiler is not here' in said, 'run.sh without the tool: %d %s' % (code, said))
    code, printed, said = bench.run([os.path.join(target, 'run.sh')], 'wrong-version', cwd='/')
    check(code == 3 and '5.1.0' in said, 'run.sh with 5.x: %d %s' % (code, said))
    code, printed, said = bench.run([os.path.join(target, 'run.sh')], 'exit0-failure@compiler', cwd='/')
    check(code == 3 and 'was not placed on the chip' in said, 'run.sh with a failure: %d %s' % (code, said))
    bench.calls()
    code, printed, said = bench.run([os.path.join(target, 'run.sh')], cwd='/')
    check(code == 0 and 'lathe package' in printed, 'run.sh: %d %s %s' % (code, printed, said))
    check(bench.calls() == direct, 'run.sh and the direct compile gave the tool different arguments')
    hef = glob.glob(target + '/*.hef')
    check(len(hef) == 1, 'run.sh made no HEF')
    out = os.path.join(bench.folder, 'packaged')
    command = [bench.lathe, 'package', hef[0], '--from', bench.model('pt/yolov8n.pt'), '--width', '64', '--height', '64', '-o', out, '--target']
    code, printed, said = bench.run(command + ['hailo:hailo8l'])
    check(code == 0 and glob.glob(out + '/*/*.hef') and glob.glob(out + '/*/*_post*'), 'package: %d %s' % (code, said))
    code, printed, said = bench.run([bench.lathe, 'zoo', out, 'verify'])
    check(code == 0, 'zoo verify: %d %s %s' % (code, printed, said))
    command[command.index('64')] = '96'
    code, printed, said = bench.run(command + ['hailo:hailo8l'])
    check(code != 0, 'a HEF of another size was packaged: %s' % said)


def options(bench):
    """Suppression by HailoRT (files in two phases), a kept folder, and options that make no sense."""
    code, printed, said, out = bench.compile('pt/custom_yolo11n_fruit_best.pt', '--option', 'nms=hailort', '--width', '320', '--height', '320')
    check(code == 0, 'nms=hailort: %d %s' % (code, said))
    if code == 0:
        hef = glob.glob(out + '/*/*.hef')[0]
        seen = json.loads(bench.run([bench.lathe, 'inspect', hef, '--json'])[1])
        nms = seen['network_groups'][0]['nms'][0]
        check(nms['architecture'] == 'YOLOv8' and nms['boxes_per_class'] == 100, nms)
        with open(glob.glob(os.path.dirname(hef) + '/*_1.json')[0]) as file:
            described = json.load(file)
        check(described['POST_PROCESS'][0]['OutputPostprocessType'] == 'DetectionYoloHailo', described['POST_PROCESS'])
        scores = [o for o in seen['outputs'] if o['shape'][3] != 64]
        check(scores and all(o['shape'][3] == nms['classes'] for o in scores), 'classes: %s %s' % (nms, scores))
    code, printed, said, out = bench.compile('pt/custom_yolo11n_fruit_best.pt', '--option', 'nms=hailort', '--width', '64', '--height', '64', behaviour='failure-meta-arch')
    check(code == 3 and "does not know the head's architecture" in said, 'meta_arch: %d %s' % (code, said))
    code, printed, said, out = bench.compile('pt/custom_yolov8n-cls_leaf_best.pt', '--option', 'nms=hailort')
    check(code == 3 and 'nms=off' in said, 'nms of a classifier: %d %s' % (code, said))
    for option in ('optimization-level=5', 'nms-iou=2', 'nms-boxes=0'):
        code, printed, said, out = bench.compile('pt/yolov8n.pt', '--option', option)
        check(code == 2 and option.split('=')[0] in said, '%s: %d %s' % (option, code, said))
    bench.calls()
    work = os.path.join(bench.folder, 'kept')
    small = ('pt/yolov8n.pt', '--width', '64', '--height', '64', '--option', 'work=' + work)
    code, printed, said, out = bench.compile(*small, behaviour='crash@compiler')
    check(code == 1 and [c[0] for c in bench.calls()] == ['parser', 'optimize', 'compiler'], 'kept, first: %d %s' % (code, said))
    code, printed, said, out = bench.compile(*small)
    check(code == 0 and [c[0] for c in bench.calls()] == ['compiler'], 'kept, second: %d %s' % (code, said))
    check(os.path.exists(work + '/hailo_sdk.client.log'), 'the tool\'s own logs are kept')
    environment = os.path.join(bench.folder, 'v env')
    os.makedirs(environment)
    os.symlink(bench.tools, os.path.join(environment, 'bin'))
    code, printed, said, out = bench.compile('pt/yolov8n.pt', '--width', '64', '--height', '64', '--option', 'environment=' + environment, tools=False)
    check(code == 0 and len(bench.calls()) == 3, 'a virtual environment: %d %s' % (code, said))
    code, printed, said, out = bench.compile('pt/yolov8n.pt', '--option', 'environment=' + bench.folder)
    check(code == 3 and 'is not where the virtual environment says' in said, 'an empty environment: %d %s' % (code, said))
    extra = os.path.join(bench.folder, 'extra.alls')
    with open(extra, 'w') as file:
        file.write('allocator_param(timeout=10h)\n')
    code, printed, said, out = bench.compile(*small, '--option', 'script=' + extra, '--option', 'output-bits=16')
    check(code == 0 and [c[0] for c in bench.calls()] == ['optimize', 'compiler'], 'another script: %d %s' % (code, said))
    with open(extra, 'w') as file:
        file.write('not a command\n')
    code, printed, said, out = bench.compile(*small, '--option', 'script=' + extra)
    check(code == 1 and 'does not take the script' in said, 'a bad script: %d %s' % (code, said))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--lathe', required=True)
    parser.add_argument('--shared', required=True)
    parser.add_argument('what', choices=['models', 'behaviours', 'bundle', 'options'])
    given = parser.parse_args()
    if not os.path.exists(os.path.join(given.shared, 'models/pt/yolov8n.pt')):
        print('SKIPPED: %s/models/pt is absent' % given.shared)
        return 77
    with tempfile.TemporaryDirectory(prefix='lathe-hailo-') as folder:
        globals()[given.what](Bench(given, folder))
    print('\n'.join(wrong) if wrong else 'as it should be')
    return 1 if wrong else 0


sys.exit(main())
