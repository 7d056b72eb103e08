"""Writes small ONNX models with nothing but the standard library, so that tests need no onnx package.

Only the fields the tests use: protobuf's wire format by hand (https://protobuf.dev/programming-guides/encoding), field numbers from
onnx.proto.
"""

import struct

FLOAT, INT64 = 1, 7


def _varint(n):
    n &= (1 << 64) - 1
    out = b""
    while True:
        out += bytes([(n & 0x7F) | (0x80 if n > 0x7F else 0)])
        n >>= 7
        if not n:
            return out


def _number(field, n):
    return _varint(field << 3) + _varint(n)


def _bytes(field, data):
    if isinstance(data, str):
        data = data.encode()
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def value_info(name, shape, element=FLOAT):
    dims = b"".join(_bytes(1, _bytes(2, d) if isinstance(d, str) else _number(1, d)) for d in shape)
    tensor = _number(1, element) + _bytes(2, dims)
    return _bytes(1, name) + _bytes(2, _bytes(1, tensor))


def tensor(name, shape, values, element=FLOAT):
    code = {FLOAT: "<f", INT64: "<q"}[element]
    raw = b"".join(struct.pack(code, v) for v in values)
    return b"".join(_number(1, d) for d in shape) + _number(2, element) + _bytes(8, name) + _bytes(9, raw)


def attribute_ints(name, values):
    return _bytes(1, name) + b"".join(_number(8, v) for v in values) + _number(20, 7)


def attribute_int(name, value):
    return _bytes(1, name) + _number(3, value) + _number(20, 2)


def attribute_text(name, value):
    return _bytes(1, name) + _bytes(4, value) + _number(20, 3)


def attribute_strings(name, values):
    return _bytes(1, name) + b"".join(_bytes(9, v) for v in values) + _number(20, 8)


def sequence_of_maps(name):
    """From strings to floats, as ZipMap yields them."""
    floats = _bytes(1, _number(1, FLOAT))
    string_map = _bytes(5, _number(1, 8) + _bytes(2, floats))
    return _bytes(1, name) + _bytes(2, _bytes(4, _bytes(1, string_map)))


def node(op, inputs, outputs, name="", attributes=(), domain=""):
    return (
        b"".join(_bytes(1, i) for i in inputs)
        + b"".join(_bytes(2, o) for o in outputs)
        + _bytes(3, name or op + "_0")
        + _bytes(4, op)
        + b"".join(_bytes(5, a) for a in attributes)
        + (_bytes(7, domain) if domain else b"")
    )


def model(nodes, inputs, outputs, initializers=(), opset=17, metadata=()):
    graph = (
        b"".join(_bytes(1, n) for n in nodes)
        + _bytes(2, "tiny")
        + b"".join(_bytes(5, t) for t in initializers)
        + b"".join(_bytes(11, i) for i in inputs)
        + b"".join(_bytes(12, o) for o in outputs)
    )
    return (
        _number(1, 8)
        + _bytes(2, "tests")
        + _bytes(7, graph)
        + _bytes(8, _bytes(1, "") + _number(2, opset))
        + b"".join(_bytes(14, _bytes(1, k) + _bytes(2, v)) for k, v in metadata)
    )


def relu(shape=(1, 3, 4, 5)):
    return model([node("Relu", ["x"], ["y"], "only")], [value_info("x", shape)], [value_info("y", shape)])


def convolution_relu():
    """[1,3,8,8] -> Conv 3x3 -> Relu -> Conv 1x1: a graph whose middle a backend for Relu alone can take."""
    weights = tensor("w", (4, 3, 3, 3), [((i * 37) % 19 - 9) / 10 for i in range(108)])
    last = tensor("v", (2, 4, 1, 1), [((i * 29) % 11 - 5) / 7 for i in range(8)])
    return model(
        [
            node("Conv", ["x", "w"], ["a"], "first", [attribute_ints("pads", [1, 1, 1, 1])]),
            node("Relu", ["a"], ["b"], "middle"),
            node("Conv", ["b", "v"], ["y"], "last"),
        ],
        [value_info("x", (1, 3, 8, 8))],
        [value_info("y", (1, 2, 8, 8))],
        [weights, last],
        metadata=[("names", "{0: 'cat', 1: \"dog's\"}"), ("task", "detect"), ("stride", "8")],
    )
