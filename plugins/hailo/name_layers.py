#!/usr/bin/env python3
"""Between `hailo parser` and `hailo optimize`: finds the compiler's own names of the layers at which the model ends, and writes what refers to them.

    name_layers.py NETWORK.har suppression.json SCRIPT.alls FINAL.alls NMS.json

suppression.json (written by Lathe) names the nodes of the ONNX model; the HAR holds the parsed network with the compiler's names. FINAL.alls is the
script with the scores' activations and nms_postprocess() added; NMS.json is what that command reads. Ends with 1 and a sentence when a node is not
found, or has another number of features than the model says.
"""
import json
import sys
import tarfile


def fail(text):
    print('name_layers: ' + text)
    sys.exit(1)


def read_network(path):
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isfile() and member.name.endswith('.hn') and '.native' not in member.name:
                return json.load(archive.extractfile(member))
    fail('%s holds no network (.hn)' % path)


def features_of(layer):
    shapes = layer.get('output_shapes') or [[]]
    return shapes[0][-1] if shapes[0] else None


def main():
    har, request_path, script_path, final_path, nms_path = sys.argv[1:]
    with open(request_path) as file:
        request = json.load(file)
    layers = read_network(har).get('layers') or {}
    by_node = {}
    for name, layer in layers.items():
        for original in layer.get('original_names') or []:
            by_node.setdefault(original, []).append(name)

    def find(wanted):
        # One node may have become several layers; the last of the right width is what the model ends at.
        found = [n for n in by_node.get(wanted['node'], []) if features_of(layers[n]) == wanted['features']]
        if not found:
            fail("no layer was made from the node '%s' with %d features" % (wanted['node'], wanted['features']))
        return found[-1].split('/')[-1]

    nms = {key: request[key] for key in ('nms_scores_th', 'nms_iou_th', 'image_dims', 'max_proposals_per_class', 'classes', 'regression_length')}
    nms['background_removal'] = False
    nms['background_removal_index'] = 0
    nms['bbox_decoders'] = []
    activations = []
    for decoder in request['decoders']:
        boxes, scores = find(decoder['boxes']), find(decoder['scores'])
        activations.append('change_output_activation(%s, sigmoid)\n' % scores)
        nms['bbox_decoders'].append({'name': 'bbox_decoder' + boxes.lstrip('conv'), 'stride': decoder['stride'], 'reg_layer': boxes, 'cls_layer': scores})
    with open(nms_path, 'w') as file:
        json.dump(nms, file, indent=1)
    with open(script_path) as file:
        script = file.read()
    with open(final_path, 'w') as file:
        file.write(script + ''.join(activations) + 'nms_postprocess("%s", meta_arch=yolov8, engine=cpu)\n' % nms_path)
    print('name_layers: named %d layers' % (2 * len(activations)))


main()
