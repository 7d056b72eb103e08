"""Has rknn-toolkit2 convert model.onnx as build.json says. Run in their folder: python3 build.py build.json

Every step's return code is looked at, and a line that begins with "lathe:" says what came of it; "lathe: done" is the last. Lathe reads these lines
and the toolkit's own log.
"""
import atexit
import json
import os
import shutil
import sys
import tempfile

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


def folder_without_blanks():
    """This folder, or a link to it: the toolkit takes a blank in a path for its end."""
    here = os.getcwd()
    if not any(c.isspace() for c in here):
        return here
    for parent in (tempfile.gettempdir(), '/tmp', '/var/tmp', os.path.expanduser('~')):
        if any(c.isspace() for c in parent) or not os.access(parent, os.W_OK):
            continue
        made = tempfile.mkdtemp(prefix='lathe-', dir=parent)
        atexit.register(shutil.rmtree, made, True)
        os.symlink(here, os.path.join(made, 'here'))
        return os.path.join(made, 'here')
    fail('there is a blank in the path of %r, and no folder without one to put a link to it in' % here)


def write_dataset(samples):
    """dataset.txt: one sample a line, absolute paths, since the toolkit looks for others elsewhere than one thinks; returns its own path."""
    folder = folder_without_blanks()
    lines = []
    for sample in samples:
        for name in sample:
            if not os.path.isfile(name):
                fail('the calibration file %r is not in %r' % (name, os.getcwd()))
        lines.append(' '.join(os.path.join(folder, name) for name in sample))
    with open('dataset.txt', 'w') as f:
        f.write('\n'.join(lines))  # no line break at the end: what is behind it would count as a blank line
    return os.path.join(folder, 'dataset.txt')


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
    dataset = write_dataset(order['samples']) if order['samples'] else None
    try:
        from rknn.api import RKNN
    except ImportError as e:
        fail('rknn-toolkit2 cannot be loaded: %s' % e)
    toolkit = RKNN(verbose=True, verbose_file='toolkit.log')
    step('config', lambda: toolkit.config(**order['config']))
    step('load_onnx', lambda: toolkit.load_onnx(model=order['model'], inputs=order['inputs'], input_size_list=order['shapes'], outputs=order['outputs']))
    if dataset:
        step('build', lambda: toolkit.build(do_quantization=True, dataset=dataset))
    else:
        step('build', lambda: toolkit.build(do_quantization=False))
    step('export_rknn', lambda: toolkit.export_rknn(order['artifact']))
    toolkit.release()
    check_record('toolkit.log')
    print('lathe: done', flush=True)


if __name__ == '__main__':
    main()
