"""Has rknn-toolkit2 convert model.onnx as build.json says. Run in their folder: python3 build.py build.json

Every step's return code is looked at, and a line that begins with "lathe:" says what came of it; "lathe: done" is the last. Lathe reads these lines
and the toolkit's own log.
"""
import json
import os
import sys

LOWEST_PYTHON, HIGHEST_PYTHON = (3, 6), (3, 12)


def fail(text):
    print('lathe: failed: ' + text, flush=True)
    sys.exit(1)


def numbers(version):
    found = []
    for part in version.split('.')[:3]:
        digits = ''.join(c for c in part if c.isdigit())
        found.append(int(digits) if digits else 0)
    return tuple(found)


def check_python():
    here = sys.version_info[:2]
    if not LOWEST_PYTHON <= here <= HIGHEST_PYTHON:
        fail('rknn-toolkit2 runs in Python 3.6 to 3.12, and this is %d.%d' % here)
    try:
        from importlib.metadata import version
    except ImportError:  # before Python 3.8
        from pkg_resources import get_distribution

        def version(name):
            return get_distribution(name).version
    # (lowest, highest) of what the toolkit is known to work with. Beyond it, it may still.
    for name, lowest, highest in (('numpy', None, (1, 26, 4)), ('protobuf', (4, 21, 6), (4, 25, 4)), ('onnx', (1, 16, 1), (1, 18, 99)),
                                  ('torch', None, (2, 4, 0))):
        try:
            found = version(name)
        except Exception:
            continue
        if (lowest and numbers(found) < lowest) or numbers(found) > highest:
            print('lathe: beside: %s %s' % (name, found), flush=True)


def check_calibration(path):
    folder = os.path.dirname(os.path.abspath(path))
    with open(path) as f:
        lines = [line.rstrip('\n') for line in f]
    if not lines:
        fail('%s is empty' % path)
    for line in lines:
        for name in line.split(' '):
            if not os.path.isabs(name) or not os.path.isfile(name):
                fail('the calibration file %r of %s is not there (is there a blank in the path of %s?)' % (name, path, folder))


def check_record(path):
    """The toolkit's own record: an error in it is one, whatever the steps returned."""
    try:
        with open(path, errors='replace') as f:
            errors = [line.strip() for line in f if line.startswith('E ') and 'rknn-toolkit2 version' not in line]
    except OSError:
        return
    if errors:
        fail('rknn-toolkit2 reports an error: ' + errors[-1][2:])


def step(name, function):
    print('lathe: step ' + name, flush=True)
    code = function()
    # config() is documented to return nothing; everything else returns 0.
    if code is not None and code != 0:
        fail('%s returned %r' % (name, code))


def main():
    with open(sys.argv[1]) as f:
        order = json.load(f)
    check_python()
    if order['dataset']:
        check_calibration(order['dataset'])
    try:
        from rknn.api import RKNN
    except ImportError as e:
        fail('rknn-toolkit2 cannot be loaded: %s' % e)
    toolkit = RKNN(verbose=True, verbose_file='toolkit.log')
    step('config', lambda: toolkit.config(**order['config']))
    step('load_onnx', lambda: toolkit.load_onnx(model=order['model'], inputs=order['inputs'], input_size_list=order['shapes'], outputs=order['outputs']))
    if order['dataset']:
        step('build', lambda: toolkit.build(do_quantization=True, dataset=os.path.abspath(order['dataset'])))
    else:
        step('build', lambda: toolkit.build(do_quantization=False))
    step('export_rknn', lambda: toolkit.export_rknn(order['artifact']))
    toolkit.release()
    check_record('toolkit.log')
    print('lathe: done', flush=True)


if __name__ == '__main__':
    main()
