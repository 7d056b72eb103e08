// DX-COM: how it is found, called and understood.
#include "backend.hpp"

namespace lathe::deepx {

sdk::ToolDescription dxcom(bool newest) {
  sdk::ToolDescription tool = {};
  tool.name = "DX-COM";
  tool.executable = "dxcom";
  tool.option = "compiler";
  tool.environment = "DXCOM";
  tool.usual_folders = {"~/.local/bin", "/usr/local/bin"};
  tool.version_arguments = {"--version"};
  tool.lowest = newest ? "2.4" : "2.1";  // 2.1 lost --jobs, --shrink and --info; checkpoints and tuning came with 2.4
  tool.below = "3";
  tool.how_to_get =
      "it is the wheel dx-com of DEEPX's dx-compiler (developer.deepx.ai): Python 3.8 to 3.14 on x86-64 Linux, in a virtual environment of its own";
  tool.machine = "x86_64";
  tool.lowest_glibc = "2.31";
  tool.memory_bytes = uint64_t{16} << 30;
  tool.disk_bytes = uint64_t{8} << 30;
  return tool;
}

// The names of the classes of errors it prints are documented, the texts behind them are not: these are quoted.
std::vector<sdk::KnownMessage> dxcom_messages() {
  return {
      {"NotsupportedPaddingError[: ]*(.*)", LATHE_UNSUPPORTED, "DX-COM finds a padding that the NPU does not have: $1",
       "pads go up to 63 in convolutions and 14 in transposed ones; `lathe check` names the nodes"},
      {"NotSupportError[: ]*(.*)", LATHE_UNSUPPORTED, "DX-COM does not take something in the model: $1",
       "`lathe check MODEL --target deepx` shows which operators the NPU has"},
      {"ConfigFileError[: ]*(.*)", LATHE_INTERNAL, "DX-COM cannot read the configuration that was written for it: $1",
       "this version of DX-COM may want other keys; report it with the log"},
      {"ConfigInputError[: ]*(.*)", LATHE_INTERNAL, "DX-COM finds another input in the model than in its configuration: $1",
       "report it with the log"},
      {"DatasetPathError[: ]*(.*)", LATHE_FAILED, "DX-COM does not find the folder with calibration pictures: $1",
       "in a container only the working folder is seen; leave calibration/ beside config.json"},
      {"NodeNotFoundError[: ]*(.*)", LATHE_FAILED, "DX-COM does not find a node that was named: $1", "it wants names of nodes, not of tensors"},
      {"UbuntuVersionError[: ]*(.*)", LATHE_UNSUPPORTED, "DX-COM does not run on this distribution: $1",
       "it wants Ubuntu 20.04 or newer, Debian 11 to 13, Fedora 42 to 45, RHEL or CentOS Stream 9 or 10"},
      {"LDDVersionError[: ]*(.*)", LATHE_UNSUPPORTED, "DX-COM wants another C library: $1", "glibc 2.31 or newer"},
      {"RamSizeError[: ]*(.*)", LATHE_UNSUPPORTED, "DX-COM wants more memory than this machine has: $1",
       "16 GB are wanted; --emit bundle prepares everything for another machine"},
      {"DiskSizeError[: ]*(.*)", LATHE_UNSUPPORTED, "DX-COM wants more room on the disk: $1", "8 GB are wanted where TMPDIR lies"},
      {"RequiredLibraryError[: ]*(.*)", LATHE_UNSUPPORTED, "DX-COM misses a library: $1",
       "it wants libGL, glib and make: libgl1, libglib2.0-0, make"},
      {"DataNotFoundError[: ]*(.*)", LATHE_FAILED, "DX-COM finds no calibration pictures: $1",
       "their extension's case counts; calibration/ lies beside config.json"},
      {"DataLoaderError[: ]*(.*)", LATHE_FAILED, "DX-COM cannot make the model's input of a calibration picture: $1",
       "the steps in config.json must yield the input's shape; report it with the log"},
      {"OSError[: ]*(.*)", LATHE_FAILED, "the system refuses DX-COM something: $1", "look at rights and room of the working folder"},
      {"MemoryError[: ]*(.*)", LATHE_BUDGET, "DX-COM ran out of memory: $1", "16 GB are wanted; --option opt-level=0 needs less"},
      {"unrecognized arguments: (.+)", LATHE_UNSUPPORTED, "this version of DX-COM does not know the arguments $1", "DX-COM 2.4 is known to serve"},
      {"(No module named .*)", LATHE_UNSUPPORTED, "the Python that DX-COM runs in is incomplete: $1",
       "a virtual environment of its own: --option environment=FOLDER"},
      {"^Killed$", LATHE_BUDGET, "DX-COM was killed, mostly because memory ran out", "16 GB are wanted; --option opt-level=0 needs less"},
      {"(CUDA out of memory.*)", LATHE_BUDGET, "DX-COM ran out of the graphics card's memory: $1", "--option quantization-device=cpu"},
  };
}

std::vector<std::string> dxcom_arguments(const Choices& c) {
  std::vector<std::string> all;
  const auto add = [&](std::initializer_list<std::string> words) { all.insert(all.end(), words); };
  if (c.checkpoint.empty())
    add({"-m", "model.onnx", "-c", "config.json"});
  else
    add({"--checkpoint", "model.qxnn"});
  add({"-o", "out", "--opt_level", c.opt_level, "--gen_log"});
  if (!c.checkpoint.empty() && c.recalibration != "none") add({"--recalibration_method", c.recalibration, "--dataset_path", "calibration"});
  if (c.aggressive) add({"--aggressive_partitioning"});
  if (c.float64) add({"--float64_calibration"});
  if (c.tuned) add({"--use_q_pro"});
  if (c.diagnosis) add({"--quant_diagnosis"});
  return all;
}

}  // namespace lathe::deepx
