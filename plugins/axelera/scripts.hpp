// The files that axcompile is given beside the model, and the small program
// that judges and packs what it leaves.
#pragma once
#include <lathe/backend.h>

#include <cstdint>
#include <string>

namespace lathe::axelera {

// prep.py: from a calibration picture, which lies there fitted to the input's
// size, to the input.
std::string transform_script(const lathe_preprocessing& preprocessing);

struct Config {
  std::string scheme;  // quantization_scheme; empty: axcompile's own choice
  int64_t cores = 1, tiling_depth = 0;
  double resources = 0;  // share of the device's memory, a multiple of 0.25; 0:
                         // axcompile's own choice
  bool single_file = true;
};
// conf.json; keys by the version of the SDK, since older ones know fewer and
// other names. `modern`: 1.6 or newer, or not known.
std::string config_json(const Config& config, bool modern);

// check.py: prints the versions of axelera-devkit, axelera-rt, Python and torch that stand beside axcompile, what does not go together, and puts
// conf_old.json, where there is one, in conf.json's place for an SDK before 1.6. `board`: the version of the runtime there; empty: not said.
std::string check_script(const std::string& board);

// pack.py: reads out/compilation_report.json, prints its status as "axcompile
// status: WORD" or, when it succeeded, makes `artifact`: the .axm file, or a
// zip file of compiled_model/.
std::string pack_script(bool single_file);
std::string artifact_name(bool single_file);

}  // namespace lathe::axelera
