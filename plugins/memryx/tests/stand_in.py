"""A stand-in for mx_nc: it checks what the real one would be given and plays what the real one is known to do. LATHE_STAND_IN names the behaviour,
LATHE_STAND_IN_VERSION its version.

Marks: [read] in public documents or threads; [inferred] not. None was observed: neither the program nor a file of its was at hand.
"""
import argparse
import json
import os
import signal
import struct
import sys
import time

import onnx

BEHAVIOUR = os.environ.get('LATHE_STAND_IN', 'success')
VERSION = os.environ.get('LATHE_STAND_IN_VERSION', '2.2.5')


def say(text):
    print(text, flush=True)


def stop(text, code=1):
    say(text)
    sys.exit(code)


def arguments():
    parser = argparse.ArgumentParser(prog='mx_nc')
    parser.add_argument('--version', action='version', version='MemryX Neural Compiler %s' % VERSION)  # [inferred] the sentence
    parser.add_argument('-m', '--models', required=True)  # [read] this and what follows
    parser.add_argument('-c', type=int, default=4)
    parser.add_argument('--dfp_fname', required=True)
    parser.add_argument('--model_in_out', required=True)
    parser.add_argument('-is', '--input_shapes')
    parser.add_argument('-e', '--effort', choices=['lazy', 'normal', 'hard'])
    parser.add_argument('-j', '--num_processes')
    parser.add_argument('--extensions')
    parser.add_argument('--exp_auto_dp', action='store_true')
    parser.add_argument('-v', action='count')
    return parser.parse_args()


def shape_of(value):
    return [d.dim_value for d in value.type.tensor_type.shape.dim]


def text(value):
    value = value.encode()
    return b'\x60' + struct.pack('<I', len(value)) + value


def byte(value):
    return b'\x10' + struct.pack('<B', value)


def dictionary(entries):
    return struct.pack('<I', len(entries)) + b''.join(key.encode().ljust(64, b'\0') + value for key, value in entries.items())


def listing(kind, values):
    return b'\x02' + bytes([kind]) + struct.pack('<I', len(values)) + b''.join(values)


def port(number, name, shape, is_input):
    """[read] height, width, depth, channels"""
    rest = shape[1:]
    extents = [rest[1], rest[2], 1, rest[0]] if len(rest) == 3 else [1, 1, 1, rest[0]] if len(rest) == 1 else [1, rest[1], 1, rest[0]]
    entries = {'port': byte(number), 'active': byte(1), 'port_set': byte(0), 'mpu_id': byte(0), 'model_index': byte(0),
               'packing_format': b'\x01' + dictionary({'as_int': byte(5 if is_input else 0)}), 'layer_name': text(name),
               'mxa_shape': listing(0x30, [struct.pack('<I', e) for e in extents])}
    if is_input:
        entries['range_convert'] = b'\x01' + dictionary({'enabled': byte(0)})
    return dictionary(entries)


def dfp(inputs, outputs, chips):
    """[read] the container as the vendor's open runtime loads it."""
    hardware = struct.pack('<QI', 0, 16) + bytes(16) + b'\1' + struct.pack('<I', 8) + bytes(8)
    all_of_it = {'models': listing(0x60, [struct.pack('<I', 3) + b'net']), 'compile_timestamp': text('2026-01-02'), 'compiler_version': text(VERSION),
                 'sim_meta': b'\x01' + dictionary({'intgen': byte(3 if BEHAVIOUR == 'wrong-chip' else 4), 'num_mpus': byte(chips)}),
                 'num_inports': byte(len(inputs)), 'num_outports': byte(len(outputs)),
                 'inport_info': listing(0x01, [port(i, n, s, True) for i, (n, s) in enumerate(inputs)]),
                 'outport_info': listing(0x01, [port(i, n, s, False) for i, (n, s) in enumerate(outputs)]),
                 'hw_dfp': b'\x03' + struct.pack('<Q', len(hardware)) + hardware}
    return struct.pack('<Q', 6) + b'\x01' + dictionary(all_of_it)


def main():
    if BEHAVIOUR == 'no-version' and '--version' in sys.argv:
        stop('')
    given = arguments()
    old = tuple(int(n) for n in VERSION.split('.')[:2]) < (2, 2)
    with open('memryx.neural_compiler.log', 'w') as f:  # [read] left in the working folder
        f.write('log\n')
    model = onnx.load(given.models)
    onnx.checker.check_model(model)  # [read] the checker's failures are among those met
    opset = [o.version for o in model.opset_import if o.domain in ('', 'ai.onnx')][0]
    if not 11 <= opset <= 17:  # [inferred] no window is published
        stop('onnx.checker: opset %d' % opset)
    constants = {t.name for t in model.graph.initializer}
    inputs = [(v.name, shape_of(v)) for v in model.graph.input if v.name not in constants]
    outputs = [(v.name, shape_of(v)) for v in model.graph.output]
    if any(0 in shape for _, shape in inputs):
        stop('Error: dynamic batch found, please pin it')
    with open(given.model_in_out) as f:
        cut = json.load(f)  # [read] arrays of tensor names
    if cut['inputs'] != [n for n, _ in inputs] or cut['outputs'] != [n for n, _ in outputs]:
        stop('Error: cut points %s are not the model\'s' % cut)
    if given.input_shapes:
        shape = inputs[0][1]
        wanted = [shape[2], shape[3], shape[1]] if old else shape  # [read] H,W,C before 2.2, native after
        if [int(n) for n in given.input_shapes.split(',')] != wanted:
            stop('Error: input_shapes invalid, expected %s' % wanted)
    attention = 'Softmax' in [n.op_type for n in model.graph.node]
    if old and attention and given.extensions != 'Yolov10':  # [read] C2PSA before 2.2
        stop('Error: unsupported layer MatMul_attention')
    say('Converting Model: (Done)')
    if BEHAVIOUR == 'failure-layer':  # [read] the class; [inferred] the sentence
        stop('Error: unsupported operator: GridSample')
    if BEHAVIOUR == 'failure-fit':  # [read] ultralytics 25586: the class; [inferred] the sentence
        stop('MapperError: will not fit on 4 chips')
    if BEHAVIOUR == 'failure-plain':  # [inferred] non-zero exit without a known sentence
        stop('something else', 7)
    if BEHAVIOUR == 'traceback':  # [read] Python raises
        raise ValueError('bad graph')
    if BEHAVIOUR == 'exit0-failure':  # [inferred]
        stop('RuntimeError: mapper thread died', 0)
    if BEHAVIOUR == 'approximated':  # [read] warnings about approximated operators
        say('Warning: approximating operator Gelu')
    if BEHAVIOUR == 'log-alone':  # [read] the log file; [inferred] a line that stands there alone
        with open('memryx.neural_compiler.log', 'a') as f:
            f.write('MapperError: will not fit on 4 chips\n')
        sys.exit(1)
    if BEHAVIOUR == 'missing-module':  # [read] packages of the Python around it that were broken
        stop("ModuleNotFoundError: No module named 'memryx'")
    if BEHAVIOUR == 'unrecognized':  # [inferred] as Python's argparse says it
        stop('mx_nc: error: unrecognized arguments: --model_in_out', 2)
    if BEHAVIOUR == 'checker':  # [read] the class; [inferred] the sentence
        stop('onnx.onnx_cpp2py_export.checker.ValidationError: bad node')
    if BEHAVIOUR == 'prompt':  # [inferred] it is not known to ask anything
        sys.stdout.write('Overwrite? (y/n)')
        sys.stdout.flush()
        time.sleep(600)
    if BEHAVIOUR == 'crash':
        os.abort()
    if BEHAVIOUR == 'killed':
        os.kill(os.getpid(), signal.SIGKILL)
    if BEHAVIOUR == 'slow':
        for step in ('Optimizing Graph', 'Cores optimization', 'Flow optimization'):
            say(step)
            time.sleep(0.7)
    if BEHAVIOUR == 'nothing':
        return
    artifact = dfp(inputs, outputs, given.c)
    if BEHAVIOUR == 'garbage':
        artifact = b'no such thing as a program for chips ' * 20
    if BEHAVIOUR == 'cut-short':
        artifact = artifact[:len(artifact) // 2]
    if BEHAVIOUR == 'wrong-shape':
        artifact = dfp(inputs, [(n, s[:1] + [s[1] + 1] + s[2:]) for n, s in outputs], given.c)
    if BEHAVIOUR == 'renamed':
        artifact = dfp(inputs, [('conv_%d' % i, s) for i, (_, s) in enumerate(outputs)], given.c)
    with open(given.dfp_fname, 'wb') as f:
        f.write(artifact)
    say('Assembling DFP: (Done)')


if __name__ == '__main__':
    main()
