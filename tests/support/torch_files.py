"""Checkpoints as torch.save writes them, made without PyTorch: a pickler that writes any class name and any call, and the zip file around it.

`classifier()` is a whole network of Ultralytics' kind, small enough to compute by hand; hostile files are made of the same parts.
"""

import io
import pickle
import struct
import zipfile


class Named:
    """A class or function, by its name alone."""

    known = {}

    def __new__(cls, module, name):
        return cls.known.setdefault((module, name), super().__new__(cls))

    def __init__(self, module, name):
        self.module, self.name = module, name


class Call:
    """An object that is made by calling `function`; then filled, and given a state (BUILD)."""

    def __init__(self, function, *arguments, state=None, entries=None, elements=None, new=False):
        self.function, self.arguments, self.state, self.entries, self.elements, self.new = function, arguments, state, entries, elements, new


class Storage:
    """Elements of one type, kept outside of the pickle."""

    formats = {"Float": "f", "Double": "d", "Half": "e", "Long": "q", "Int": "i", "Short": "h", "Char": "b", "Byte": "B", "Bool": "?"}

    def __init__(self, kind, values=(), data=None, count=None, key=None):
        self.kind, self.key = kind, key
        if data is not None:
            self.data = data
        elif kind == "BFloat16":
            self.data = b"".join(struct.pack("<f", v)[2:] for v in values)
        else:
            self.data = struct.pack(f"<{len(values)}{self.formats[kind]}", *values)
        self.count = len(values) if count is None else count


class Pickler(pickle._Pickler):
    """Writes Named, Call and Storage; everything else as Python does."""

    dispatch = dict(pickle._Pickler.dispatch)

    def __init__(self, file, protocol):
        super().__init__(file, protocol)
        self.storages = {}

    def persistent_id(self, value):
        if not isinstance(value, Storage):
            return None
        key = self.storages.setdefault(id(value), (str(len(self.storages)), value))[0]
        module, name = ("torch.storage", "UntypedStorage") if value.kind == "Untyped" else ("torch", value.kind + "Storage")
        return ("storage", Named(module, name), value.key or key, "cpu", value.count)

    def save_named(self, value):
        if self.proto >= 4:
            self.save(value.module)
            self.save(value.name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode())
        self.memoize(value)

    def save_call(self, value):
        self.save(value.function)
        self.save(tuple(value.arguments))
        self.write(pickle.NEWOBJ if value.new else pickle.REDUCE)
        self.memoize(value)
        if value.entries is not None:
            self._batch_setitems(iter(value.entries.items()))
        if value.elements is not None:
            self._batch_appends(iter(value.elements))
        if value.state is not None:
            self.save(value.state)
            self.write(pickle.BUILD)

    dispatch[Named] = save_named
    dispatch[Call] = save_call


def dump(value, protocol=2):
    """(the pickle, {key: bytes of a storage})"""
    file = io.BytesIO()
    pickler = Pickler(file, protocol)
    pickler.dump(value)
    return file.getvalue(), {storage.key or key: storage.data for key, storage in pickler.storages.values()}


def archive(pickled, storages=(), root="best/", more=(("version", b"3\n"), ("byteorder", b"little")), compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as out:

        def add(name, data):
            out.writestr(zipfile.ZipInfo(root + name), data, compression)

        add("data.pkl", pickled)
        for key, data in dict(storages).items():
            add(f"data/{key}", data)
        for name, data in more:
            add(name, data)
    return file.getvalue()


def checkpoint(value, protocol=2, **options):
    return archive(*dump(value, protocol), **options)


# ---- the values that torch.save writes ----------------------------------------------------------------------------------------------


def ordered(entries=None):
    return Call(Named("collections", "OrderedDict"), entries=entries or {})


def contiguous(shape):
    strides, step = [], 1
    for n in reversed(shape):
        strides.insert(0, step)
        step *= n
    return tuple(strides)


def tensor(storage, shape, strides=None, offset=0, function="_rebuild_tensor_v2", more=()):
    strides = contiguous(shape) if strides is None else strides
    return Call(Named("torch._utils", function), storage, offset, tuple(shape), tuple(strides), False, ordered(), *more)


def parameter(value):
    return Call(Named("torch._utils", "_rebuild_parameter"), value, True, ordered())


def module(path, parameters=None, children=None, buffers=None, **attributes):
    home, name = path.rsplit(".", 1)
    state = {
        "training": False,
        "_parameters": ordered(parameters),
        "_buffers": ordered(buffers),
        "_non_persistent_buffers_set": set(),
        "_backward_hooks": ordered(),
        "_forward_hooks": ordered(),
        "_modules": ordered(children),
        **attributes,
    }
    return Call(Named(home, name), state=state, new=True)


WEIGHTS = [((7 * i) % 61 - 30) / 64 for i in range(108)]  # 4 filters of 3 channels, 3x3; exact in every float type
BIASES = [0.5, -0.25, 0.125, -0.5]
MATRIX = [((5 * i) % 23 - 11) / 16 for i in range(8)]  # 2 classes of 4 features
NAMES = {0: "cat", 1: "dog"}


def classifier(weight=None, head=None, block=None, **attributes):
    """A convolution with 4 filters and SiLU, then Classify with 2 classes, for pictures of 32x32."""
    nn, ours = "torch.nn.modules.", "ultralytics.nn.modules."
    identity = lambda: module(nn + "linear.Identity")  # noqa: E731
    if weight is None:
        weight = parameter(tensor(Storage("Float", WEIGHTS), (4, 3, 3, 3)))
    bias = parameter(tensor(Storage("Float", BIASES), (4,)))
    matrix = parameter(tensor(Storage("Float", MATRIX), (2, 4)))
    sizes = dict(kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), dilation=(1, 1), groups=1, padding_mode="zeros", in_channels=3, out_channels=4)
    convolution = module(nn + "conv.Conv2d", {"weight": weight, "bias": bias}, **sizes)
    first = module(ours + "conv.Conv", {}, {"conv": convolution, "act": module(nn + "activation.SiLU", inplace=True)}, i=0, f=-1, type=ours + "conv.Conv")
    last = head or module(
        ours + "head.Classify",
        {},
        {
            "conv": block or module(ours + "conv.Conv", {}, {"conv": identity(), "act": identity()}),
            "pool": module(nn + "pooling.AdaptiveAvgPool2d", output_size=1),
            "drop": module(nn + "dropout.Dropout", p=0.0, inplace=True),
            "linear": module(nn + "linear.Linear", {"weight": matrix, "bias": None}, in_features=4, out_features=2),
        },
        i=1,
        f=-1,
        type=ours + "head.Classify",
    )
    layers = module(nn + "container.Sequential", {}, {"0": first, "1": last})
    return module("ultralytics.nn.tasks.ClassificationModel", {}, {"model": layers}, **{"names": NAMES, "task": "classify", **attributes})


def trained(network=None, **entries):
    """The dictionary that `yolo train` saves."""
    held = {
        "epoch": -1,
        "best_fitness": None,
        "model": classifier() if network is None else network,
        "ema": None,
        "updates": None,
        "optimizer": None,
        "train_args": {"task": "classify", "imgsz": 32, "epochs": 3, "lr0": 0.01},
        "date": "2024-01-02T03:04:05.678901",
        "version": "8.3.0",
        "license": "AGPL-3.0 License (https://ultralytics.com/license)",
    }
    held.update(entries)
    return held
