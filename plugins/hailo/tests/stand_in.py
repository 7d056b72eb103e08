#!/usr/bin/env python3
"""A stand-in for Hailo's Dataflow Compiler: the program `hailo` with `parser onnx`, `optimize` and `compiler`, for tests on machines without it.

It holds what it is given against what the real one wants (arguments, the model, calibration data, the model script, the NMS configuration) and writes
files of the same form: a HAR (tar with .hn), and a HEF with a right header, checksum and description. LATHE_STAND_IN chooses a behaviour. Marks, as in
the collected facts: R read in a named public source, O observed on a real file, I inferred. Section numbers are those of the facts on HAILO.
"""
import argparse
import io
import json
import os
import re
import struct
import sys
import tarfile
import time
import zlib

import numpy

BEHAVIOUR = os.environ.get('LATHE_STAND_IN', 'success')


def say(text):
    print(text, flush=True)


def fail(error, text):
    """Python traceback that names the exception, exit code other than 0 (A.2, R)."""
    say('[error] Failed')
    say('Traceback (most recent call last):')
    say('  File "hailo_sdk_client/tools/cmd_utils/main.py", line 1, in run')
    say('hailo_sdk_client.exceptions.%s: %s' % (error, text))
    sys.exit(1)


def play(step):
    """What may happen in any step; `LATHE_STAND_IN=crash@compiler` chooses where."""
    name, _, where = BEHAVIOUR.partition('@')
    if where != step:
        return
    if name == 'crash':
        os.kill(os.getpid(), 11)
    if name == 'killed':  # in the middle, by the kernel when memory runs out (I)
        say('[info] Starting Model Optimization')
        os.kill(os.getpid(), 9)
    if name == 'hang':  # runs for long and silently (A.2: over 60 minutes, R), with a helper in a session of its own and files in TMPDIR (I)
        import subprocess
        import tempfile
        tempfile.mkdtemp(prefix='stand-in-')
        helper = subprocess.Popen(['/bin/sleep', '600'], start_new_session=True)
        with open(os.environ['LATHE_STAND_IN_HANGS'], 'w') as file:
            file.write('%d %d' % (os.getpid(), helper.pid))
        time.sleep(600)
    if name == 'exit0-failure':  # exit code 0 and a failure in the log (0.1, "failure signal is exit code + log text", R)
        say('hailo_sdk_client.exceptions.BackendAllocatorException: Compilation failed: no successful assignment for: conv1')
        sys.exit(0)
    if name == 'garbage':  # bytes that are no text, no result, exit code 0
        os.write(1, bytes(range(256)) * 50 + b'\x1b[31m\x1b[2K\r')
        sys.exit(0)
    if name == 'silent':  # ends well and writes nothing
        sys.exit(0)
    if name == 'slow':  # progress lines with carriage returns for a while (A.2: from 1 to over 60 minutes, R)
        for percent in range(0, 101, 20):
            sys.stdout.write('\rStatistics Collector: |###| %d%%' % percent)
            sys.stdout.flush()
            time.sleep(0.2)
        say('')


# ---- parser (A.3, R) ---------------------------------------------------------------------------------------------------------------

# Never at the tail (A.7, R: forum guides): these make the parser stop with recommendations.
UNSUPPORTED = {'NonMaxSuppression', 'TopK', 'GatherND', 'NonZero', 'Loop', 'If', 'Scan'}


def parse(arguments):
    import onnx
    import onnx.numpy_helper
    import onnx.shape_inference
    p = argparse.ArgumentParser(prog='hailo parser onnx')
    p.add_argument('model')
    p.add_argument('--hw-arch', choices=['hailo8', 'hailo8r', 'hailo8l'], default='hailo8')
    p.add_argument('--net-name')
    p.add_argument('--har-path', required=True)
    p.add_argument('--start-node-names', nargs='+', default=[])
    p.add_argument('--end-node-names', nargs='+', default=[])
    p.add_argument('-y', action='store_true')
    a = p.parse_args(arguments)
    play('parser')
    say('[info] Translation started on ONNX model ' + a.net_name)
    model = onnx.load(a.model)
    onnx.checker.check_model(model)
    opset = [o.version for o in model.opset_import if o.domain in ('', 'ai.onnx')][0]
    if not 11 <= opset <= 17:  # window of A.7 (I)
        fail('UnsupportedModelError', 'opset %d is not supported' % opset)
    if not re.fullmatch('[A-Za-z_][A-Za-z0-9_]*', a.net_name):
        fail('ValueError', 'invalid network name ' + a.net_name)
    model = onnx.shape_inference.infer_shapes(model)
    shapes = {}
    for value in list(model.graph.input) + list(model.graph.value_info) + list(model.graph.output):
        shapes[value.name] = [d.dim_value for d in value.type.tensor_type.shape.dim]
    constants = {i.name for i in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in constants]
    for value in inputs:  # A.2: static shapes, batch 1 (R)
        shape = shapes[value.name]
        if 0 in shape or shape[0] != 1:
            fail('UnsupportedModelError', 'dynamic shape of ' + value.name)
    for node in model.graph.node:
        if any(not name for name in node.output[:1]):
            fail('ValueError', 'anonymous tensor after ' + node.name)  # Hailo-Application-Code-Examples 362 (R)
    for initializer in model.graph.initializer:
        values = onnx.numpy_helper.to_array(initializer)
        if values.dtype.kind == 'f' and not numpy.isfinite(values).all():
            fail('AccelerasValueError', 'NaN value in ' + initializer.name)  # hailo_model_zoo 136 (R)
    names = {n.name: n for n in model.graph.node}
    for name in a.start_node_names + a.end_node_names:
        if name not in names:
            fail('ParsingWithRecommendationException', 'no node is called ' + name)
    wanted = {o.name for o in model.graph.output}
    if not wanted <= {t for n in a.end_node_names for t in names[n].output}:
        fail('ParsingWithRecommendationException', 'outputs behind the end nodes')
    bad = [n for n in model.graph.node if n.op_type in UNSUPPORTED]
    name = BEHAVIOUR.partition('@')[0]
    if bad or name in ('failure-recommendations', 'prompt'):
        # A.3, prompt trap: it lists recommended end nodes and asks (R); wording from issue texts (I).
        if name == 'prompt' or not a.y:
            sys.stdout.write('Parsing failed. Would you like to parse again with the recommendation? (y/n): ')
            sys.stdout.flush()
            time.sleep(600)
        say('[error] Parsing failed. Please try to parse the model again, using these end node names: /model.22/Concat_3')
        sys.exit(1)
    if name == 'failure-unsupported':
        fail('UnsupportedModelError', 'Unsupported op Einsum in node /model.9/Einsum')
    if name == 'retry':
        say('[info] Simplified ONNX model for a parsing retry attempt')
    say('[info] Translation completed on ONNX model ' + a.net_name)
    # Names as the compiler makes them: conv1, conv2, ... in order, whatever the model calls them (A.6, R).
    counts, layers, taken = {}, {}, {}
    for value in inputs:
        shape = shapes[value.name]
        layers[a.net_name + '/input_layer1'] = {'type': 'input_layer', 'original_names': [value.name], 'output_shapes': [[-1] + shape[2:] + [shape[1]]]}
    for node in model.graph.node:
        kind = {'Conv': 'conv', 'Gemm': 'fc', 'MatMul': 'matmul', 'Softmax': 'softmax', 'Concat': 'concat'}.get(node.op_type, 'layer')
        counts[kind] = counts.get(kind, 0) + 1
        shape = shapes.get(node.output[0], [])
        if len(shape) == 4:
            shape = [-1, shape[2], shape[3], shape[1]]
        label = '%s/%s%d' % (a.net_name, kind, counts[kind])
        layers[label] = {'type': kind, 'original_names': [node.name], 'output_shapes': [shape]}
        taken[node.name] = label
    network = {'name': a.net_name, 'hw_arch': a.hw_arch, 'layers': layers, 'net_params': {'output_layers_order': [taken[n] for n in a.end_node_names]}}
    write_har(a.har_path, a.net_name, {'.hn': json.dumps(network).encode(), '.npz': b'PK'})


def write_har(path, net, files):
    """A tar archive of <net>.hn, <net>.npz and, as the state advances, .alls and .nms.json (A.3, R)."""
    with tarfile.open(path, 'w') as archive:
        for suffix, data in files.items():
            entry = tarfile.TarInfo(net + suffix)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


def read_har(path):
    with tarfile.open(path) as archive:
        files = {m.name: archive.extractfile(m).read() for m in archive.getmembers()}
    network = json.loads(next(data for name, data in files.items() if name.endswith('.hn')))
    return network, files


# ---- optimize (A.3 to A.6) ---------------------------------------------------------------------------------------------------------

# Commands of A.5, counted over the public scripts (R).
COMMANDS = {'normalization', 'input_conversion', 'resize', 'change_output_activation', 'nms_postprocess', 'model_optimization_flavor', 'model_optimization_config',
            'pre_quantization_optimization', 'post_quantization_optimization', 'quantization_param', 'logits_layer', 'performance_param', 'context_switch_param',
            'resources_param', 'allocator_param', 'platform_param'}


def parse_script(path):
    commands = []
    with open(path) as file:
        for line in file:
            line = line.split('#')[0].strip()
            if not line:
                continue
            match = re.fullmatch(r'(?:(\w+) *= *)?(\w+)\((.*)\)', line)
            if not match or match.group(2) not in COMMANDS:
                fail('AllocatorScriptParserException', 'Invalid command: ' + line)
            commands.append((match.group(2), match.group(3)))
    return commands


def optimize(arguments):
    p = argparse.ArgumentParser(prog='hailo optimize')
    p.add_argument('har')
    p.add_argument('--hw-arch', choices=['hailo8', 'hailo8r', 'hailo8l'], default='hailo8')
    p.add_argument('--calib-set-path', required=True)
    p.add_argument('--model-script', required=True)
    p.add_argument('--output-har-path', required=True)
    a = p.parse_args(arguments)
    play('optimize')
    network, files = read_har(a.har)
    if network['hw_arch'] != a.hw_arch:
        fail('BackendValueError', 'parsed for ' + network['hw_arch'])
    commands = parse_script(a.model_script)
    layers = {name.split('/')[-1]: layer for name, layer in network['layers'].items()}
    # A.4: one .npy (N, H, W, C), NHWC, raw 0..255 when the script normalises, finished numbers when it does not (R).
    data = numpy.load(a.calib_set_path)
    if data.ndim != 4:
        fail('AccelerasValueError', 'expected a 4-D calibration set, got %d-D' % data.ndim)  # forum t/19530 (R)
    wanted = layers['input_layer1']['output_shapes'][0][1:]
    if list(data.shape[1:]) != wanted:
        fail('BackendValueError', 'calibration data of %s, the input is %s' % (data.shape, wanted))
    normalised = any(name == 'normalization' for name, _ in commands)
    if normalised and (data.dtype != numpy.uint8 or data.max() <= 1):  # forum t/50: values normalised twice (R)
        fail('AccelerasValueError', 'calibration data are normalised and the script normalises again')
    if not normalised and (data.dtype != numpy.float32 or abs(data).max() > 16):
        fail('AccelerasValueError', 'calibration data are raw and nothing normalises them')
    for name, text in commands:
        if name == 'normalization':
            mean, deviation = [json.loads(part) for part in re.findall(r'\[[^\]]*\]', text)]
            if len(mean) != data.shape[3] or len(deviation) != data.shape[3] or min(deviation) <= 0:
                fail('BackendValueError', 'normalization of %d channels' % len(mean))
        if name == 'model_optimization_config' and text.startswith('calibration'):
            size = int(re.search(r'calibset_size=(\d+)', text).group(1))
            if size > data.shape[0]:
                fail('BackendValueError', 'calibset_size is larger than the set')
        if name == 'change_output_activation' and text.split(',')[0] not in layers:
            fail('AllocatorScriptParserException', 'no layer ' + text)
    nms = None
    for name, text in commands:
        if name != 'nms_postprocess':
            continue
        with open(re.match('"([^"]*)"', text).group(1)) as file:
            nms = json.load(file)
        if BEHAVIOUR.partition('@')[0] == 'failure-meta-arch':  # hailo_model_zoo 86 (R)
            fail('AllocatorScriptParserException', 'meta_arch yolov8 is not valid')
        for key in ('nms_scores_th', 'nms_iou_th', 'image_dims', 'max_proposals_per_class', 'classes', 'regression_length', 'background_removal', 'bbox_decoders'):
            if key not in nms:
                fail('BackendValueError', 'the NMS configuration has no ' + key)
        for d in nms['bbox_decoders']:
            boxes, scores = layers[d['reg_layer']]['output_shapes'][0], layers[d['cls_layer']]['output_shapes'][0]
            # hailo_model_zoo 160: a wrong number of classes (R)
            if scores[3] != nms['classes'] or boxes[3] != 4 * nms['regression_length'] or boxes[2] * d['stride'] != nms['image_dims'][1]:
                fail('BackendValueError', 'the NMS configuration does not fit the layers')
            if not any(c == 'change_output_activation' and t == '%s, sigmoid' % d['cls_layer'] for c, t in commands):
                fail('BackendValueError', 'scores without sigmoid')
    say('[info] Using default optimization level of 1')
    name = BEHAVIOUR.partition('@')[0]
    if name == 'failure-memory':
        say('tensorflow.python.framework.errors_impl.ResourceExhaustedError: GPU ran out; CUDA_ERROR: out of memory')
        sys.exit(1)
    if name == 'lower-level':
        say('[warning] Reducing optimization level to 0 (the accuracy won\'t be optimized) because there\'s no available GPU')
    net = network['name']
    write_har(a.output_har_path, net, dict({'.hn': files[net + '.hn'], '.alls': open(a.model_script, 'rb').read()}, **({'.nms.json': json.dumps(nms).encode()} if nms else {})))
    say('[info] Model Optimization is done')


# ---- compiler: a HEF as observed on a real one (A.8.1, O); operations from hef.proto (A.8, R) ----------------------------------------

def varint(value):
    out = b''
    while value >= 0x80:
        out += bytes([value & 0x7f | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value) if value else b''
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack('<f', value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def edge(name, is_input, shape, original):
    height, width, features = ([1, 1] + list(shape[1:]))[-3:]
    base = field(1, height) + field(2, height) + field(3, width) + field(4, width) + field(5, features) + field(6, features) + field(12, 1)
    numeric = b'' if is_input else field(1, 128.0)
    layer = field(1, name) + field(2, base) + field(3, numeric + field(2, 1.0 if is_input else 0.05)) + field(5, original)
    return field(2, field(1, 0 if is_input else 1) + field(3, layer))


def compile_network(arguments):
    p = argparse.ArgumentParser(prog='hailo compiler')
    p.add_argument('har')
    p.add_argument('--hw-arch', choices=['hailo8', 'hailo8r', 'hailo8l'], default='hailo8')
    p.add_argument('--output-dir', required=True)
    a = p.parse_args(arguments)
    play('compiler')
    network, files = read_har(a.har)
    net = network['name']
    if net + '.alls' not in files:
        fail('BackendValueError', 'Model requires quantized weights in order to run on HW, but none were given')  # hailo_model_zoo 87 (R)
    behaviour = BEHAVIOUR.partition('@')[0]
    if behaviour == 'failure-allocator':
        fail('BackendAllocatorException', 'Compilation failed: mapping of concat1 failed, agent infeasible')
    for line in ('Finding the best partition to contexts...', 'Successful Partition and Allocation', 'Successful Kernel Compilation', 'Successful Compilation'):
        say('[info] ' + line)  # milestones of A.3 (R: issues)
    architecture = {'hailo8': 1, 'hailo8r': 2, 'hailo8l': 3}[a.hw_arch]  # a plain hailo8 says 1 (O)
    if behaviour == 'other-device':
        architecture = {1: 3, 3: 1}[architecture]
    layers = network['layers']
    ends = network['net_params']['output_layers_order']
    edges = edge(net + '/input_layer1', True, layers[net + '/input_layer1']['output_shapes'][0], layers[net + '/input_layer1']['original_names'][0])
    for end in ends[:-1] if behaviour == 'missing-output' else ends:
        edges += edge(end, False, layers[end]['output_shapes'][0], layers[end]['original_names'][0])
    group = field(1, field(1, net)) + field(3, field(3, edges)) + b''.join(field(4, end) for end in ends) + field(6, net) + field(10, net)
    extensions = field(5, field(1, 26))
    if net + '.nms.json' in files:
        nms = json.loads(files[net + '.nms.json'])
        op = b'\x09' + struct.pack('<d', nms['nms_scores_th']) + b'\x11' + struct.pack('<d', nms['nms_iou_th'])
        op += field(3, nms['max_proposals_per_class']) + field(4, nms['classes']) + field(12, field(2, nms['image_dims'][0]))
        group += field(8, field(1, 'nms') + field(5, op))
        extensions += field(5, field(1, 27))
    description = field(1, field(1, architecture) + field(2, 1700000000000) + field(3, '3.31.0')) + field(2, group) + extensions
    configuration = b'\0' * 64
    hef = b'\x01HEF' + struct.pack('>II', 1, len(description)) + struct.pack('>IQI', zlib.crc32(description + configuration), len(configuration), 0)
    hef += description + configuration
    if behaviour == 'damaged':
        hef = hef[:-10]
    with open(os.path.join(a.output_dir, net + '.hef'), 'wb') as file:
        file.write(hef)


def main():
    # Logs it leaves in its working folder (A.2, R).
    arguments = sys.argv[1:]
    if arguments == ['--version']:
        # Banner of both versions (A.2, R); its exact wording is inferred (I).
        say('[info] Current Time: 12:00:00, 01/01/25')
        say('HailoRT v4.23.0')
        if BEHAVIOUR != 'runtime-only':
            say('Hailo Dataflow Compiler v%s' % {'wrong-version': '5.1.0', 'old-version': '3.20.0'}.get(BEHAVIOUR, '3.31.0'))
        return
    if sys.stdin.isatty():
        fail('ValueError', 'a terminal was given')
    for log in ('acceleras.log', 'allocator.log', 'hailo_sdk.client.log', 'hailo_sdk.core.log'):
        with open(log, 'a') as file:
            file.write('log\n')
    with open(os.environ.get('LATHE_STAND_IN_CALLS', '/dev/null'), 'a') as file:
        file.write(json.dumps(arguments) + '\n')
    if BEHAVIOUR == 'no-parser':  # the runtime's own program of that name (A.2, R)
        say("hailo: error: argument {fw-update,scan,run}: invalid choice: 'parser' (choose from 'fw-update', 'scan', 'run')")
        sys.exit(2)
    steps = {'parser': lambda rest: parse(rest[1:]) if rest[:1] == ['onnx'] else sys.exit(2), 'optimize': optimize, 'compiler': compile_network}
    if not arguments or arguments[0] not in steps:
        say("hailo: error: invalid choice: '%s'" % (arguments or [''])[0])
        sys.exit(2)
    steps[arguments[0]](arguments[1:])


main()
