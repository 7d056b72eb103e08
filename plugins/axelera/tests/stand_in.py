"""A stand-in for axcompile. It checks what the Voyager SDK's compiler is documented to want and then plays a behaviour, chosen by LATHE_STAND_IN.

Where each thing comes from: "documented" was read in the SDK's documentation (options, the tree it writes, the status words, operator limits,
random numbers where no pictures are given); "reported" in others' reports of it; "inferred" was not read anywhere.
"""

import argparse
import importlib.util
import json
import os
import pathlib
import signal
import sys
import time
import types
import zlib

import numpy
import onnx

behaviour = os.environ.get("LATHE_STAND_IN", "success")


def finish(status, code=1):
    report = pathlib.Path(given.o) / "compilation_report.json"
    report.parent.mkdir(exist_ok=True)
    if behaviour != "no-report":
        report.write_text(json.dumps({"status": status}))  # documented: the file, the field, the words
    (report.parent / "compilation_log.txt").write_text("line of the log\n")  # documented
    sys.exit(code)  # inferred: which status


def arguments():
    parser = argparse.ArgumentParser(prog="axcompile", allow_abbrev=False)  # documented: the options
    parser.add_argument("-i", required=True)
    parser.add_argument("-o", required=True)
    parser.add_argument("--conf")
    parser.add_argument("--quantize-only", action="store_true")
    parser.add_argument("--input-shape")
    parser.add_argument("--imageset")
    parser.add_argument("--transform")
    parser.add_argument("--input-data-layout", choices=("NCHW", "NHWC"), default="NCHW")
    parser.add_argument("--color-format", choices=("RGB", "BGR", "GRAY"), default="RGB")
    parser.add_argument("--imreader-backend", choices=("PIL", "OPENCV"), default="PIL")
    parser.add_argument("--aipu-cores", type=int, choices=(1, 2, 3, 4), default=1)
    parser.add_argument("--cli-args")
    return parser.parse_args()


def read_model(path):
    model = onnx.load(path)
    opset = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
    constants = {i.name for i in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in constants]
    shape = [d.dim_value for d in inputs[0].type.tensor_type.shape.dim]
    if not 14 <= opset <= 17:  # documented
        finish("ONNX_GRAPH_CLEANER_ERROR")
    onnx.checker.check_model(model)
    if len(inputs) != 1 or len(shape) != 4 or min(shape) < 1:  # inferred: four axes, static
        finish("QTOOLS_ERROR")
    if min(shape[2:]) < 64:  # reported: small pictures end deep inside the code generator
        finish("TVM_FRONTEND_ERROR")
    known = {"Add", "AveragePool", "BatchNormalization", "Clip", "Concat", "Constant", "Conv", "ConvTranspose", "Flatten", "Gemm", "GlobalAveragePool"}
    known |= {"GlobalMaxPool", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "MatMul", "MaxPool", "Mul", "PRelu", "Pad", "Relu", "Reshape", "Resize"}
    known |= {"Selu", "Sigmoid", "Slice", "Softmax", "Split", "Squeeze", "Sub", "Tanh", "Transpose"}
    for node in model.graph.node:  # documented: what is accelerated; others would go to the host
        if node.op_type not in known:
            finish("QTOOLS_ERROR")
    return shape, [[d.dim_value for d in o.type.tensor_type.shape.dim] for o in model.graph.output]


def pixels_of(path):
    data, at, packed = path.read_bytes(), 8, b""
    while at < len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + size]
        if kind == b"IHDR":
            width, height, channels = int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big"), {0: 1, 2: 3}[body[9]]
        packed += body if kind == b"IDAT" else b""
        at += 12 + size
    rows = numpy.frombuffer(zlib.decompress(packed), numpy.uint8).reshape(height, 1 + width * channels)
    return rows[:, 1:].reshape(height, width, channels)


def check_transform(shape):
    path, _, name = given.transform.partition(":")
    torch = types.ModuleType("torch")  # what of it the script uses, since loading the real one takes seconds
    torch.from_numpy = lambda array: array
    sys.modules["torch"] = torch
    spec = importlib.util.spec_from_file_location("prep", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function = getattr(module, name or "get_preprocess_transform")  # documented: the default name
    files = sorted(p for p in pathlib.Path(given.imageset).iterdir() if p.suffix.lower() in (".png", ".jpg", ".jpeg"))
    if not files:
        print("Using random calibration data", flush=True)  # documented: it would; inferred: the words
        return
    for file in files:
        pixels = pixels_of(file)  # RGB, as PIL reads it
        pixels = pixels[:, :, ::-1] if given.color_format == "BGR" else pixels
        for value in (function(pixels), function()(pixels)):  # inferred: how the function is called
            value = numpy.asarray(value)
            if list(value.shape) != shape or value.dtype != numpy.float32:
                print(f"transform yields {value.shape} {value.dtype}, the model takes {shape}")
                finish("TOP_LEVEL_QUANTIZE_ERROR")
    print(f"calibrated with {len(files)} pictures, values {value.min():.3f} to {value.max():.3f}")


if "--help" in sys.argv[1:]:
    print("usage: axcompile")
    sys.exit(0)
given = arguments()
if os.path.isabs(given.o):  # reported: what is written is broken
    print("absolute output path")
    finish("TIR_TO_RUNTIME_ERROR")
if not given.imageset or not given.transform:
    print("Using random calibration data", flush=True)
shape, outputs = read_model(given.i)
if given.input_shape != ",".join(map(str, shape)):
    finish("INITIALIZE_CLI_ERROR")
conf = json.loads(pathlib.Path(given.conf).read_text())
old = os.environ.get("LATHE_STAND_IN_SDK", "1.6") < "1.6"
renamed = {"ptq_scheme": "quantization_scheme", "aipu_cores": "aipu_cores_used", "resources": "resources_used"}  # documented: older names
if set(conf) & set(renamed.values() if old else renamed):  # inferred: which version takes which
    finish("INITIALIZE_CLI_ERROR")
known_keys = {"compiler_mode", "quantization_scheme", "ptq_scheme", "onnx_opset_version", "aipu_cores_used", "aipu_cores", "resources_used", "resources"}
known_keys |= {"multicore_mode", "tiling_depth", "output_axm_format", "model_name"}
if set(conf) - known_keys:  # documented: the keys
    finish("INITIALIZE_CLI_ERROR")
check_transform(shape)
if behaviour.startswith("failure-"):  # documented: the words
    finish(behaviour[len("failure-") :])
if behaviour == "exit0-failure":  # inferred: the report fails and the exit status does not
    finish("LOWER_TIR_ERROR", 0)
if behaviour == "no-report":
    finish("", 0)
if behaviour == "prompt":  # inferred
    print("Remove the output directory? [y/n] ", end="", flush=True)
    time.sleep(120)
if behaviour == "slow":  # inferred
    for percent in (10, 60, 90):
        print(f"Lowering {percent}%", flush=True)
        time.sleep(0.1)
if behaviour == "random":
    print("Using random calibration data", flush=True)
if behaviour == "missing-module":  # reported: pins that conflict
    print("ModuleNotFoundError: No module named 'axelera.compiler'")
    sys.exit(1)
if behaviour == "unrecognized":  # inferred: as Python's argparse says it
    print("axcompile: error: unrecognized arguments: --imreader-backend PIL")
    sys.exit(2)
if behaviour == "log-alone":  # documented: compilation_log.txt; inferred: a line that stands there alone
    report = pathlib.Path(given.o)
    report.mkdir(exist_ok=True)
    (report / "compilation_log.txt").write_text("calibration: using random data\n")
    sys.exit(1)
if behaviour == "crash":
    os.kill(os.getpid(), signal.SIGABRT)
if behaviour == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
out = pathlib.Path(given.o)
compiled = out / "compiled_model"
compiled.mkdir(parents=True)
padded = [1, shape[2], shape[3], 4]  # reported: channels padded to 4, N x H x W x C
manifest = {"quantized_model_file": "quantized_model.json", "model_lib_file": "model.json", "input_shapes": [padded], "input_shapes_original": [shape]}
manifest |= {"output_shapes": [o if len(o) != 4 else [o[0], o[2], o[3], o[1]] for o in outputs], "output_shapes_original": outputs}
manifest |= {"quantize_params": [[0.0039, -128]], "dequantize_params": [[0.1, 0] for _ in outputs]}
if behaviour == "other-model":
    manifest["input_shapes_original"] = [[1, 3, 32, 32]]
files = {"manifest.json": json.dumps(manifest), "model.json": "{}", "quantized_model.json": "{}", "kernel_function.c": "", "report.json": "{}"}
for name, text in files.items():  # documented: the tree
    (compiled / name).write_text("garbage" if behaviour == "garbage" else text)
(compiled / "pool_l2_const.bin").write_bytes(bytes(64))
if conf.get("output_axm_format") and behaviour != "no-axm":  # documented: the key; inferred: where the file lies
    (out / "model.axm").write_bytes(b"inside not public")
finish("SUCCEEDED", 0)
