// Writes what the fuzzers start from: fuzz_checkpoint_seeds FOLDER makes FOLDER/zip and FOLDER/pickle.
#include <filesystem>
#include <fstream>

#include "small_checkpoint.hpp"

using namespace lathe::ultralytics::test;

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::filesystem::path folder = argv[1];
  int count = 0;
  const auto write = [&](const char* kind, const std::string& bytes) {
    std::filesystem::create_directories(folder / kind);
    std::ofstream(folder / kind / std::to_string(count++), std::ios::binary) << bytes;
  };
  SmallCheckpoint small;
  write("zip", small.file());
  write("pickle", small.pickle());
  small.deflated = true;
  small.members = {{"best/version", "3\n"}};
  write("zip", small.file());
  small.weight =
      global("torch._utils", "_rebuild_tensor_v3") +
      tuple({storage("HalfStorage", "0", 108), integer(0), integers({4, 3, 3, 3}), integers({27, 1, 9, 3}), no, none, global("torch", "float16")}) +
      "R";
  small.arguments = global("argparse", "Namespace") + ")\x81}" + text("imgsz") + integer(32) + "sb";
  write("pickle", small.pickle());
  small.arguments =
      dictionary({{"p", global("pathlib", "PosixPath") + tuple({text("/"), text("runs")}) + "R"},
                  {"n", global("numpy.core.multiarray", "scalar") +
                            tuple({global("numpy", "dtype") + tuple({text("f8"), no, yes}) + "R", "C\x08" + std::string(8, '\0')}) + "R"}});
  write("pickle", small.pickle());
  // Every instruction once, protocols 0 to 5; each piece leaves one value, which is dropped.
  using namespace std::string_literals;
  std::string every = "\x80\x05"s;
  for (const std::string& piece : {"\x95\0\0\0\0\0\0\0\0N"s,
                                   "\x88"s,
                                   "\x89"s,
                                   "I1\n"s,
                                   "L2L\n"s,
                                   "J\1\0\0\0"s,
                                   "K\1"s,
                                   "M\1\0"s,
                                   "\x8a\1\1"s,
                                   "\x8b\1\0\0\0\1"s,
                                   "F1.5\n"s,
                                   "G\0\0\0\0\0\0\0\0"s,
                                   "S'a'\n"s,
                                   "Vb\n"s,
                                   "T\1\0\0\0c"s,
                                   "U\1d"s,
                                   "X\1\0\0\0e"s,
                                   "\x8c\1g"s,
                                   "\x8d\1\0\0\0\0\0\0\0g"s,
                                   "B\1\0\0\0h"s,
                                   "C\1i"s,
                                   "\x8e\1\0\0\0\0\0\0\0j"s,
                                   "\x96\1\0\0\0\0\0\0\0k"s,
                                   ")"s,
                                   "]Na"s,
                                   "](NNe"s,
                                   "}NNs"s,
                                   "}(NNu"s,
                                   "\x8f(N\x90"s,
                                   "(Nt"s,
                                   "N\x85"s,
                                   "NN\x86"s,
                                   "NNN\x87"s,
                                   "(Nl"s,
                                   "(NNd"s,
                                   "(N\x91"s,
                                   "ca\nb\n"s,
                                   "\x8c\1m\x8c\1n\x93"s,
                                   "ca\nb\n)R"s,
                                   "ca\nb\n)\x81}b"s,
                                   "ca\nb\n)}\x92"s,
                                   "(Nia\nb\n"s,
                                   "(ca\nb\no"s,
                                   "P1\n"s,
                                   "K\1Q"s,
                                   "Np0\n"s,
                                   "Nq\1"s,
                                   "Nr\2\0\0\0"s,
                                   "N\x94"s,
                                   "g0\n"s,
                                   "h\1"s,
                                   "j\2\0\0\0"s,
                                   "N20"s,
                                   "N(N1"s})
    every += piece + "0";
  write("pickle", every + "N.");
}
