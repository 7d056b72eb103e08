#!/usr/bin/env python3
"""Golden models through the tflite target and TensorFlow Lite itself.

    models.py --lathe PROGRAM --golden FOLDER --shared FOLDER NAME [float32|float16|dynamic-range]

The numbers were computed by PyTorch and ONNX Runtime. Limits: float32 1e-4 of each output's largest value, float16 weights 1e-2, quantised
graphs and weights a cosine of 0.999. NAME `all` runs every model there is, `checkpoints` every checkpoint.
"""
import argparse
import glob
import os
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import compare  # noqa: E402
import runtime  # noqa: E402

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', '..')
ROWS = 'rows'  # of final boxes: each is looked for among all, since rows that score alike change places
# Seeded weights amplify rounding: double precision is 1e-4 away from these two's stored numbers, ONNX Runtime 1.6e-4.
LIMITS = {'yolo12n': 3e-4, 'yolov9t': 2.5e-4}

# name: (model, golden folder, axis of boxes in the first output or None, further arguments)
MODELS = {
    'yolov8n': ('pytorch/yolov8n/model.onnx', 'pytorch/yolov8n', 1, []),
    'yolo11n-seg': ('pytorch/yolo11n-seg/model.onnx', 'pytorch/yolo11n-seg', 1, []),
    'tv_mobilenet_v3_small': ('pytorch/tv_mobilenet_v3_small/model.onnx', 'pytorch/tv_mobilenet_v3_small', None, []),
    'encoder_2l_h256': ('pytorch/encoder_2l_h256/model.onnx', 'pytorch/encoder_2l_h256', None, []),
    'rand_resnet50': ('models/rand_resnet50.onnx', 'onnxruntime/rand_resnet50', None, []),
    'rand_densenet121': ('models/rand_densenet121.onnx', 'onnxruntime/rand_densenet121', None, []),
    'rand_shufflenet': ('models/rand_shufflenet.onnx', 'onnxruntime/rand_shufflenet', None, []),
    'rand_squeezenet': ('models/rand_squeezenet.onnx', 'onnxruntime/rand_squeezenet', None, []),
    'mnist': ('shared/mnist.onnx', 'onnxruntime/mnist', None, []),
    'trt_residual_block': ('shared/trt_residual_block.onnx', 'onnxruntime/trt_residual_block', None, []),
    'yolox_nano': ('shared/yolox_nano.onnx', 'onnxruntime/yolox_nano', 2, []),
    'ch_PP-OCRv4_det_infer': ('shared/ch_PP-OCRv4_det_infer.onnx', 'onnxruntime/ch_PP-OCRv4_det_infer', None, []),
    'openwakeword_embedding_model': ('shared/openwakeword_embedding_model.onnx', 'onnxruntime/openwakeword_embedding_model', None, []),
    'yolov8n_int8_qdq': ('shared/yolov8n_int8_qdq.onnx', 'onnxruntime/yolov8n_int8_qdq', 1, []),
    'ch_PP-OCRv4_rec_infer': ('shared/ch_PP-OCRv4_rec_infer.onnx', 'onnxruntime/ch_PP-OCRv4_rec_infer', None, []),
    'openwakeword_melspectrogram': ('shared/openwakeword_melspectrogram.onnx', 'onnxruntime/openwakeword_melspectrogram', None, []),
    'LeYOLONano': ('pt/LeYOLONano.pt', 'pytorch/LeYOLONano', 1, ['--option', 'modules=' + os.path.join(ROOT, 'examples/modules/leyolo.yaml')]),
    'custom_yolo11n_fruit_best': ('pt/custom_yolo11n_fruit_best.pt', 'pytorch/custom_yolo11n_fruit_best', 1, []),
    'custom_yolov8n-cls_leaf_best': ('pt/custom_yolov8n-cls_leaf_best.pt', 'pytorch/custom_yolov8n-cls_leaf_best', None, []),
    'yolov5n': ('pt/yolov5n.pt', 'pytorch/yolov5n', 2, []),
    'yolo12n': ('pytorch/yolo12n/yolo12n.pt', 'pytorch/yolo12n', 1, []),
    'yolo26n': ('pytorch/yolo26n/yolo26n.pt', 'pytorch/yolo26n', ROWS, []),
    'yolov10n': ('pytorch/yolov10n/yolov10n.pt', 'pytorch/yolov10n', ROWS, []),
    'yolov8n-obb': ('pytorch/yolov8n-obb/yolov8n-obb.pt', 'pytorch/yolov8n-obb', 1, []),
    'yolov8n-pose': ('pytorch/yolov8n-pose/yolov8n-pose.pt', 'pytorch/yolov8n-pose', 1, []),
    'yolov9t': ('pytorch/yolov9t/yolov9t.pt', 'pytorch/yolov9t', 1, []),
    'yolov8n_int8': ('shared/yolov8n_int8.onnx', 'onnxruntime/yolov8n_int8', 1, []),
}
QUANTIZED = {'yolov8n_int8_qdq', 'yolov8n_int8'}


def file_of(kind, name):
    return '%s.%s.npy' % (kind, name.replace('/', '_'))


def expected_of(folder, name, position):
    for path in (os.path.join(folder, file_of('output', name)), os.path.join(folder, 'output%d.npy' % position), os.path.join(folder, 'output.npy')):
        if os.path.exists(path):
            return np.load(path)
    raise SystemExit('there are no golden numbers of the output %s in %s' % (name, folder))


def inputs_of(folder, names):
    single = os.path.join(folder, 'input.npy')
    return [np.load(single if os.path.exists(single) else os.path.join(folder, file_of('input', n))) for n in names]


def test(given, name, weights):
    model, folder, boxes_axis, more = MODELS[name]
    path = os.path.join(given.golden, model)
    if model.startswith('shared/'):
        path = os.path.join(given.shared, 'models/onnx', model[7:])
    if model.startswith('pt/'):
        path = os.path.join(given.shared, 'models', model)
    folder = os.path.join(given.golden, folder)
    if not os.path.exists(path) or not os.path.isdir(folder):
        print('SKIPPED: %s is absent' % path)
        return 77
    with tempfile.TemporaryDirectory() as work:
        out = os.path.join(work, 'model.tflite')
        how = ['--precision', weights] if weights != 'dynamic-range' else ['--option', 'weights=dynamic-range']
        command = [given.lathe, '--quiet', 'compile', path, '--target', 'tflite:cpu', '--verify', 'off', '--emit', 'model', '-o', out] + how + more
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            print('%s: exit code %d: %s' % (name, done.returncode, done.stderr.strip()))
            return 1
        first = open(out, 'rb').read()
        subprocess.run(command, check=True, capture_output=True)
        if open(out, 'rb').read() != first:
            print('%s: a second compile gives other bytes' % name)
            return 1
        # The names of inputs and outputs are the model's: the program itself says them.
        described = subprocess.run([given.lathe, 'inspect', out, '--json'], capture_output=True, text=True, check=True)
        import json
        document = json.loads(described.stdout)
        found = runtime.Runtime().run(out, inputs_of(folder, [i['name'] for i in document['inputs']]), threads=2)
        failed = 0
        for i, (output, y) in enumerate(zip(document['outputs'], found)):
            expected = expected_of(folder, output['name'], i)
            if name in QUANTIZED or weights == 'dynamic-range':
                cosine = compare.cosine(expected, y)
                failed |= not cosine >= 0.999
                print('%s %s: cosine %.6f' % (name, output['name'], cosine))
                continue
            if boxes_axis == ROWS:
                missing = compare.missing_rows(expected[0], y[0])
                failed |= missing > 0.01
                print('%s %s: %.1f %% of the rows are missing' % (name, output['name'], 100 * missing))
                continue
            off = compare.worst(expected, y, boxes_axis if i == 0 else None)
            failed |= not off <= (LIMITS.get(name, 1e-4) if weights == 'float32' else 1e-2)
            print('%s %s: %.2g of the largest value' % (name, output['name'], off))
        return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--lathe', required=True)
    parser.add_argument('--golden', required=True)
    parser.add_argument('--shared', required=True)
    parser.add_argument('name')
    parser.add_argument('weights', nargs='?', default='float32')
    given = parser.parse_args()
    if not runtime.library():
        print('SKIPPED: TensorFlow Lite\'s library is not here; set LATHE_TFLITE_LIBRARY')
        return 77
    names = {'all': list(MODELS), 'checkpoints': [n for n in MODELS if MODELS[n][0].endswith('.pt')]}.get(given.name, [given.name])
    codes = [test(given, name, given.weights) for name in names]
    return 77 if all(code == 77 for code in codes) else max(code for code in codes if code != 77)


if __name__ == '__main__':
    sys.exit(main())
