"""Loads and runs artifacts that Lathe compiled, from Python. One file; needs numpy and liblathe_runtime.

    import lathe_runtime, numpy
    model = lathe_runtime.Model("yolov8n.so", threads=2)      # an artifact or a package folder
    boxes = model.run(images)[0]                              # numpy arrays in the order of model.inputs, or by name: model.run(images=x)

Strings are arrays of Python's str (dtype object). A sequence is a list of arrays; an optional is None when it is empty. Types that numpy lacks are arrays
of their bytes (bfloat16: uint16, float8: uint8, types smaller than a byte: uint8, flat, packed as in the file).

The library is looked for in LATHE_RUNTIME (a path), beside this file, in ../.. from it as installed, then where the system finds libraries.
Every failure is a RuntimeError with the library's sentence. A Model is used by one thread at a time.
"""

import ctypes
import os
from collections import namedtuple

import numpy

# shape: a dimension is None, or its name, where only a run knows the size; all of it is None where the rank is not known either.
# kind: "tensor", "sequence", "optional" or "optional sequence"; dtype and shape are then those of the elements.
TensorInfo = namedtuple("TensorInfo", "name dtype shape kind")
KernelTime = namedtuple("KernelTime", "kernel nodes origin runs nanoseconds flops bytes")

# ONNX's TensorProto.DataType numbers that numpy has types for.
_DTYPES = {
    1: numpy.float32, 2: numpy.uint8, 3: numpy.int8, 4: numpy.uint16, 5: numpy.int16, 6: numpy.int32, 7: numpy.int64,
    9: numpy.bool_, 10: numpy.float16, 11: numpy.float64, 12: numpy.uint32, 13: numpy.uint64, 14: numpy.complex64, 15: numpy.complex128,
}
_NUMBERS = {numpy.dtype(t): n for n, t in _DTYPES.items()}
_STRING = 8
# How arrays of types that numpy lacks are handed over, and which of them lie several to a byte (elements per byte).
_RAW = {16: numpy.uint16, 17: numpy.uint8, 18: numpy.uint8, 19: numpy.uint8, 20: numpy.uint8, 24: numpy.uint8}
_PACKED = {21: 2, 22: 2, 23: 2, 25: 4, 26: 4}
_KINDS = ("tensor", "sequence", "optional", "optional sequence")


class _Options(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("threads", ctypes.c_uint32), ("profile", ctypes.c_int32),
                ("check_weights", ctypes.c_int32), ("describe_only", ctypes.c_int32)]


class _Tensor(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("type", ctypes.c_int32), ("rank", ctypes.c_uint64),
                ("dimensions", ctypes.POINTER(ctypes.c_int64)), ("data", ctypes.c_void_p), ("bytes", ctypes.c_uint64),
                ("kind", ctypes.c_int32), ("absent", ctypes.c_int32), ("elements", ctypes.c_void_p), ("element_count", ctypes.c_uint64)]


class _String(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_uint64)]


_Put = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_uint32, ctypes.POINTER(_Tensor))
_Allocate = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int32, ctypes.POINTER(ctypes.c_int64),
                             ctypes.c_uint64, ctypes.c_uint64)


class _Run(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("reserved", ctypes.c_uint32), ("inputs", ctypes.POINTER(_Tensor)),
                ("outputs", ctypes.POINTER(_Tensor)), ("input_count", ctypes.c_uint32), ("output_count", ctypes.c_uint32),
                ("context", ctypes.c_void_p), ("allocate", _Allocate), ("put", _Put)]


class _ArtifactTensor(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("type", ctypes.c_int32), ("rank", ctypes.c_int32), ("dimensions", ctypes.POINTER(ctypes.c_int64)),
                ("symbols", ctypes.POINTER(ctypes.c_char_p)), ("kind", ctypes.c_int32), ("reserved", ctypes.c_int32)]


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


def _empty(kind, shape, size):
    if kind in _PACKED:
        return numpy.empty(size, numpy.uint8)
    return numpy.empty(shape, _DTYPES.get(kind) or _RAW[kind])


def _fill_tensor(slot, info, kind, value, keep):
    """One tensor as the library takes it; `keep` holds what it points to."""
    shape = numpy.shape(value)
    if kind == _STRING:
        texts = [t.encode() if isinstance(t, str) else bytes(t) for t in numpy.asarray(value, object).ravel()]
        buffers = [ctypes.create_string_buffer(t, len(t) + 1) for t in texts]
        data = (_String * max(1, len(texts)))(*[_String(ctypes.addressof(b), len(t)) for b, t in zip(buffers, texts)])
        keep += [buffers, data]
        address, size = ctypes.addressof(data), len(texts) * ctypes.sizeof(_String)
    else:
        array = numpy.ascontiguousarray(value)
        if kind not in _PACKED and array.dtype != info.dtype:
            raise RuntimeError(f"input '{info.name}' has numpy type {array.dtype}; the model wants {info.dtype}")
        if kind in _PACKED:
            if info.shape is None or any(not isinstance(d, int) for d in info.shape):
                raise RuntimeError(f"input '{info.name}' has several elements to a byte and no fixed shape, which arrays cannot say")
            shape = info.shape
        keep.append(array)
        address, size = array.ctypes.data, array.nbytes
    dimensions = (ctypes.c_int64 * max(1, len(shape)))(*shape)
    slot.struct_size, slot.type, slot.rank = ctypes.sizeof(_Tensor), kind, len(shape)
    slot.dimensions, slot.data, slot.bytes = dimensions, address, size


def _fill(slot, info, kind, value, keep):
    slot.struct_size, slot.type, slot.kind = ctypes.sizeof(_Tensor), kind, _KINDS.index(info.kind)
    if value is None and "optional" in info.kind:
        slot.absent = 1
    elif "sequence" in info.kind:
        elements = (_Tensor * max(1, len(value)))()
        for element, part in zip(elements, value):
            _fill_tensor(element, info, kind, part, keep)
        keep.append(elements)
        slot.elements, slot.element_count = ctypes.addressof(elements), len(value)
    else:
        _fill_tensor(slot, info, kind, value, keep)


def _value(tensor):
    """A copy of what the library hands over: an array, a list of arrays, or None."""
    if tensor.absent:
        return None
    if "sequence" in _KINDS[tensor.kind]:
        elements = ctypes.cast(tensor.elements, ctypes.POINTER(_Tensor))
        return [_value(elements[i]) for i in range(tensor.element_count)]
    shape = tuple(tensor.dimensions[: tensor.rank])
    if tensor.type == _STRING:
        entries = ctypes.cast(tensor.data, ctypes.POINTER(_String))
        result = numpy.empty(shape, object)
        result.reshape(-1)[:] = [ctypes.string_at(entries[i].data, entries[i].size).decode() for i in range(result.size)]
        return result
    result = _empty(tensor.type, shape, tensor.bytes)
    ctypes.memmove(result.ctypes.data, tensor.data, tensor.bytes)
    return result


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
        inputs = [self._info(table.inputs[i]) for i in range(table.input_count)]
        self.inputs, self._input_types = [info for info, _ in inputs], [kind for _, kind in inputs]
        self.outputs = [self._info(table.outputs[i])[0] for i in range(table.output_count)]

    @staticmethod
    def _info(tensor):
        def dimension(i):
            symbol = tensor.symbols[i] if tensor.symbols else None
            return tensor.dimensions[i] if tensor.dimensions[i] >= 0 else symbol.decode() if symbol else None

        shape = tuple(dimension(i) for i in range(tensor.rank)) if tensor.rank >= 0 else None
        dtype = numpy.dtype(object) if tensor.type == _STRING else numpy.dtype(_DTYPES.get(tensor.type, _RAW.get(tensor.type, numpy.uint8)))
        info = TensorInfo(tensor.name.decode(), dtype, shape, _KINDS[tensor.kind])
        return info, tensor.type

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
        keep = []
        given = (_Tensor * max(1, len(arrays)))()
        for slot, info, kind, value in zip(given, self.inputs, self._input_types, arrays):
            _fill(slot, info, kind, value, keep)
        results = [None] * len(self.outputs)

        def allocate(_context, output, kind, dimensions, rank, size):
            results[output] = _empty(kind, tuple(dimensions[:rank]), size)
            return results[output].ctypes.data or 64  # an empty array's address is never used

        def put(_context, output, value):
            results[output] = _value(value.contents)
            return 0

        callbacks = _Allocate(allocate), _Put(put)
        request = _Run(ctypes.sizeof(_Run), 0, given, None, len(arrays), len(results), None, *callbacks)
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
