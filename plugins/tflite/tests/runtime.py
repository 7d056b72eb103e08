"""TensorFlow Lite's own library, in a process of its own: it may abort on what it does not like, and then only the helper goes.

As a program: reads lines of JSON {"model": path, "inputs": [path.npy, ...], "outputs": folder, "threads": n, "xnnpack": true or false} from standard input, and answers each
with {"outputs": [path.npy, ...], "seconds": [s, ...], "processor": [s, ...]} or {"error": text}. `Runtime` keeps such a process.
"""
import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

# The C API's own numbers of types, which are not the file's.
TYPES = {1: np.float32, 2: np.int32, 3: np.uint8, 4: np.int64, 6: np.bool_, 7: np.int16, 9: np.int8, 10: np.float16, 11: np.float64,
         13: np.uint64, 16: np.uint32, 17: np.uint16}
POINTERS = ['TfLiteModelCreateFromFile', 'TfLiteInterpreterOptionsCreate', 'TfLiteInterpreterCreate', 'TfLiteInterpreterGetInputTensor',
            'TfLiteInterpreterGetOutputTensor', 'TfLiteTensorData', 'TfLiteXNNPackDelegateCreate']


class Failure(Exception):
    pass


def library():
    path = os.environ.get('LATHE_TFLITE_LIBRARY', '')
    return path if path and os.path.exists(path) else None


class Interpreter:
    def __init__(self, api, path, threads, xnnpack=False):
        self.api = api
        model = api.TfLiteModelCreateFromFile(path.encode())
        if not model:
            raise Failure('the runtime does not take the file')
        options = api.TfLiteInterpreterOptionsCreate()
        api.TfLiteInterpreterOptionsSetNumThreads(ctypes.c_void_p(options), threads)
        if xnnpack:
            # Number of threads, flags (1 and 2: signed and unsigned 8-bit operators too), and zeros for what later versions have there.
            wanted = (ctypes.c_uint32 * 16)(threads, 3)
            api.TfLiteInterpreterOptionsAddDelegate(ctypes.c_void_p(options), ctypes.c_void_p(api.TfLiteXNNPackDelegateCreate(wanted)))
        self.handle = ctypes.c_void_p(api.TfLiteInterpreterCreate(ctypes.c_void_p(model), ctypes.c_void_p(options)) or 0)
        if not self.handle.value:
            raise Failure('the runtime makes no interpreter of it')

    @staticmethod
    def check(status, what):
        if status != 0:
            raise Failure(what + ' fails')

    def shape(self, tensor):
        return [self.api.TfLiteTensorDim(tensor, i) for i in range(self.api.TfLiteTensorNumDims(tensor))]

    def type(self, tensor):
        number = self.api.TfLiteTensorType(tensor)
        if number not in TYPES:
            raise Failure('a tensor of type %d' % number)
        return TYPES[number]

    def set_inputs(self, values):
        count = self.api.TfLiteInterpreterGetInputTensorCount(self.handle)
        if count != len(values):
            raise Failure('%d inputs are wanted, %d were given' % (count, len(values)))
        for i, x in enumerate(values):
            tensor = ctypes.c_void_p(self.api.TfLiteInterpreterGetInputTensor(self.handle, i))
            if self.shape(tensor) != list(x.shape):
                self.check(self.api.TfLiteInterpreterResizeInputTensor(self.handle, i, (ctypes.c_int * x.ndim)(*x.shape), x.ndim), 'ResizeInputTensor')
        self.check(self.api.TfLiteInterpreterAllocateTensors(self.handle), 'AllocateTensors')
        for i, x in enumerate(values):
            tensor = ctypes.c_void_p(self.api.TfLiteInterpreterGetInputTensor(self.handle, i))
            if self.type(tensor) != x.dtype.type:
                raise Failure('input %d is %s, not %s' % (i, self.type(tensor).__name__, x.dtype))
            x = np.ascontiguousarray(x)
            if self.api.TfLiteTensorByteSize(tensor) != x.nbytes:
                raise Failure('input %d has another size' % i)
            if x.nbytes:
                ctypes.memmove(self.api.TfLiteTensorData(tensor), x.ctypes.data, x.nbytes)

    def invoke(self):
        self.check(self.api.TfLiteInterpreterInvoke(self.handle), 'Invoke')

    def outputs(self):
        results = []
        for i in range(self.api.TfLiteInterpreterGetOutputTensorCount(self.handle)):
            tensor = ctypes.c_void_p(self.api.TfLiteInterpreterGetOutputTensor(self.handle, i))
            y = np.empty(self.shape(tensor), self.type(tensor))
            if y.nbytes:
                ctypes.memmove(y.ctypes.data, self.api.TfLiteTensorData(tensor), y.nbytes)
            results.append(y)
        return results


def open_api(path):
    api = ctypes.CDLL(path)
    for name in POINTERS:
        getattr(api, name).restype = ctypes.c_void_p
    api.TfLiteTensorByteSize.restype = ctypes.c_size_t
    return api


def serve():
    api = open_api(library())
    for line in sys.stdin:
        job = json.loads(line)
        try:
            net = Interpreter(api, job['model'], job.get('threads', 1), job.get('xnnpack', False))
            net.set_inputs([np.load(f) for f in job['inputs']])
            times, processor = [], []
            for _ in range(job.get('runs', 1)):
                start, used = time.perf_counter(), time.process_time()
                net.invoke()
                times.append(time.perf_counter() - start)
                processor.append(time.process_time() - used)
            names = []
            for i, y in enumerate(net.outputs()):
                names.append(os.path.join(job['outputs'], 'output%d.npy' % i))
                np.save(names[-1], y)
            answer = {'outputs': names, 'seconds': times, 'processor': processor}
        except Failure as failure:
            answer = {'error': str(failure)}
        print(json.dumps(answer), flush=True)


class Runtime:
    """Runs models in a helper process, which is started again when it dies."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.helper = None

    def start(self):
        self.log = open(os.path.join(self.folder.name, 'log'), 'w+')
        self.helper = subprocess.Popen([sys.executable, os.path.abspath(__file__)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)

    def ask(self, model, inputs, threads=1, runs=1, xnnpack=False):
        if self.helper is None or self.helper.poll() is not None:
            self.start()
        files = []
        for i, x in enumerate(inputs):
            files.append(os.path.join(self.folder.name, 'input%d.npy' % i))
            np.save(files[-1], x)
        at = self.log.tell()
        try:
            self.helper.stdin.write(json.dumps({'model': model, 'inputs': files, 'outputs': self.folder.name, 'threads': threads, 'runs': runs, 'xnnpack': xnnpack}) + '\n')
            self.helper.stdin.flush()
            line = self.helper.stdout.readline()
        except BrokenPipeError:
            line = ''
        if not line:
            self.helper.wait()
            answer = {'error': 'the runtime died with %d' % self.helper.returncode}
            self.helper = None
        else:
            answer = json.loads(line)
        if 'error' in answer:
            self.log.seek(at)
            said = [l.strip() for l in self.log.read().splitlines() if 'ERROR' in l or 'rror' in l]
            raise Failure(answer['error'] + (': ' + '; '.join(said[-2:]) if said else ''))
        self.processor = answer['processor']  # seconds that processors worked, which a busy machine disturbs less
        return [np.load(f) for f in answer['outputs']], answer['seconds']

    def run(self, model, inputs, threads=1):
        return self.ask(model, inputs, threads)[0]


if __name__ == '__main__':
    serve()
