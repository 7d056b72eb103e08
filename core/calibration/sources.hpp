// What stands behind `--calibration DATA`: which files, in which order, by which content. Files are hashed here and decoded elsewhere
// (samples.hpp), in the process that may die of it.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace lathe {

struct CalibrationFile {
  std::string sha256;
  std::string path;  // absolute: a hint where to look
};

struct CalibrationSource {
  enum class Kind { none, pictures, arrays, random };
  Kind kind = Kind::none;
  std::string path;                    // as the person wrote it
  std::string sha256;                  // of the set: of its files' hashes in their order, or of what random data are made from
  std::vector<CalibrationFile> files;  // of pictures and arrays
  int64_t count = 0;                   // of random samples
  uint64_t seed = 0;
};

const char* name(CalibrationSource::Kind kind);  // "none", "pictures", "arrays", "random"

// `argument` is
//   a folder: its pictures and those of its subfolders, by path; a folder of .npy files and no pictures: these;
//   a picture, an .npy or an .npz file;
//   a list (.txt): one path a line, relative to the list's folder; empty lines and lines that begin with '#' are passed over;
//   a data set's description (.yaml): the folders, lists or files of its key "train", else "val", below its key "path";
//   "random", "random:COUNT", "random:COUNT:SEED": no data at all.
// Throws Error(failed): nothing is there, a named file is absent, pictures and arrays are mixed.
CalibrationSource find_calibration(const std::string& argument, unsigned threads);

}  // namespace lathe
