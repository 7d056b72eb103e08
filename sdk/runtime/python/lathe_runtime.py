"""Loads and runs artifacts that Lathe compiled, from Python. One file; needs numpy and liblathe_runtime.

    import lathe_runtime, numpy
    model = lathe_runtime.Model("yolov8n.so", threads=2)      # an artifact or a package folder
    boxes = model.run(images)[0]                              # numpy arrays in the order of model.inputs, or by name: model.run(images=x)

The library is looked for in LATHE_RUNTIME (a path), beside this file, in ../.. from it as installed, then where the system finds libraries.
Every failure is a RuntimeError with the library's sentence. A Model is used by one thread at a time.
"""

import ctypes
import os
from collections import namedtuple

import numpy

TensorInfo = namedtuple("TensorInfo", "name dtype shape")  # shape: None where only a run knows the size
KernelTime = namedtuple("KernelTime", "kernel nodes origin runs nanoseconds flops bytes")

# ONNX's TensorProto.DataType numbers that numpy has types for.
_DTYPES = {
    1: numpy.float32, 2: numpy.uint8, 3: numpy.int8, 4: numpy.uint16, 5: numpy.int16, 6: numpy.int32, 7: numpy.int64,
    9: numpy.bool_, 10: numpy.float16, 11: numpy.float64, 12: numpy.uint32, 13: numpy.uint64, 14: numpy.complex64, 15: numpy.complex128,
}
_NUMBERS = {numpy.dtype(t): n for n, t in _DTYPES.items()}


class _Options(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("threads", ctypes.c_uint32), ("profile", ctypes.c_int32),
                ("check_weights", ctypes.c_int32), ("describe_only", ctypes.c_int32)]


class _Tensor(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("type", ctypes.c_int32), ("rank", ctypes.c_uint64),
                ("dimensions", ctypes.POINTER(ctypes.c_int64)), ("data", ctypes.c_void_p), ("bytes", ctypes.c_uint64)]


_Allocate = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int32, ctypes.POINTER(ctypes.c_int64),
                             ctypes.c_uint64, ctypes.c_uint64)


class _Run(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("reserved", ctypes.c_uint32), ("inputs", ctypes.POINTER(_Tensor)),
                ("outputs", ctypes.POINTER(_Tensor)), ("input_count", ctypes.c_uint32), ("output_count", ctypes.c_uint32),
                ("context", ctypes.c_void_p), ("allocate", _Allocate)]


class _ArtifactTensor(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("type", ctypes.c_int32), ("rank", ctypes.c_int32), ("dimensions", ctypes.POINTER(ctypes.c_int64))]


class _Kernel(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("nodes", ctypes.c_char_p), ("origin", ctypes.c_char_p), ("flops", ctypes.c_uint64),
                ("bytes", ctypes.c_uint64)]


class _Artifact(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("major", ctypes.c_uint32), ("minor", ctypes.c_uint32), ("reserved", ctypes.c_uint32),
                ("producer", ctypes.c_char_p), ("triple", ctypes.c_char_p), ("cpu", ctypes.c_char_p), ("features", ctypes.c_char_p),
                ("inputs", ctypes.POINTER(_ArtifactTensor)), ("outputs", ctypes.POINTER(_ArtifactTensor)), ("kernels", ctypes.POINTER(_Kernel)),
                ("input_count", ctypes.c_uint32), ("output_count", ctypes.c_uint32), ("kernel_count", ctypes.c_uint32)]


def _load_library():
    here = os.path.dirname(os.path.abspath(__file__))
    name = "liblathe_runtime.so"
    places = [os.environ.get("LATHE_RUNTIME"), os.path.join(here, name), os.path.join(here, "..", "..", name), os.path.join(here, "..", "lib", name)]
    path = next((p for p in places if p and os.path.exists(p)), name)
    library = ctypes.CDLL(path)
    handle = ctypes.c_void_p
    for function, result, arguments in [
        ("lathe_model_open", ctypes.c_int32, [ctypes.c_char_p, ctypes.POINTER(_Options), ctypes.POINTER(handle)]),
        ("lathe_model_open_memory", ctypes.c_int32, [ctypes.c_char_p, ctypes.c_uint64, ctypes.POINTER(_Options), ctypes.POINTER(handle)]),
        ("lathe_model_close", None, [handle]),
        ("lathe_model_error", ctypes.c_char_p, [handle]),
        ("lathe_model_describe", ctypes.POINTER(_Artifact), [handle]),
        ("lathe_model_run", ctypes.c_int32, [handle, ctypes.POINTER(_Run)]),
        ("lathe_model_threads", ctypes.c_uint32, [handle]),
        ("lathe_model_set_threads", ctypes.c_int32, [handle, ctypes.c_uint32]),
        ("lathe_model_profile", ctypes.c_int32, [handle, ctypes.c_uint32, ctypes.POINTER(ctypes.c_uint64), ctypes.POINTER(ctypes.c_uint64)]),
    ]:
        entry = getattr(library, function)
        entry.restype, entry.argtypes = result, arguments
    return library


class Model:
    """An opened artifact: `inputs` and `outputs` are lists of TensorInfo."""

    _library = None

    def __init__(self, source, threads=0, profile=False, check_weights=False):
        """source: a path (artifact or package folder), or the bytes of an artifact. threads: 0 takes as many as processors."""
        if Model._library is None:
            Model._library = _load_library()
        self._handle = ctypes.c_void_p()
        options = _Options(ctypes.sizeof(_Options), threads, int(profile), int(check_weights), 0)
        if isinstance(source, (bytes, bytearray, memoryview)):
            data = bytes(source)
            code = self._library.lathe_model_open_memory(data, len(data), ctypes.byref(options), ctypes.byref(self._handle))
        else:
            code = self._library.lathe_model_open(os.fsencode(source), ctypes.byref(options), ctypes.byref(self._handle))
        self._check(code)
        table = self._library.lathe_model_describe(self._handle).contents
        self.triple, self.features = table.triple.decode(), table.features.decode()
        self.inputs = [self._info(table.inputs[i]) for i in range(table.input_count)]
        self.outputs = [self._info(table.outputs[i]) for i in range(table.output_count)]

    @staticmethod
    def _info(tensor):
        shape = tuple(d if d >= 0 else None for d in tensor.dimensions[: tensor.rank])
        return TensorInfo(tensor.name.decode(), numpy.dtype(_DTYPES.get(tensor.type, numpy.void)), shape)

    def _check(self, code):
        if code != 0:
            text = self._library.lathe_model_error(self._handle) if self._handle else b"out of memory"
            raise RuntimeError(text.decode())

    def run(self, *arrays, **named):
        """Arrays in the order of `inputs`, or by name. Returns the outputs as a list of arrays in the order of `outputs`."""
        arrays = list(arrays)
        for info in self.inputs[len(arrays):]:
            if info.name not in named:
                raise RuntimeError(f"input '{info.name}' is missing; the model wants {', '.join(i.name for i in self.inputs)}")
            arrays.append(named.pop(info.name))
        if named or len(arrays) > len(self.inputs):
            raise RuntimeError(f"the model has no input {', '.join(named) or len(arrays)}; it wants {', '.join(i.name for i in self.inputs)}")
        arrays = [numpy.ascontiguousarray(a) for a in arrays]
        given = (_Tensor * max(1, len(arrays)))()
        for slot, info, array in zip(given, self.inputs, arrays):
            if array.dtype not in _NUMBERS:
                raise RuntimeError(f"input '{info.name}' has numpy type {array.dtype}; the model wants {info.dtype}")
            dimensions = (ctypes.c_int64 * max(1, array.ndim))(*array.shape)
            slot.struct_size, slot.type, slot.rank = ctypes.sizeof(_Tensor), _NUMBERS[array.dtype], array.ndim
            slot.dimensions, slot.data, slot.bytes = dimensions, array.ctypes.data, array.nbytes
        results = [None] * len(self.outputs)

        def allocate(_context, output, kind, dimensions, rank, _bytes):
            results[output] = numpy.empty(dimensions[:rank], _DTYPES[kind])
            return results[output].ctypes.data

        callback = _Allocate(allocate)
        request = _Run(ctypes.sizeof(_Run), 0, given, None, len(arrays), len(results), None, callback)
        self._check(self._library.lathe_model_run(self._handle, ctypes.byref(request)))
        return results

    @property
    def threads(self):
        return self._library.lathe_model_threads(self._handle)

    @threads.setter
    def threads(self, count):
        self._check(self._library.lathe_model_set_threads(self._handle, count))

    def profile(self):
        """Time per kernel over the runs so far; needs Model(..., profile=True)."""
        table = self._library.lathe_model_describe(self._handle).contents
        rows = []
        for index in range(table.kernel_count):
            kernel, runs, time = table.kernels[index], ctypes.c_uint64(), ctypes.c_uint64()
            self._check(self._library.lathe_model_profile(self._handle, index, ctypes.byref(runs), ctypes.byref(time)))
            rows.append(KernelTime(kernel.name.decode(), kernel.nodes.decode(), kernel.origin.decode(), runs.value, time.value, kernel.flops, kernel.bytes))
        return rows

    def close(self):
        if getattr(self, "_handle", None):
            self._library.lathe_model_close(self._handle)
            self._handle = None

    __del__ = close

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
