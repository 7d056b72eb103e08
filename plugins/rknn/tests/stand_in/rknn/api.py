"""A stand-in for rknn.api: it checks what the real one would be given and plays what the real one is known to do. LATHE_STAND_IN names the behaviour.

Marks: [read] in the vendor's documents or a public thread; [observed] in a file; [inferred] neither. Numbers name the vendor's public issues.
"""
import json
import os
import signal
import struct
import sys
import time

import numpy
import onnx

BEHAVIOUR = os.environ.get('LATHE_STAND_IN', 'success')
PLATFORMS = ('rk3562', 'rk3566', 'rk3568', 'rk3576', 'rk3588')  # [read] config: lower case, no default
KNOWN = {'mean_values', 'std_values', 'target_platform', 'quantized_dtype', 'quantized_algorithm', 'quantized_method', 'float_dtype', 'optimization_level',
         'quant_img_RGB2BGR', 'custom_string'}  # [read] those of config's parameters that are used here


RECORD = None


def say(text, printed=True):
    """[read] everything is in the verbose file; [inferred] a line may be there alone"""
    if printed:
        print(text, flush=True)
    with open(RECORD, 'a') as f:
        f.write(text + '\n')


class RKNN:
    def __init__(self, verbose=False, verbose_file=None):
        if not verbose or not verbose_file:
            raise ValueError('stand-in: a verbose file is the only full record')  # [read]
        global RECORD
        RECORD = verbose_file
        say('I rknn-toolkit2 version: 2.3.2')  # [read] a banner on first use
        self.dataset = None

    def config(self, **values):
        unknown = set(values) - KNOWN
        if unknown:
            raise TypeError('config() got an unexpected keyword argument %r' % sorted(unknown)[0])
        if values.get('target_platform') not in PLATFORMS:
            say('E config: target_platform %r is not supported' % values.get('target_platform'))
            return -1
        for key in ('mean_values', 'std_values'):
            if not all(isinstance(v, list) for v in values[key]):
                say('E config: %s must be a list of lists' % key)
                return -1
        if values.get('quantized_dtype', 'w8a8') != 'w8a8':  # [read] the only one for these three chips
            say('E config: quantized_dtype %r' % values['quantized_dtype'])
            return -1
        if values.get('quantized_algorithm', 'normal') not in ('normal', 'mmse', 'kl_divergence'):
            say('E config: quantized_algorithm')
            return -1
        self.values = values
        if BEHAVIOUR == 'failure-config':  # [read] a call that fails returns -1
            return -1
        return None  # [read] config may return None

    def load_onnx(self, model, inputs=None, input_size_list=None, outputs=None):
        loaded = onnx.load(model)
        graph = loaded.graph
        opset = [o.version for o in loaded.opset_import if o.domain in ('', 'ai.onnx')][0]
        if BEHAVIOUR == 'failure-opset' or not 12 <= opset <= 19:  # [read] 157, 539: the sentence's form is inferred
            say('E load_onnx: Unsupport onnx opset %d, need <= %d!' % (opset, 15 if opset > 15 else 12))
            return -1
        constants = {t.name for t in graph.initializer}
        self.inputs = [(v.name, [d.dim_value for d in v.type.tensor_type.shape.dim]) for v in graph.input if v.name not in constants]
        self.outputs = [(v.name, [d.dim_value for d in v.type.tensor_type.shape.dim]) for v in graph.output]
        if any(0 in shape for _, shape in self.inputs + self.outputs):
            say('E load_onnx: dynamic shapes need dynamic_input')
            return -1
        if inputs != [n for n, _ in self.inputs] or outputs != [n for n, _ in self.outputs] or input_size_list != [s for _, s in self.inputs]:
            say('E load_onnx: inputs %s, sizes %s or outputs %s are not the model\'s' % (inputs, input_size_list, outputs))
            return -1
        for i, (name, shape) in enumerate(self.inputs):
            channels = shape[1] if len(shape) > 1 else 1
            for key in ('mean_values', 'std_values'):
                if len(self.values[key]) != len(self.inputs) or (channels <= 4 and len(self.values[key][i]) != channels):
                    say('E load_onnx: the length of %s does not match the channels of %s' % (key, name))
                    return -1
        say('I Loading : 100%|' + '#' * 20)
        return -1 if BEHAVIOUR == 'failure-load' else 0

    def read_sample(self, path, shape):
        if path.endswith('.png'):
            with open(path, 'rb') as f:
                head = f.read(33)
            width, height, bits, colours = struct.unpack('>IIBB', head[16:26])
            return head[:8] == b'\x89PNG\r\n\x1a\n' and [3, height, width] == shape[1:] and (bits, colours) == (8, 2)
        if path.endswith('.npy'):
            return list(numpy.load(path).shape) == shape  # [inferred] the model's layout
        return False

    def build(self, do_quantization=True, dataset=None):
        if do_quantization:
            with open(dataset) as f:
                lines = f.read().split('\n')
            for line in lines:
                if not line:
                    continue
                paths = line.split(' ')  # [read] several inputs are separated by blanks
                if len(paths) != len(self.inputs):
                    say('E build: %d files for %d inputs' % (len(paths), len(self.inputs)))
                    return -1
                if not all(os.path.isabs(path) for path in paths):  # [read] others are looked for elsewhere
                    say('W Can not find file: %s. This line will be ignored!' % line)
                for path, (_, shape) in zip(paths, self.inputs):
                    if BEHAVIOUR == 'failure-dataset' or not self.read_sample(path, shape):  # [read] 201, rockchip-linux 347
                        say('E build: Unsupport file %s' % path)
                        return -1
            if '' in lines:  # [read] rknn-toolkit 331: counted, and called ignored
                say('W %d blank line(s) in dataset file. Ignored!!!' % lines.count(''))
                raise ValueError('stand-in: a blank line is no sample')
            self.dataset = len(lines)
        if BEHAVIOUR == 'ignored':  # [read] rknn-toolkit 331: missing files are only reported
            say('W Can not find file: egg_1.jpg. This line will be ignored!')
        if BEHAVIOUR == 'fallback':  # [read] list of operators: too large layers
            say('W RKNN: [conv:3] will fallback to CPU, because input shape has exceeded the max limit')
        if BEHAVIOUR == 'failure-regtask':  # [read] 490, 163: in the log alone, and the board fails later
            say('E RKNN: [12:00:00] REGTASK: The bit width of field value exceeds the limit, target: v2, offset: 0x1018')
        if BEHAVIOUR == 'failure-operator':  # [read] 482, 145
            say('E RKNN: unsupport cpu op: Scan')
            return -1
        if BEHAVIOUR == 'record-alone':  # [read] the verbose file is the only full record; [inferred] a line that is not printed
            say('E RKNN: [12:00:00] REGTASK: The bit width of field value exceeds the limit, target: v2, offset: 0x1018', printed=False)
        if BEHAVIOUR == 'no-data':  # [read] rknn-toolkit 331
            say('E There is no valid data in the dataset: /somewhere/dataset.txt. Please check it.')
            return -1
        if BEHAVIOUR == 'long-traceback':  # [read] model_zoo 207 and 406: the banner and the traceback's head are errors, too
            say('I ===================== WARN(0) =====================')
            say('E rknn-toolkit2 version: 2.3.2')
            say('E build: Traceback (most recent call last):')
            say('  File "rknn/api/rknn_log.py", line 344, in rknn.api.rknn_log.error_catch_decorator.error_catch_wrapper')
            say('IndexError: list index out of range')
            return -1
        if BEHAVIOUR == 'old-onnxruntime':  # [read] model_zoo 406
            say('E build: Traceback (most recent call last):')
            say('onnxruntime.capi.onnxruntime_pybind11_state.Fail: [ONNXRuntimeError] : 1 : FAIL : Load model failed: Opset 19 is under development. '
                'Current official support for domain ai.onnx is till opset 15.')
            return -1
        if BEHAVIOUR == 'new-onnx':  # [read] toolkit2 477
            say('E build: Traceback (most recent call last):')
            say("AttributeError: module 'onnx' has no attribute 'mapping'")
            return -1
        if BEHAVIOUR == 'exit0-failure':  # [inferred] an error in the log, success in the code
            say('E build: Catch exception when building RKNN model!')
        if BEHAVIOUR == 'traceback':  # [read] Python tracebacks
            raise ValueError('too many values to unpack')
        if BEHAVIOUR == 'prompt':  # [inferred] it is not known to ask anything
            sys.stdout.write('A cache is there. Use it? [y/n]')
            sys.stdout.flush()
            time.sleep(600)
        if BEHAVIOUR == 'crash':
            os.abort()
        if BEHAVIOUR == 'killed':
            os.kill(os.getpid(), signal.SIGKILL)
        if BEHAVIOUR == 'slow':
            for percent in (10, 60, 100):
                sys.stdout.write('\rI Quantizating : %d%%|####|' % percent)
                sys.stdout.flush()
                time.sleep(0.7)
            say('')
        say('I rknn building ...')
        say('I rknn building done.')
        self.quantised = do_quantization
        return 0

    def export_rknn(self, path):
        if BEHAVIOUR == 'failure-export':
            return -1
        if BEHAVIOUR == 'nothing':
            return 0
        artifact = b'RKNN and then nothing that anyone could read' * 40 if BEHAVIOUR == 'garbage' else self.artifact()
        with open(path, 'wb') as f:
            f.write(artifact)
        return 0

    def release(self):
        pass

    def artifact(self):
        """The container as it was observed, with machine code left out."""
        target = 'rk3562' if BEHAVIOUR == 'wrong-target' else self.values['target_platform']
        dtype = 'int8' if self.quantised else 'float16'
        tensors = [(name, shape) for name, shape in self.inputs + self.outputs]
        if BEHAVIOUR == 'wrong-shape':
            tensors[-1] = (tensors[-1][0], tensors[-1][1] + [1])
        if BEHAVIOUR == 'renamed':
            tensors = [(str(100 + i), shape) for i, (_, shape) in enumerate(tensors)]
        text = {'norm_tensor': [{'tensor_id': i, 'url': name, 'size': shape, 'dim_num': len(shape)} for i, (name, shape) in enumerate(tensors)],
                'graph': [{'left': 'input' if i < len(self.inputs) else 'output', 'right_tensor_id': i} for i in range(len(tensors))],
                'nodes': [{'op': 'RKNN_OP_NNBG'}], 'target_platform': [target], 'version': '2.3.2'}
        types = [json.dumps({name: {'dtype': dtype, 'layout': layout} for name, _ in part})
                 for part, layout in ((tensors[:len(self.inputs)], 'NHWC'), (tensors[len(self.inputs):], 'NCHW'))]
        attributes = {'attrs': {name: {'shape': shape, 'mean': self.values['mean_values'][i], 'std': self.values['std_values'][i],
                                       'rgb2bgr': self.values['quant_img_RGB2BGR']} for i, (name, shape) in enumerate(tensors[:len(self.inputs)])}}
        flat = flat_buffer({1: 'RKNPU v2', 3: repr(attributes), 7: '2.3.2 (stand-in)', 8: target, 9: 'ONNX', 12: types[0], 13: types[1], 16: 'static_shape'})
        tail = json.dumps(text).encode()
        return b'RKNN\0\0\0\0' + struct.pack('<QQ', 6, len(flat)) + bytes(40) + flat + struct.pack('<Q', len(tail)) + tail


def flat_buffer(texts):
    """A root table that holds texts in the given slots."""
    slots, table = 17, 48
    offsets = [0] * slots
    for i, slot in enumerate(texts):
        offsets[slot] = 4 + 4 * i
    size = 4 + 4 * len(texts)
    flat = struct.pack('<I4sHH', table, b'RKNN', 4 + 2 * slots, size) + struct.pack('<%dH' % slots, *offsets)
    flat = flat.ljust(table, b'\0') + struct.pack('<i', table - 8)
    content = b''
    for i, text in enumerate(texts.values()):
        flat += struct.pack('<I', size - 4 - 4 * i + len(content))
        content += struct.pack('<I', len(text.encode())) + text.encode() + b'\0'
    return flat + content
