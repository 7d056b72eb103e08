"""The forms in which one network is saved: whatever the types, strides, storages and wrappers, the same bytes come out.

Every form is compiled for the target `onnx`; its file must be the plain checkpoint's to the byte. What the plain one computes is held against
the sums, written out.
"""

import math
import os
import struct
import sys
import unittest
import zipfile

sys.path.insert(0, os.environ["LATHE_SOURCE_DIR"] + "/tests/support")
from program import BUILD, ProgramTest, npy  # noqa: E402
from torch_files import (  # noqa: E402
    BIASES, MATRIX, WEIGHTS, Call, Named, Storage, checkpoint, classifier, contiguous, module, ordered, parameter, tensor, trained,
)

SHAPE = (4, 3, 3, 3)
HALVES = b"".join(struct.pack("<e", v) for v in WEIGHTS)


def weights(storage, *arguments, **options):
    return trained(classifier(parameter(tensor(storage, *arguments, **options))))


def spread(values, step, offset):
    held = [9.0] * (offset + step * len(values))
    held[offset::step] = values
    return held


def channels_last():
    """The same elements as a convolution in torch.channels_last keeps them: [filter, row, column, channel]."""
    order = [WEIGHTS[((f * 3 + c) * 3 + y) * 3 + x] for f in range(4) for y in range(3) for x in range(3) for c in range(3)]
    return weights(Storage("Float", order), SHAPE, (27, 1, 9, 3))


def rebuilt(function, *arguments, home="torch._utils"):
    return trained(classifier(Call(Named(home, function), *arguments)))


def numpy_array(order):
    data = struct.pack(f"{order}108f", *WEIGHTS)
    dtype = Call(Named("numpy", "dtype"), "f4", False, True, state=(3, order, None, None, None, -1, -1, 0))
    array = Call(Named("numpy.core.multiarray", "_reconstruct"), Named("numpy", "ndarray"), (0,), b"b", state=(1, SHAPE, dtype, False, data))
    return rebuilt("_rebuild_device_tensor_from_numpy", array, Named("torch", "float32"), "xla:1", True)


def plain(kind="Float"):
    return parameter(tensor(Storage(kind, WEIGHTS), SHAPE))


def wrapped(path, name):
    return trained(module(path, {}, {name: classifier()}))


STRANGE = {
    "path": Call(Named("pathlib", "PosixPath"), "/", "runs", "train"),
    "windows": Call(Named("pathlib", "WindowsPath"), "C:\\", "runs"),
    "scalar": Call(Named("numpy.core.multiarray", "scalar"), Call(Named("numpy", "dtype"), "f8", False, True, state=(3, "<", None, None, None, -1, -1, 0)), struct.pack("<d", 0.5)),
    "set": {1, 2},
    "frozen": frozenset([3]),
    "default": Call(Named("collections", "defaultdict"), Named("builtins", "list"), entries={"a": [1]}),
    "when": Call(Named("datetime", "datetime"), b"\x07\xe8\x01\x02\x03\x04\x05\x00\x00\x00"),
    "enumerated": Call(Named("torchvision.transforms.functional", "InterpolationMode"), "bilinear"),
    "size": Call(Named("torch", "Size"), (1, 2)),
    "dtype": Named("torch", "float16"),
    "device": Call(Named("torch", "device"), "cuda", 0),
    "huge": 1 << 100,
    "complex": Call(Named("builtins", "complex"), 1.0, 2.0),
    "slice": Call(Named("builtins", "slice"), 0, 1, None),
    "text": "größe",
    "bytes": b"\x00\xff",
    "array": bytearray(b"123"),
    "nothing": None,
}


def forms():
    yield "float16", weights(Storage("Half", WEIGHTS), SHAPE)
    yield "bfloat16", weights(Storage("BFloat16", WEIGHTS), SHAPE)
    yield "float64", weights(Storage("Double", WEIGHTS), SHAPE)
    yield "channels last", channels_last()
    yield "every third element", weights(Storage("Float", spread(WEIGHTS, 3, 5)), SHAPE, tuple(3 * s for s in contiguous(SHAPE)), 5)
    yield "within a larger storage", weights(Storage("Half", [1.0] * 50 + WEIGHTS + [2.0] * 50), SHAPE, offset=50)
    yield "torch.Size", rebuilt("_rebuild_tensor_v2", Storage("Float", WEIGHTS), 0, Call(Named("torch", "Size"), SHAPE), contiguous(SHAPE), False, ordered())
    yield "first version", rebuilt("_rebuild_tensor", Storage("Half", WEIGHTS), 0, SHAPE, contiguous(SHAPE))
    yield "with metadata", rebuilt("_rebuild_tensor_v2", Storage("Half", WEIGHTS), 0, SHAPE, contiguous(SHAPE), True, ordered(), {})
    yield "third version", rebuilt(
        "_rebuild_tensor_v3", Storage("Untyped", data=HALVES, count=216), 0, SHAPE, contiguous(SHAPE), False, ordered(), Named("torch", "float16"), {}
    )
    yield "parameter with state", rebuilt("_rebuild_parameter_with_state", tensor(Storage("Half", WEIGHTS), SHAPE), True, ordered(), {"tag": 1})
    yield "subclass", rebuilt(
        "_rebuild_from_type_v2", Named("torch._utils", "_rebuild_parameter"), Named("my.own", "Weight"), (tensor(Storage("Half", WEIGHTS), SHAPE), True, ordered()), {},
        home="torch._tensor",
    )
    yield "numpy's array", numpy_array("<")
    yield "ema first", trained(module("a.Broken"), ema=classifier())
    yield "the network alone", classifier(args={"imgsz": 32})
    yield "DataParallel", wrapped("torch.nn.parallel.data_parallel.DataParallel", "module")
    yield "DistributedDataParallel", wrapped("torch.nn.parallel.distributed.DistributedDataParallel", "module")
    yield "YOLO object", module("ultralytics.models.yolo.model.YOLO", {}, {"model": classifier(args=Call(Named("ultralytics.utils", "IterableSimpleNamespace"), state={"imgsz": 32}))})
    yield "strange values beside", trained(train_args={"imgsz": 32, **STRANGE}, train_metrics=STRANGE)
    yield "strange values within", trained(classifier(args=STRANGE, criterion=Call(Named("ultralytics.utils.loss", "v8ClassificationLoss"))))
    yield "arguments as a namespace", trained(train_args=Call(Named("argparse", "Namespace"), state={"imgsz": 32}, new=True))
    yield "arguments as Ultralytics' namespace", trained(train_args=Call(Named("ultralytics.utils", "IterableSimpleNamespace"), state={"imgsz": 32}))
    yield "options of YOLOv5", {"model": classifier(), "opt": Call(Named("argparse", "Namespace"), state={"imgsz": 32}, new=True)}
    yield "names as a list", trained(classifier(names=["cat", "dog"]))
    yield "counters and hooks", trained(
        classifier(_forward_hooks=ordered({0: Named("thop.profile", "hook")}), total_ops=tensor(Storage("Double", [0.0]), (1,)), _version=2)
    )


class Forms(ProgramTest):
    def compiled(self, data, folder):
        path = self.write(f"{folder}/best.pt", data)
        done = self.lathe("compile", path, "--target", "onnx", "--verify", "off", "-o", self.folder / folder / "out")
        self.assertEqual(done.returncode, 0, f"{folder}: {done.stderr}")
        return {p.name: p.read_bytes() for p in (self.folder / folder / "out").rglob("*") if p.is_file()}

    def model(self, data, folder):
        return next(content for name, content in self.compiled(data, folder).items() if name.endswith(".onnx"))

    def test_every_form_is_the_same_network(self):
        expected = self.model(checkpoint(trained()), "plain")
        for name, value in forms():
            with self.subTest(name):
                self.assertEqual(self.model(checkpoint(value), name.replace(" ", "_")), expected)

    def test_every_protocol_and_container(self):
        expected = self.model(checkpoint(trained()), "plain")
        for protocol in range(1, 6):  # protocol 0 has no way to write torch.save's references to storages
            with self.subTest(protocol=protocol):
                self.assertEqual(self.model(checkpoint(trained(train_args={"imgsz": 32, **STRANGE}), protocol), f"p{protocol}"), expected)
        parts = [(".data/serialization_id", b"1" * 40), (".format_version", b"1"), (".storage_alignment", b"64"), ("byteorder", b"little"), ("version", b"3\n")]
        for name, options in {
            "new members": dict(more=parts),
            "no members": dict(more=[]),
            "other root": dict(root="archive/"),
            "packed": dict(compression=zipfile.ZIP_DEFLATED),
        }.items():
            with self.subTest(name):
                self.assertEqual(self.model(checkpoint(trained(), **options), name.replace(" ", "_")), expected)

    def test_a_weight_that_is_used_twice(self):
        shared = plain("Half")
        network = trained(classifier(shared, _aux=shared))
        self.assertEqual(self.model(checkpoint(network), "twice"), self.model(checkpoint(trained()), "plain"))

    def test_the_same_file_gives_the_same_package(self):
        data = checkpoint(trained())
        first, second = self.compiled(data, "one"), self.compiled(data, "two/deeper")
        self.assertEqual(sorted(first), sorted(second))
        for name in first:
            self.assertEqual(first[name], second[name], name)

    def test_what_it_computes(self):
        size = 32
        pixel = lambda c, y, x: ((c * 5 + y * 3 + x) % 17) / 16  # noqa: E731
        features = []
        for f in range(4):
            total = 0.0
            for y in range(0, size, 2):
                for x in range(0, size, 2):
                    value = BIASES[f]
                    for c in range(3):
                        for dy in range(3):
                            for dx in range(3):
                                row, column = y + dy - 1, x + dx - 1
                                if 0 <= row < size and 0 <= column < size:
                                    value += WEIGHTS[((f * 3 + c) * 3 + dy) * 3 + dx] * pixel(c, row, column)
                    total += value / (1 + math.exp(-value))
            features.append(total / (size // 2) ** 2)
        logits = [sum(MATRIX[k * 4 + f] * features[f] for f in range(4)) for k in range(2)]
        scale = sum(math.exp(v) for v in logits)
        expected = [math.exp(v) / scale for v in logits]

        values = [pixel(c, y, x) for c in range(3) for y in range(size) for x in range(size)]
        picture = self.write("picture.npy", npy([1, 3, 32, 32], values))
        target = "llvm_cpu" if (BUILD / "lib" / "lathe" / "plugins" / "llvm_cpu.so").exists() else None
        if target is None:
            self.skipTest("no target of this build runs here")
        for name, value in (("plain", trained()), ("halves", weights(Storage("Half", WEIGHTS), SHAPE))):
            done = self.lathe("compile", self.write(f"{name}.pt", checkpoint(value)), "-o", self.folder / "out")
            self.assertEqual(done.returncode, 0, done.stderr)
            run = self.lathe("run", next((self.folder / "out").glob(f"{name}*")), "--input", picture, "--output", self.folder / name)
            self.assertEqual(run.returncode, 0, run.stderr)
            content = (self.folder / name / "output0.npy").read_bytes()
            for found, wanted in zip(struct.unpack("<2f", content[-8:]), expected):
                self.assertAlmostEqual(found, wanted, delta=1e-5)


class Refused(ProgramTest):
    def test_what_is_not_read(self):
        rows = [
            ("complex", weights(Storage("ComplexFloat", data=b"\0" * 864, count=108), SHAPE), ["complex64, which are not read", "float32 or float16"]),
            ("quantised", weights(Storage("QInt8", data=b"\0" * 108, count=108), SHAPE), ["qint8, which are not read"]),
            (
                "float8",
                rebuilt("_rebuild_tensor_v3", Storage("Untyped", data=b"\0" * 108, count=108), 0, SHAPE, contiguous(SHAPE), False, ordered(), Named("torch", "float8_e5m2")),
                ["float8_e5m2, which are not read"],
            ),
            ("quantised tensor", rebuilt("_rebuild_qtensor", Storage("QInt8", data=b"\0" * 108, count=108), 0, SHAPE, contiguous(SHAPE), (), False, ordered()), ["_rebuild_qtensor"]),
            ("sparse", rebuilt("_rebuild_sparse_tensor", Named("torch", "sparse_coo"), ()), ["_rebuild_sparse_tensor"]),
            ("no storage", rebuilt("_rebuild_meta_tensor_no_storage", Named("torch", "float32"), SHAPE, contiguous(SHAPE), False), ["_rebuild_meta_tensor_no_storage"]),
            ("big-endian array", numpy_array(">"), ["big-endian"]),
        ]
        for name, value, words in rows:
            with self.subTest(name):
                self.assert_fails(self.lathe("compile", self.write("best.pt", checkpoint(value)), "--target", "onnx"), 1, "best.pt", *words)
        big = checkpoint(trained(), more=[("byteorder", b"big")])
        self.assert_fails(self.lathe("compile", self.write("best.pt", big), "--target", "onnx"), 1, "big-endian")


if __name__ == "__main__":
    unittest.main()
