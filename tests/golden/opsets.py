"""opsets.py LATHE GOLDEN SHARED FOLDER: golden models written at opsets 11, 13 and 17, held against what we did not write.

The onnx package's checker, where this Python has it, looks at every file, strictly; ONNX Runtime, fetched into FOLDER by scripts/get_onnxruntime.sh,
runs the files and the golden outputs are compared (opsets.mjs). Exit code 77: the data, or both judges, are absent.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
OPSETS = (11, 13, 17)
# Below GOLDEN; the file, the folder of its numbers.
RUN = [("pytorch/yolov8n/model.onnx", "yolov8n"), ("pytorch/tv_mobilenet_v3_small/model.onnx", "tv_mobilenet_v3_small"), ("pytorch/encoder_2l_h256/model.onnx", "encoder_2l_h256")]
# Below SHARED: checked only.
CHECKED = ["models/onnx/yolox_nano.onnx", "models/onnx/ch_PP-OCRv4_det_infer.onnx", "models/onnx/ch_PP-OCRv4_rec_infer.onnx", "models/onnx/silero_vad_v5.onnx", "models/onnx/openwakeword_embedding_model.onnx", "models/pt/yolo11n-seg.pt"]


def main(lathe, golden, shared, folder):
    golden, shared = pathlib.Path(golden), pathlib.Path(shared)
    if not (golden / "pytorch").exists():
        print(f"SKIPPED: {golden}/pytorch is absent")
        return 77
    try:
        import onnx
    except ImportError:
        onnx = None
    runtime = shutil.which("node") and subprocess.run([SOURCE / "scripts/get_onnxruntime.sh", folder]).returncode == 0
    if not onnx and not runtime:
        print("SKIPPED: neither the onnx package nor ONNX Runtime is there")
        return 77
    print(f"checker: {onnx.__version__ if onnx else 'absent'}; ONNX Runtime: {'there' if runtime else 'absent'}")
    bad = 0
    with tempfile.TemporaryDirectory(prefix="lathe-opsets-") as scratch:
        for model, numbers in [(golden / m, n) for m, n in RUN] + [(shared / m, None) for m in CHECKED]:
            for opset in OPSETS:
                out = pathlib.Path(scratch) / f"{model.parent.name}_{model.stem}_{opset}.onnx"
                subprocess.run([lathe, "compile", model, "--target", "onnx", "--option", f"opset={opset}", "--emit", "model", "-o", out, "--verify", "off", "--quiet"], check=True, stdout=subprocess.DEVNULL)
                said = []
                if onnx:
                    written = onnx.load(out)
                    onnx.checker.check_model(written)
                    onnx.shape_inference.infer_shapes(written, check_type=True, strict_mode=True)
                    said.append(f"opset {written.opset_import[0].version}, checked")
                    bad += written.opset_import[0].version != opset
                if runtime and numbers:
                    done = subprocess.run(["node", pathlib.Path(__file__).with_suffix(".mjs"), folder, out, golden / "pytorch" / numbers], capture_output=True, text=True)
                    said.append(done.stdout.strip() or done.stderr.strip()[-500:])
                    bad += done.returncode != 0
                print(model.parent.name, model.name, opset, "; ".join(said))
    return 1 if bad else 0


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit("usage: opsets.py LATHE GOLDEN SHARED FOLDER")
    sys.exit(main(*sys.argv[1:]))
