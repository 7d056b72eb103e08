#!/usr/bin/env python3
"""A job that is killed or interrupted while the stand-in hangs, and ones that are killed while they write: nothing of them stays.

    killed.py --lathe PROGRAM --shared FOLDER
"""
import argparse
import glob
import os
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
wrong = []


def check(truth, what):
    if not truth:
        wrong.append(what)


def alive(pid):
    try:
        with open('/proc/%d/stat' % pid) as file:
            return file.read().rsplit(')', 1)[1].split()[0] not in 'ZX'
    except OSError:
        return False


def within(seconds, truth):
    end = time.monotonic() + seconds
    while not truth():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def killed(given, folder):
    """Whatever ends a job in the middle, no folder of it stays, neither in TMPDIR nor beside the result, and no process of the tool's."""
    tools, temporary, hangs = [os.path.join(folder, name) for name in ('tools', 'tmp', 'hangs')]
    os.mkdir(tools)
    with open(os.path.join(tools, 'hailo'), 'w') as file:
        file.write('#!/bin/sh\nexec /usr/bin/python3 -B "%s" "$@"\n' % os.path.join(HERE, 'stand_in.py'))
    os.chmod(os.path.join(tools, 'hailo'), 0o755)
    os.mkdir(temporary)
    environment = dict(os.environ, LATHE_STAND_IN='hang@optimize', LATHE_STAND_IN_HANGS=hangs, TMPDIR=temporary, PATH=tools + ':/usr/bin:/bin',
                       XDG_STATE_HOME=os.path.join(folder, 'state'))
    out, model = os.path.join(folder, 'a new', 'place'), os.path.join(given.shared, 'models/pt/yolov8n.pt')
    compiling = [given.lathe, 'compile', model, '--target', 'hailo:hailo8l', '--width', '64', '--height', '64', '--calibration',
                 os.path.join(given.shared, 'images/coco/images'), '-o', out]

    def left():
        found = os.listdir(temporary)
        for where, folders, files in os.walk(os.path.dirname(out)):
            found += [os.path.join(where, f) for f in folders if f.startswith('.lathe-')] + [os.path.join(where, f) for f in files]
        return found

    for ended_by in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM):
        job = subprocess.Popen(compiling, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if not within(300, lambda: os.path.exists(hangs) and open(hangs).read().count(' ') == 1):
            check(False, 'the stand-in was never started')
            job.kill()
            return
        pids = [int(p) for p in open(hangs).read().split()]
        check(os.listdir(temporary) and glob.glob(out + '/.lathe-*'), 'while it runs: %s' % os.listdir(temporary))
        job.send_signal(ended_by)
        code = job.wait()
        check(code == (-9 if ended_by == signal.SIGKILL else 130), '%s: exit code %d' % (ended_by, code))
        check(within(60, lambda: not left() and not any(alive(p) for p in pids)), '%s left %s, processes %s' % (ended_by, left(), [p for p in pids if alive(p)]))
        check(within(60, lambda: not os.path.exists(os.path.dirname(out))), '%s left the folders that were made for the result' % ended_by)
        os.remove(hangs)

    # What is killed while it writes leaves all of its result or nothing.
    environment['LATHE_STAND_IN'] = 'success'
    done = subprocess.run(compiling, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    check(done.returncode == 0, done.stderr)
    if done.returncode:
        return
    package = glob.glob(out + '/*')[0]
    hef = glob.glob(package + '/*.hef')[0]
    zoo = os.path.join(folder, 'zoo')
    os.mkdir(zoo)
    options = ['--target', 'hailo:hailo8l', '--width', '64', '--height', '64']
    for what, command in (('bundle', compiling[:-1] + [zoo, '--emit', 'bundle']), ('package', [given.lathe, 'package', hef, '--from', model, '-o', zoo] + options),
                          ('zoo add', [given.lathe, 'zoo', zoo, 'add', package])):
        for delay in (0, 0.02, 0.2):
            job = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            within(300, lambda: glob.glob(zoo + '/.lathe-*') or job.poll() is not None)
            time.sleep(delay)
            job.kill()
            job.wait()
            check(within(60, lambda: not os.listdir(temporary) and not glob.glob(zoo + '/.lathe-*')),
                  '%s after %g s left %s %s' % (what, delay, os.listdir(temporary), glob.glob(zoo + '/.lathe-*')))
            for made in glob.glob(zoo + '/*'):
                whole = 'run.sh' if made.endswith('_bundle') else 'manifest.json'
                check(os.path.exists(os.path.join(made, whole)), '%s after %g s: %s is not whole' % (what, delay, made))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--lathe', required=True)
    parser.add_argument('--shared', required=True)
    given = parser.parse_args()
    if not os.path.exists(os.path.join(given.shared, 'models/pt/yolov8n.pt')):
        print('SKIPPED: %s/models/pt is absent' % given.shared)
        return 77
    with tempfile.TemporaryDirectory(prefix='lathe-killed-') as folder:
        killed(given, folder)
    print('\n'.join(wrong) if wrong else 'as it should be')
    return 1 if wrong else 0


sys.exit(main())
