"""A stand-in for a private N2X compiler: MODEL ARTIFACT DEVICE PRECISION CALIBRATION. It plays a behaviour, chosen by LATHE_STAND_IN.

None is public, so nothing of its behaviour is documented: command line, exit status and messages are inferred throughout. What it writes has the
fields that were seen in a public .n2x file.
"""

import os
import pathlib
import signal
import struct
import sys
import time

import onnx

behaviour = os.environ.get("LATHE_STAND_IN", "success")


class Writer:
    """FlatBuffers front to back: what a field points to comes after it."""

    def __init__(self):
        self.out = bytearray(b"\0\0\0\0N2X0")

    def align(self):
        self.out += bytes(-len(self.out) % 4)

    def link(self, at, child):
        where = child()
        self.out[at : at + 4] = struct.pack("<I", where - at)

    def vector(self, data, count):
        def write():
            self.align()
            at = len(self.out)
            self.out += struct.pack("<I", count) + data
            return at

        return write

    def text(self, letters):
        return self.vector(letters.encode() + b"\0", len(letters.encode()))

    def tables(self, children):
        def write():
            self.align()
            at = len(self.out)
            self.out += struct.pack("<I", len(children)) + bytes(4 * len(children))
            for i, child in enumerate(children):
                self.link(at + 4 + 4 * i, child)
            return at

        return write

    def table(self, fields):
        """From a field's number to a number or to what it points to."""

        def write():
            self.align()
            places = [0] * (max(fields) + 1)
            for i, number in enumerate(fields):
                places[number] = 4 + 4 * i
            vtable = len(self.out)
            self.out += struct.pack(f"<HH{len(places)}H", 4 + 2 * len(places), 4 + 4 * len(fields), *places)
            self.align()
            at = len(self.out)
            self.out += struct.pack("<i", at - vtable)
            self.out += b"".join(struct.pack("<I", v if isinstance(v, int) else 0) for v in fields.values())
            for i, v in enumerate(fields.values()):
                if not isinstance(v, int):
                    self.link(at + 4 + 4 * i, v)
            return at

        return write


def n2x(inputs, outputs, quantised):
    w = Writer()
    places, memory = {}, 0

    def tensor(name, shape):
        nonlocal memory
        size = 1 if quantised else 4
        for d in shape:
            size *= d
        places.setdefault(name, (memory, size))
        memory = max(memory, sum(places[name]))
        return w.table({1: w.text(name), 2: places[name][0], 3: size, 5: 2 if quantised else 0, 6: w.vector(struct.pack(f"<{len(shape)}i", *shape), len(shape))})

    ins, outs = [tensor(*i) for i in inputs], [tensor(*o) for o in outputs]
    layer = w.table({1: w.text("Layer: conv2dq8 gemm: stand-in")})
    graph = w.table({0: w.text("stand-in"), 3: w.tables(ins + outs), 6: w.tables([layer])})
    ports = w.table({1: memory, 2: w.tables(ins), 3: w.tables(outs)})
    ids = w.vector(struct.pack(f"<{len(outs)}i", *range(len(outs))), len(outs))
    w.link(0, w.table({0: w.vector(bytes(8), 8), 1: 306, 2: graph, 3: ports, 4: w.vector(b"\2", 1), 11: ids}))
    return bytes(w.out)


def ends(model):
    constants = {i.name for i in model.graph.initializer}
    shape = lambda v: [d.dim_value for d in v.type.tensor_type.shape.dim]
    return [(i.name, shape(i)) for i in model.graph.input if i.name not in constants], [(o.name, shape(o)) for o in model.graph.output]


model, artifact, device, precision, calibration = sys.argv[1:]
assert device in ("CPU", "ORCA1") and precision in ("float32", "int8"), sys.argv
loaded = onnx.load(model)
onnx.checker.check_model(loaded)
inputs, outputs = ends(loaded)
if calibration:
    assert any(pathlib.Path(calibration).iterdir())
if behaviour == "failure":
    print("fatal: this is what the compiler says")
    sys.exit(3)
if behaviour == "exit0-failure":
    sys.exit(0)
if behaviour == "prompt":
    print("Overwrite? [y/n] ", end="", flush=True)
    time.sleep(120)
if behaviour == "hang":
    time.sleep(600)
if behaviour == "slow":
    for percent in (10, 50, 90):
        print(f"{percent}%", flush=True)
        time.sleep(0.1)
if behaviour in ("crash", "killed"):
    os.kill(os.getpid(), signal.SIGABRT if behaviour == "crash" else signal.SIGKILL)
if behaviour == "other-model":
    inputs = [(name, [1, 3, 8, 8]) for name, _ in inputs]
data = n2x(inputs, outputs, precision == "int8")
if behaviour == "garbage":
    data = bytes(range(256)) * 10
if behaviour == "truncated":
    data = data[: len(data) // 2]
pathlib.Path(artifact).write_bytes(data)
