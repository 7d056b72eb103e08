"""Checkpoints that mean harm, each with what is said of it: its name, the file, words of the sentence; None instead of words for those whose
network is sound: they compile, and what they carry is not run.

As a program, `hostile_checkpoints.py FOLDER MARKER`, it writes each to a file of the folder.
"""

import gzip
import io
import pickle
import struct
import sys
import tarfile
import zipfile

from torch_files import Call, Named, Storage, archive, checkpoint, classifier, dump, module, ordered, parameter, tensor, trained

sys.setrecursionlimit(10000)  # Python's own pickler recurses
START = b"\x80\x02"


def reduced(module_name, name, *arguments):
    """What object.__reduce__ makes pickle.load call."""
    return Call(Named(module_name, name), *arguments)


def text(s):
    return b"X" + struct.pack("<I", len(s)) + s.encode()


def program(body, protocol=START):
    return archive(protocol + body + b".")


def network_with(value):
    """A sound checkpoint that carries `value` beside its network."""
    return checkpoint(trained(extra=value))


def patched(data, at, change):
    return data[:at] + change + data[at + len(change) :]


def directory_entry(data, index=0):
    """Offset of a central directory entry."""
    at = data.index(b"PK\x01\x02")
    for _ in range(index):
        at = data.index(b"PK\x01\x02", at + 4)
    return at


def with_weight(*arguments, storage=None, **options):
    storage = storage or Storage("Half", [0.5] * 108)
    return checkpoint(trained(classifier(parameter(tensor(storage, *arguments, **options)))))


def zip64(data, offset=None, size=None, entries=None):
    """The same file with a zip64 end record, which may lie."""
    end = data.rindex(b"PK\x05\x06")
    count, length, start = struct.unpack("<HII", data[end + 10 : end + 20])
    record = struct.pack(
        "<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count if entries is None else entries, count if entries is None else entries,
        length if size is None else size, start if offset is None else offset,
    )
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1)
    return data[:end] + record + locator + patched(data[end:], 8, b"\xff" * 12)


def bomb(members, size):
    """Members of zeros, packed as small as deflate can."""
    return archive(*dump(trained()), more=[(f"bomb{i}", b"\0" * size) for i in range(members)], compression=zipfile.ZIP_DEFLATED)


def storage_bomb(size):
    storage = Storage("Byte", data=b"\0" * size, count=size)
    return checkpoint(trained(classifier(parameter(tensor(storage, (4, 3, 3, 3))))), compression=zipfile.ZIP_DEFLATED)


def many_views():
    """One storage of a megabyte, used whole by a thousand weights that all differ."""
    storage = Storage("Half", data=b"\0" * (1 << 20), count=1 << 19)
    views = {f"v{i}": parameter(tensor(storage, (1 << 18,), (1,), offset=i)) for i in range(1000)}
    layers = {str(i): module("torch.nn.modules.linear.Linear", {"weight": parameter(tensor(storage, (512, 512), offset=i))}, f=-1, i=i) for i in range(1000)}
    sequence = module("torch.nn.modules.container.Sequential", views, layers)
    return checkpoint({"model": module("ultralytics.nn.tasks.DetectionModel", {}, {"model": sequence}), "train_args": {"imgsz": 32}})


def nested(levels):
    return START + b"]" * levels + b"a" * (levels - 1) + b"."


def twice(levels):
    """A tuple of the same tuple twice, over and over: 2^levels elements to whoever walks it."""
    return START + b")" + b"2\x86" * levels + b"."


def legacy():
    """torch.save before 1.6: three pickles, then the rest."""
    return b"\x80\x02\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19." + b"\x80\x02M\xe9\x03." + b"\x80\x02}q\x00." + b"\0" * 100


def tarred(data):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as out:
        info = tarfile.TarInfo("best.pt")
        info.size = len(data)
        out.addfile(info, io.BytesIO(data))
    return file.getvalue()


def rows(marker):
    """`marker`: the path of a file that every attack tries to make."""
    touch = f"touch {marker}"
    python = f"open({marker!r}, 'w')"
    sound = checkpoint(trained())
    first = directory_entry(sound)
    os_system = Named("os", "system")
    yield from (
        # What pickle.load would run, beside a sound network.
        ("reduce os.system", network_with(reduced("os", "system", touch)), None),
        ("reduce posix.system", network_with(reduced("posix", "system", touch)), None),
        ("reduce eval", network_with(reduced("builtins", "eval", python)), None),
        ("reduce exec", network_with(reduced("__builtin__", "exec", python)), None),
        ("reduce compile", network_with(Call(Call(Named("builtins", "getattr"), reduced("builtins", "compile", python, "x", "exec"), "co_code"))), None),
        ("getattr chain", network_with(Call(reduced("builtins", "getattr", reduced("builtins", "__import__", "os"), "system"), touch)), None),
        ("operator chain", network_with(Call(Call(Named("operator", "attrgetter"), "system"), reduced("importlib", "import_module", "os"))), None),
        ("functools.partial", network_with(Call(Call(Named("functools", "partial"), os_system), touch)), None),
        ("subprocess", network_with(reduced("subprocess", "Popen", ["/bin/sh", "-c", touch])), None),
        ("socket", network_with(Call(reduced("builtins", "getattr", reduced("socket", "socket"), "connect"), ("127.0.0.1", 9))), None),
        ("open", network_with(reduced("io", "open", marker, "w")), None),
        ("dotted name", network_with(reduced("os", "path.os.system", touch)), None),
        ("ctypes", network_with(reduced("ctypes", "CDLL", marker)), None),
        ("torch.load", network_with(reduced("torch.serialization", "load", marker)), None),
        ("torch.hub", network_with(reduced("torch.hub", "load", "somebody/something", "model")), None),
        ("webbrowser", network_with(reduced("webbrowser", "open", "http://127.0.0.1:9/")), None),
        ("new object", network_with(Call(Named("subprocess", "Popen"), [touch], new=True)), None),
        ("state of an object", network_with(Call(Named("types", "SimpleNamespace"), state={"__class__": os_system, "__setstate__": os_system})), None),
        ("odd state", network_with(Call(Named("a", "B"), state=(None, {"__reduce__": os_system}))), None),
        ("list of calls", network_with(Call(Named("a", "B"), elements=[reduced("os", "system", touch)])), None),
        ("hook in the network", checkpoint(trained(classifier(_forward_hooks=ordered({0: Call(os_system, touch)})))), None),
        ("attribute in the network", checkpoint(trained(classifier(__setstate__=reduced("os", "system", touch)))), None),
        ("train_args", checkpoint(trained(train_args={"imgsz": 32, "name": reduced("os", "system", touch)})), None),
        # Where the network itself would have to be run.
        ("the whole is a call", checkpoint(reduced("os", "system", touch)), ["holds no network"]),
        ("network made by a call", checkpoint(trained(reduced("builtins", "eval", python))), ["holds no network"]),
        ("module of a callable", checkpoint(trained(Call(os_system, touch, state=module("a.B").state))), ["no list of modules"]),
        ("module of a stranger", checkpoint(trained(classifier(head=module("os.system", {}, {}, f=-1, i=1)))), ["os.system"]),
        ("layer of a stranger", checkpoint(trained(classifier(head=module("subprocess.Popen", {}, {"act": module("evil.Layer")}, f=-1, i=1)))), ["subprocess.Popen", "evil.Layer"]),
        ("weight made by a call", checkpoint(trained(classifier(reduced("os", "system", touch)))), ["lacks its parameter 'weight'"]),
        ("tensor made by a call", checkpoint(trained(classifier(parameter(reduced("os", "system", touch))))), ["described wrongly"]),
        ("storage made by a call", checkpoint(trained(classifier(Call(Named("torch._utils", "_rebuild_tensor_v2"), Call(os_system, touch), 0, (4, 3, 3, 3), (27, 9, 3, 1), False, ordered())))), ["described wrongly"]),
        ("reduce with INST", program(b"(S'" + touch.encode() + b"'\nios\nsystem\n", b""), ["holds no network"]),
        ("reduce with OBJ", program(b"(cos\nsystem\n" + text(touch) + b"o"), ["holds no network"]),
        ("reduce with NEWOBJ_EX", program(b"\x8c\x02os\x8c\x06system\x93" + text(touch) + b"\x85}\x92", b"\x80\x04"), ["holds no network"]),
        # Programs that are none, or that ask for too much.
        ("empty pickle", archive(b""), ["byte 0", "ends in the middle"]),
        ("no stop", archive(START + b"N"), ["ends in the middle"]),
        ("stop on nothing", program(b""), ["takes a value where there is none"]),
        ("newer protocol", program(b"N", b"\x80\x06"), ["newer than 5"]),
        ("extension registry", program(b"\x82\x01"), ["no instruction"]),
        ("extension registry, 4 bytes", program(b"\x84\x01\0\0\0"), ["no instruction"]),
        ("buffers out of band", program(b"\x97"), ["no instruction"]),
        ("frame longer than the file", program(b"\x95" + struct.pack("<Q", 1 << 60) + b"N", b"\x80\x04"), ["a frame is longer"]),
        ("4 GB text", program(b"X\xff\xff\xff\xff"), ["ends in the middle"]),
        ("huge text", program(b"\x8d" + b"\xff" * 8, b"\x80\x04"), ["ends in the middle"]),
        ("huge bytes", program(b"\x8e" + struct.pack("<Q", 1 << 40), b"\x80\x04"), ["ends in the middle"]),
        ("huge bytearray", program(b"\x96" + struct.pack("<Q", 1 << 40), b"\x80\x05"), ["ends in the middle"]),
        ("huge long", program(b"\x8b\xff\xff\xff\x7f"), ["ends in the middle"]),
        ("negative length", program(b"T\xff\xff\xff\xff"), ["ends in the middle"]),
        ("long of 100,000 digits", program(b"L" + b"9" * 100000 + b"L\n"), ["holds no network"]),
        ("int that is none", program(b"I1e9\n"), ["an integer is expected"]),
        ("float that is none", program(b"Fone\n"), ["a number is expected"]),
        ("memo of 4 billion", program(b"Nr\xff\xff\xff\xff"), ["remembers more values"]),
        ("memo never set", program(b"h\x07"), ["never remembered"]),
        ("memo of a million", program(b"N" + b"\x94" * 3000000), ["remembers more values"]),
        ("million values", program(b"]" * 3000000), ["more values than any checkpoint"]),
        ("million on the stack", program(b"N" * 3000000), ["stacks more values"]),
        ("long list", program(b"]" + b"Na" * 10000000), ["more values than any checkpoint"]),
        ("nested lists", archive(nested(300000)), ["holds no network"]),
        ("memo bomb", archive(twice(100000)), ["holds no network"]),
        ("list within itself", program(b"]q\x01h\x01a"), ["holds no network"]),
        ("dictionary within itself", program(b"}q\x01" + text("model") + b"h\x01s"), ["holds no network"]),
        ("state is the object", program(b"ca\nB\n)R\x94h\x00b"), ["holds no network"]),
        ("global with an escape", program(b"cos\x1b[2J\nsystem\n"), ["control characters"]),
        ("global without a name", program(b"NN\x93", b"\x80\x04"), ["name is no text"]),
        ("long global", program(b"c" + b"m" * 100000 + b"\nn\n"), ["longer than any"]),
        ("many globals", program(b"".join(b"cm\n%d\n0" % i for i in range(20000)) + b"N"), ["more classes and functions"]),
        ("keywords that are none", program(b"ca\nB\n)]\x92", b"\x80\x04"), ["no dictionary"]),
        ("persistent text", program(b"P../../etc/passwd\n"), ["holds no network"]),
        # Networks that are none.
        ("module in itself", program(b"}(" + text("model") + b"ca\nB\n)\x81q\x05}" + text("_modules") + b"}" + text("me") + b"h\x05ssbu"), ["lies within itself"]),
        ("deep modules", checkpoint({"model": deep_modules(80)}), ["deep in each other"]),
        ("many modules", checkpoint({"model": module("a.B", {}, wide_modules(70000))}), ["more than 20000 modules"]),
        ("name with an escape", checkpoint({"model": module("a.B", {}, {"x\x1b[2J": module("a.C")})}), ["name of a module is no name"]),
        ("image size of 10^9", checkpoint(trained(train_args={"imgsz": 10**9})), ["images of the size 1000000000", "imgsz"]),
        ("many views of one storage", many_views(), ["head"]),
        ("2^40 paths", checkpoint(trained(classifier(block=doubled(40)))), ["steps"]),
        ("5,000 modules in a row", checkpoint({"model": module("ultralytics.nn.tasks.DetectionModel", {}, {"model": module("torch.nn.modules.container.Sequential", {}, wide_modules(5000))})}), ["more than 1,000 top-level"]),
        ("long names of classes", checkpoint(trained(classifier(names={i: LONG_TEXT for i in range(60000)}))), ["class names", "longer than any"]),
        ("many names of classes", checkpoint(trained(classifier(names=["x"] * 100000))), ["65,536 class names"]),
        ("names of 10,000 globals", network_with([Named("m" * 400, f"{i}" + "n" * 400) for i in range(5000)]), None),
        ("long arguments", checkpoint(trained(train_args={"imgsz": 32, **{f"a{i}": LONG for i in range(5000)}})), None),
        # Tensors that reach where they should not.
        ("negative stride", with_weight((4, 3, 3, 3), (27, 9, 3, -1)), ["no size"]),
        ("negative offset", with_weight((4, 3, 3, 3), offset=-1), ["offset is no number"]),
        ("offset outside", with_weight((4, 3, 3, 3), offset=1), ["outside of its storage"]),
        ("stride outside", with_weight((4, 3, 3, 3), (28, 9, 3, 1)), ["outside of its storage"]),
        ("overflowing stride", with_weight((4, 3, 3, 3), (1 << 62, 9, 3, 1)), ["outside of its storage"]),
        ("overflowing offset", with_weight((4, 3, 3, 3), offset=(1 << 63) - 1), ["outside of its storage"]),
        ("integer beyond 64 bits", with_weight((4, 3, 3, 1 << 70)), ["no size"]),
        ("overflowing shape", with_weight((1 << 31, 1 << 31, 1 << 31, 2), (0, 0, 0, 0)), ["too many elements"]),
        ("2^31 elements of one", with_weight((1 << 31, 1, 1, 1), (0, 0, 0, 0)), ["repeat the elements"]),
        ("100 axes", with_weight((1,) * 100, (1,) * 100), ["too many axes"]),
        ("shape and strides differ", with_weight((4, 3, 3, 3), (27, 9, 3)), ["differ in length"]),
        ("storage said to be longer", with_weight((4, 3, 3, 3), storage=Storage("Half", [0.5] * 108, count=1 << 40)), ["is said to hold"]),
        ("storage of another type", with_weight((4, 3, 3, 3), storage=Storage("Double", data=b"\0" * 216, count=108)), ["is said to hold"]),
        ("storage elsewhere", with_weight((4, 3, 3, 3), storage=Storage("Half", [0.5] * 108, key="../version")), ["not to be trusted"]),
        # Containers.
        ("name with dots", archive(*dump(trained()), more=[("../../evil", b"x")]), ["not to be trusted"]),
        ("absolute name", archive(*dump(trained()), root="/best/"), ["not to be trusted"]),
        ("name with a backslash", sound.replace(b"best/version", b"best\\version"), ["not to be trusted"]),
        ("duplicate member", sound.replace(b"best/data/1", b"best/data/0"), ["two members of the name"]),
        ("two pickles", archive(*dump(trained()), more=[("more/data.pkl", b"N.")]), ["two pickles"]),
        ("encrypted", patched(patched(sound, first + 8, b"\x01"), 6, b"\x01"), ["encrypted"]),
        ("method of the future", patched(patched(sound, first + 10, b"\x63"), 8, b"\x63"), ["other than deflate"]),
        ("checksum", patched(sound, 60, b"\xff\xfe"), ["checksum is wrong"]),
        ("another local name", patched(sound, 30, b"B"), ["another name"]),
        ("another local size", patched(sound, 18, b"\x01\0\0\0"), ["described in two ways"]),
        ("another local method", patched(sound, 8, b"\x08"), ["described in two ways"]),
        ("size beyond the file", patched(sound, first + 20, b"\xf0\xff\xff\x7f\xf0\xff\xff\x7f"), ["described in two ways"]),
        ("header elsewhere", patched(sound, first + 42, b"\x01"), ["does not begin where"]),
        ("members over each other", sound.replace(sound[directory_entry(sound, 1) + 42 :][:4] + b"best/data/0", b"\0\0\0\0best/data/0", 1), []),
        ("entries that are not there", patched(sound, sound.rindex(b"PK\x05\x06") + 8, b"\xff\x7f\xff\x7f"), ["too short"]),
        ("directory outside", patched(sound, sound.rindex(b"PK\x05\x06") + 16, b"\xff\xff\xff\x7f"), ["outside the file"]),
        ("trailing junk", sound + b"junk", ["no directory at its end"]),
        ("leading junk", b"junk" + sound, ["does not begin as a zip file"]),
        ("zip64 beyond the file", zip64(sound, offset=1 << 62), ["outside the file"]),
        ("zip64 overflow", zip64(sound, offset=(1 << 64) - 100, size=200), ["outside the file"]),
        ("zip64 with 2^63 entries", zip64(sound, entries=1 << 63), ["too short"]),
        ("deflate of 1000 to 1", storage_bomb(200 << 20), ["far more than a checkpoint holds"]),
        ("pickle of zeros", archive(b"\0" * (300 << 20), compression=zipfile.ZIP_DEFLATED), ["larger than 256 MB"]),
        ("cut in the middle", sound[: len(sound) // 2], ["cut off"]),
        # What is no checkpoint, with its extension.
        ("legacy form", legacy(), ["before version 1.6"]),
        ("a plain pickle", pickle.dumps({"a": 1}), ["without the zip file"]),
        ("7z", b"7z\xbc\xaf\x27\x1c" + b"\0" * 100, ["7z archive"]),
        ("tar", tarred(sound), ["tar archive"]),
        ("gzip", gzip.compress(sound), ["gzip file"]),
        ("HDF5", b"\x89HDF\r\n\x1a\n" + b"\0" * 100, ["HDF5"]),
        ("safetensors", struct.pack("<Q", 30) + b'{"w":{"dtype":"F32"}}         ', ["safetensors"]),
        ("TorchScript", archive(*dump(trained()), more=[("constants.pkl", b"\x80\x02)."), ("code/__torch__.py", b"")]), ["TorchScript"]),
        ("other zip file", other_zip(), ["no data.pkl"]),
        ("state_dict", checkpoint(ordered({"model.0.conv.weight": tensor(Storage("Half", [0.5] * 4), (4,))})), ["weights only"]),
        ("web page", b"<!DOCTYPE html><html></html>", ["web page"]),
        ("pointer of Git LFS", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", ["Git LFS"]),
        ("empty file", b"", ["empty"]),
        ("zeros", b"\0" * 1000, ["nothing but zeros"]),
    )
    # Sound ones in an unusual dress.
    yield "zip64", zip64(sound), None
    yield "deflated", checkpoint(trained(), compression=zipfile.ZIP_DEFLATED), None
    yield "no root folder", archive(*dump(trained()), root=""), None
    yield "root folder in a folder", archive(*dump(trained()), root="a/b/"), None
    yield "bombs that nobody reads", bomb(4, 64 << 20), None


LONG_TEXT = "x" * 100000
LONG = [["y" * 1000] * 1000] * 1000


def doubled(levels):
    """A Sequential that holds the same Sequential twice, and so on: 2^levels times SiLU."""
    inner = module("torch.nn.modules.activation.SiLU")
    for _ in range(levels):
        inner = module("torch.nn.modules.container.Sequential", {}, {"0": inner, "1": inner})
    return inner


def deep_modules(levels):
    inner = module("a.B")
    for _ in range(levels):
        inner = module("a.B", {}, {"m": inner})
    return inner


def wide_modules(count):
    shared = module("a.C")
    return {f"m{i}": shared for i in range(count)}


def other_zip():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        out.writestr("word/document.xml", "<w/>")
    return file.getvalue()


if __name__ == "__main__":
    for number, (_, data, _) in enumerate(rows(sys.argv[2])):
        with open(f"{sys.argv[1]}/{number}.pt", "wb") as out:
            out.write(data)
