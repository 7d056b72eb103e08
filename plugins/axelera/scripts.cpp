// Texts.
#include "scripts.hpp"

#include <nlohmann/json.hpp>

namespace lathe::axelera {
namespace {

std::string numbers(const float* values, int64_t count) {
  std::string text;
  for (int64_t i = 0; i < count; ++i) {
    char number[40];
    std::snprintf(number, sizeof number, "%.9g", static_cast<double>(values[i]));
    text += (i == 0 ? "" : ", ") + std::string(number);
  }
  return text + (count == 1 ? "," : "");
}

}  // namespace

std::string transform_script(const lathe_preprocessing& p) {
  const int64_t channels = p.channels < 1 ? 1 : p.channels > 4 ? 4 : p.channels;
  std::string text =
      R"(# How a calibration picture becomes the model's input: value = (pixel - mean) * scale. The pictures lie there fitted to its size.
# axcompile calls get_preprocess_transform(picture), or get_preprocess_transform() and the result with a picture.
import numpy
import torch

)";
  text += "WIDTH, HEIGHT, CHANNELS = " + std::to_string(p.width) + ", " + std::to_string(p.height) + ", " + std::to_string(channels) + "\n";
  text += "MEAN = numpy.array((" + numbers(p.mean, channels) + "), dtype=numpy.float32)\n";
  text += "SCALE = numpy.array((" + numbers(p.scale, channels) + "), dtype=numpy.float32)\n";
  text += "CHANNELS_LAST = " + std::string(p.channels_last ? "True" : "False") + "\n";
  text += R"(

def transform(picture):
    pixels = numpy.asarray(picture, dtype=numpy.float32)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.shape != (HEIGHT, WIDTH, CHANNELS):
        raise ValueError("a calibration picture is %r, and the model takes %r" % (pixels.shape, (HEIGHT, WIDTH, CHANNELS)))
    values = (pixels - MEAN) * SCALE
    if not CHANNELS_LAST:
        values = values.transpose(2, 0, 1)
    return torch.from_numpy(numpy.ascontiguousarray(values[None]))


def get_preprocess_transform(picture=None):
    return transform if picture is None else transform(picture)
)";
  return text;
}

std::string config_json(const Config& config, bool modern) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  if (!config.scheme.empty()) json[modern ? "quantization_scheme" : "ptq_scheme"] = config.scheme;
  json[modern ? "aipu_cores_used" : "aipu_cores"] = config.cores;
  if (config.tiling_depth > 0) json["tiling_depth"] = config.tiling_depth;
  if (config.resources > 0) json[modern ? "resources_used" : "resources"] = config.resources;
  if (config.single_file) json["output_axm_format"] = true;
  return json.dump(2) + "\n";
}

std::string check_script(const std::string& board) {
  return "# Which Voyager SDK stands beside axcompile, and what in it does not go together.\nBOARD = \"" + board + "\"\n" + R"py(
import os
import re
import sys

from importlib.metadata import PackageNotFoundError, version


def found(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def release(text):
    numbers = [int(n) for n in re.findall("[0-9]+", text)[:2]]
    return tuple(numbers + [0] * (2 - len(numbers)))


devkit, runtime, torch = found("axelera-devkit"), found("axelera-rt"), found("torch")
if devkit is None:
    print("axelera-devkit: none in the Python beside axcompile")
    sys.exit(0)
print("axelera-devkit %s" % devkit)
here = "%d.%d" % sys.version_info[:2]
if release(devkit) < (1, 5) or release(devkit) >= (2, 0):
    print("axelera-devkit %s: does not serve" % devkit)
    sys.exit(1)
if runtime is not None and release(runtime) != release(devkit):
    print("axelera-rt %s: axelera-devkit is %s" % (runtime, devkit))
    sys.exit(1)
if BOARD and release(BOARD) != release(devkit):
    print("board %s: axelera-devkit is %s" % (BOARD, devkit))
    sys.exit(1)
wanted = ((3, 10), (3, 10)) if release(devkit) < (1, 6) else ((3, 10), (3, 13))
if not wanted[0] <= sys.version_info[:2] <= wanted[1]:
    print("python %s: beside axelera-devkit %s" % (here, devkit))
if release(devkit) >= (1, 8) and torch is not None and not (2, 8) <= release(torch) < (2, 13):
    print("torch %s: beside axelera-devkit %s" % (torch, devkit))
if release(devkit) < (1, 6) and os.path.exists("conf_old.json"):
    os.replace("conf_old.json", "conf.json")
)py";
}

std::string artifact_name(bool single_file) { return single_file ? "model.axm" : "compiled_model.zip"; }

std::string pack_script(bool single_file) {
  return "# Judges what axcompile left in out/ by its report and packs it.\nSINGLE_FILE = " + std::string(single_file ? "True" : "False") +
         "\nARTIFACT = \"" + artifact_name(single_file) + "\"\n" + R"py(
import glob
import json
import os
import shutil
import sys
import zipfile

try:
    with open("out/compilation_report.json", encoding="utf-8") as file:
        status = str(json.load(file)["status"])
except (OSError, ValueError, KeyError, TypeError) as problem:
    print("axcompile report: none that can be read (%s)" % problem)
    sys.exit(1)
if status != "SUCCEEDED":
    print("axcompile status: " + status)
    sys.exit(1)
if SINGLE_FILE:
    found = sorted(glob.glob("out/*.axm") + glob.glob("out/compiled_model/*.axm"))
    if len(found) != 1:
        print("axcompile result: %d .axm files" % len(found))
        sys.exit(1)
    shutil.copyfile(found[0], ARTIFACT)
else:
    if not os.path.isfile("out/compiled_model/manifest.json"):
        print("axcompile result: no compiled_model/manifest.json")
        sys.exit(1)
    with zipfile.ZipFile(ARTIFACT, "w", zipfile.ZIP_STORED) as archive:
        names = []
        for folder, _, files in os.walk("out/compiled_model"):
            names += [os.path.relpath(os.path.join(folder, name), "out") for name in files]
        for name in sorted(names):  # the same bytes for the same folder: a fixed time and no rights
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            with open(os.path.join("out", name), "rb") as file:
                archive.writestr(entry, file.read())
print("packed: " + ARTIFACT)
)py";
}

}  // namespace lathe::axelera
