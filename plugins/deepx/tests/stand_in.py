"""A stand-in for dxcom. It checks what DX-COM 2.4 is documented to want and then plays a behaviour, chosen by LATHE_STAND_IN.

Where each thing comes from: "documented" was read in DX-COM's own documentation (options, keys of the configuration, preprocessing steps, names of
error classes, exit status 0 or another, operator limits) or in the open runtime's loader (the container); "inferred" was not.
"""

import argparse
import json
import os
import pathlib
import signal
import struct
import sys
import time
import zlib

import numpy
import onnx

behaviour = os.environ.get("LATHE_STAND_IN", "success")


def fail(kind, text):
    print(f"{kind}: {text}", flush=True)  # documented: the names; inferred: a colon and a text behind them
    sys.exit(1)  # documented: another status than 0; inferred: which


def arguments():
    parser = argparse.ArgumentParser(prog="dxcom", allow_abbrev=False)  # documented: the options of 2.4
    parser.add_argument("-m", "--model_path")
    parser.add_argument("-c", "--config_path")
    parser.add_argument("-o", "--output_dir", required=True)
    parser.add_argument("--opt_level", type=int, choices=(0, 1), default=1)
    for flag in ("aggressive_partitioning", "float64_calibration", "use_q_pro", "quant_diagnosis", "gen_log", "export_html"):
        parser.add_argument("--" + flag, action="store_true")
    parser.add_argument("--checkpoint")
    parser.add_argument("--recalibration_method", choices=("minmax", "ema", "iqr"))
    parser.add_argument("--dataset_path")
    parser.add_argument("--compile_input_nodes")
    parser.add_argument("--compile_output_nodes")
    given = parser.parse_args()
    if given.checkpoint:  # documented: a checkpoint excludes a model; recalibration goes on from one
        if given.model_path:
            parser.error("--checkpoint excludes --model_path")
    elif not given.model_path or not given.config_path:
        parser.error("--model_path and --config_path are required")
    elif given.recalibration_method or given.dataset_path:
        parser.error("these go on from a checkpoint only")
    return given


def read_model(path):
    model = onnx.load(path)
    opset = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
    if not 11 <= opset <= 21:  # documented
        fail("NotSupportError", f"opset {opset}")
    constants = {i.name for i in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in constants]
    if len(inputs) != 1:  # documented: one input through the command line
        fail("NotSupportError", "more than one input")
    shape = [d.dim_value for d in inputs[0].type.tensor_type.shape.dim]
    if not shape or min(shape) < 1 or shape[0] != 1:  # documented: static, batch 1
        fail("NotSupportError", f"shape {shape}")
    for node in model.graph.node:  # documented: limits of Conv
        if node.op_type == "Conv":
            for a in node.attribute:
                limit = {"strides": 16, "dilations": 64, "kernel_shape": 16, "pads": 64}.get(a.name)
                if limit and max(a.ints) >= limit:
                    fail("NotSupportError", f"{node.name} {a.name} {list(a.ints)}")
    return inputs[0].name, shape, [o.name for o in model.graph.output]


def picture(path):
    """Height x width x channels, blue first, as the default loader yields it. Documented; inferred: blue first."""
    data = path.read_bytes()
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        fail("DataLoaderError", f"{path} cannot be read")
    at, packed, header = 8, b"", None
    while at < len(data):
        (size,), kind = struct.unpack(">I", data[at : at + 4]), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + size]
        if zlib.crc32(kind + body) != struct.unpack(">I", data[at + 8 + size : at + 12 + size])[0]:
            fail("DataLoaderError", f"{path} is damaged")
        header = struct.unpack(">IIBBBBB", body) if kind == b"IHDR" else header
        packed += body if kind == b"IDAT" else b""
        at += 12 + size
    width, height, depth, colour = header[:4]
    channels = {0: 1, 2: 3}[colour]
    rows = numpy.frombuffer(zlib.decompress(packed), numpy.uint8).reshape(height, 1 + width * channels)
    if depth != 8 or rows[:, 0].any():
        fail("DataLoaderError", f"{path} is of a form that the stand-in does not read")
    pixels = rows[:, 1:].reshape(height, width, channels)
    return numpy.repeat(pixels, 3, 2) if channels == 1 else pixels[:, :, ::-1]


def prepared(pixels, steps):
    value = pixels.astype(numpy.float64)
    for step in steps:
        if not isinstance(step, dict) or len(step) != 1:  # documented: an ordered list of objects with one key
            fail("ConfigFileError", f"preprocessing {step}")
        (name, how), = step.items()
        if name == "convertColor":
            value = {"BGR2RGB": value[:, :, ::-1], "BGR2GRAY": value.mean(2)}[how["form"]]
        elif name == "resize":
            if (how["width"], how["height"]) != (value.shape[1], value.shape[0]):
                fail("DataLoaderError", "the stand-in resizes nothing: the pictures were to be fitted already")
        elif name in ("mul", "add", "subtract", "div"):
            value = {"mul": numpy.multiply, "add": numpy.add, "subtract": numpy.subtract, "div": numpy.divide}[name](value, how["x"])
        elif name == "normalize":
            value = (value - numpy.array(how["mean"])) / numpy.array(how["std"])
        elif name == "transpose":
            value = value.transpose(how["axis"])
        elif name == "expandDim":
            value = numpy.expand_dims(value, how["axis"])
        else:
            fail("ConfigFileError", f"no preprocessing '{name}'")
    return value


def check_config(path, name, shape):
    config = json.loads(pathlib.Path(path).read_text())
    for key in ("inputs", "calibration_method", "calibration_num", "default_loader"):  # documented: required keys
        if key not in config:
            fail("ConfigFileError", f"'{key}' is missing")
    if config["inputs"] != {name: shape}:  # documented: the name must equal the model's
        fail("ConfigInputError", f"{config['inputs']} is not {name} {shape}")
    if config["calibration_method"] not in ("ema", "minmax"):
        fail("ConfigFileError", "calibration_method")
    loader = config["default_loader"]
    folder = pathlib.Path(loader["dataset_path"])
    if not folder.is_absolute() or not folder.is_dir():  # documented: a relative one would be resolved against the current folder
        fail("DatasetPathError", str(folder))
    files = sorted(f for f in folder.iterdir() if f.suffix[1:] in loader["file_extensions"])  # documented: without dot, case counts
    if not files or config["calibration_num"] < 1 or config["calibration_num"] > len(files):
        fail("DataNotFoundError", f"{len(files)} files, {config['calibration_num']} wanted")
    value = None
    for file in files:
        value = prepared(picture(file), loader["preprocessings"])
        if list(value.shape) != shape:  # documented: the result must match the model's shape
            fail("DataLoaderError", f"{list(value.shape)} is not {shape}")
    print(f"calibration: {len(files)} pictures, values {value.min():.3f} to {value.max():.3f}")
    return config


def container(name, shape, outputs, opt_level, other=False):
    """As the open runtime's loader reads version 7. Documented; inferred: names of the fields of tensors."""
    blobs, places = b"", {}

    def place(data):
        nonlocal blobs
        data = data.encode() if isinstance(data, str) else data
        entry = {"offset": len(blobs), "size": len(data)}
        blobs += data
        return entry

    # documented: steps that the compiler moves into the NPU leave an input of bytes, height x width x channels
    tensor = {"name": name, "dtype": "UINT8", "shape": [1, shape[2], shape[3], shape[1]], "layout": "NHWC"}
    info = {"version": {"npu": "M1", "opt_level": str(opt_level)}, "name": "npu_0", "mode": "RELEASE", "inputs": [tensor], "outputs": []}
    graph = {"offloading": False, "inputs": ["other" if other else name], "outputs": outputs, "toposort_order": ["npu_0"], "graphs": []}
    places["compile_config"] = place(json.dumps({"compile_version": "2.4.1"}))
    places["graph_info"] = place(json.dumps(graph))
    task = {"rmap": place(b"commands"), "weight": place(bytes(64)), "rmap_info": place(json.dumps(info))}
    places["compiled_data"] = {"M1A": {"npu_0": task}}
    header = json.dumps({"data": {"cpu_models": {}, **places}}).encode()
    return b"DXNN" + struct.pack("<i", 7) + header.ljust(8192 - 8, b"\0") + blobs


def main():
    if sys.argv[1:] in (["--version"], ["-v"]):
        print("DX-COM v1.60.1" if behaviour == "wrong-version" else "DX-COM v2.4.1")  # inferred: the wording around the number
        return
    given = arguments()
    out = pathlib.Path(given.output_dir)
    if given.checkpoint:
        checkpoint = json.loads(pathlib.Path(given.checkpoint).read_text())
        name, shape, outputs = checkpoint["input"], checkpoint["shape"], checkpoint["outputs"]
    else:
        name, shape, outputs = read_model(given.model_path)
        check_config(given.config_path, name, shape)
    if behaviour.startswith("failure-"):  # documented: the names of the classes
        fail(behaviour[len("failure-") :], "what the tool says")
    if behaviour == "exit0-failure":  # inferred: no such run is documented; every tool of the kind has had one
        print("DataNotFoundError: no images")
        return
    if behaviour == "log-alone":  # documented: compiler.log with --gen_log; inferred: an error that stands there alone
        out.mkdir(exist_ok=True)
        (out / "compiler.log").write_text("NotSupportError: what the tool says\n")
        sys.exit(1)
    if behaviour == "unrecognized":  # inferred: as Python's argparse says it, where an option came or went with a version
        print("dxcom: error: unrecognized arguments: --gen_log")
        sys.exit(2)
    if behaviour == "missing-module":  # documented: packages of the Python around it that broke it
        print("ModuleNotFoundError: No module named 'onnxruntime'")
        sys.exit(1)
    if behaviour == "prompt":  # inferred: the installer asked before 2.4
        print("Overwrite existing files? [y/n] ", end="", flush=True)
        time.sleep(120)
    if behaviour == "slow":  # documented: minutes of work; progress in percent is inferred
        for percent in (10, 40, 80):
            print(f"Compiling: {percent}%", flush=True)
            time.sleep(0.1)
    if behaviour == "crash":
        os.kill(os.getpid(), signal.SIGABRT)
    if behaviour == "killed":  # as the system does when memory runs out
        os.kill(os.getpid(), signal.SIGKILL)
    if behaviour == "hang-until-killed":
        time.sleep(600)
    out.mkdir(exist_ok=True)
    if given.gen_log:
        (out / "compiler.log").write_text("done\n")  # documented
    data = container(name, shape, outputs, given.opt_level, other=behaviour == "other-model")
    if behaviour == "garbage":
        data = bytes(range(256)) * 40
    if behaviour == "truncated":
        data = data[:-70]
    (out / "model.dxnn").write_bytes(data)  # documented: named after the model
    if given.quant_diagnosis:  # documented: {model}.qxnn
        (out / "model.qxnn").write_text(json.dumps({"input": name, "shape": shape, "outputs": outputs}))
    print("Compilation finished")


main()
