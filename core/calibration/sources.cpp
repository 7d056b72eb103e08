// See sources.hpp.
#include "core/calibration/sources.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>

#include "core/base/diagnostic.hpp"
#include "core/base/parallel.hpp"
#include "core/base/sha256.hpp"
#include "core/files/write_file.hpp"

namespace lathe {
namespace {
namespace fs = std::filesystem;

constexpr size_t most_files = 1'000'000;
constexpr std::array picture_extensions = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".jp2", ".ppm", ".pgm", ".pnm"};

[[noreturn]] void bad(const std::string& place, std::string text, std::string hint) {
  Diagnostic d;
  d.text = std::move(text), d.location = place, d.hint = std::move(hint);
  throw Error(Code::failed, std::move(d));
}

std::string extension(const fs::path& path) {
  std::string text = path.extension().string();
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return text;
}

bool is_picture(const fs::path& path) {
  return std::find(picture_extensions.begin(), picture_extensions.end(), extension(path)) != picture_extensions.end();
}
bool is_array(const fs::path& path) { return extension(path) == ".npy" || extension(path) == ".npz"; }

// Every regular file below, sorted by path.
std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  fs::recursive_directory_iterator at(folder, error);
  for (; !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
    std::error_code ignored;
    if (at->is_regular_file(ignored)) files.push_back(at->path());
    if (files.size() > most_files)
      bad(folder.string(), "there are more than a million files below this folder", "name a folder of calibration data alone");
  }
  if (error) fail_errno("read the folder", folder.string(), error.value());
  std::sort(files.begin(), files.end());
  return files;
}

void add_folder(const fs::path& folder, std::vector<fs::path>& list) {
  std::vector<fs::path> files = files_below(folder), pictures, arrays;
  for (const fs::path& file : files) {
    if (is_picture(file)) pictures.push_back(file);
    if (extension(file) == ".npy") arrays.push_back(file);
  }
  if (pictures.empty() && arrays.empty())
    bad(folder.string(), "this folder holds no calibration data: neither pictures nor .npy files are in it or below it",
        "pictures are known by their extensions: .jpg, .png, .bmp, .webp, .tif, ...; links to folders are not followed");
  const std::vector<fs::path>& chosen = pictures.empty() ? arrays : pictures;
  list.insert(list.end(), chosen.begin(), chosen.end());
}

// A file that a list or a description names.
void add_named(const fs::path& path, const std::string& named_by, std::vector<fs::path>& list) {
  std::error_code error;
  if (fs::is_directory(path, error)) bad(named_by, "it names '" + path.string() + "', and that is a folder", "a list names files, one a line");
  if (!fs::is_regular_file(path, error))
    bad(named_by, "it names '" + path.string() + "', and there is no such file or folder",
        "relative paths count from the folder of the file that names them");
  list.push_back(path);
}

void add_list(const fs::path& file, std::vector<fs::path>& list) {
  std::string text = read_text_file(file.string());
  if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);  // the mark that Windows' editors begin a file with
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    at = end + 1;
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) line.pop_back();
    if (line.empty() || line[0] == '#') continue;
    add_named(file.parent_path() / line, file.string(), list);
    if (list.size() > most_files) bad(file.string(), "this list names more than a million files", "calibration wants hundreds");
  }
}

void add_path(const fs::path& path, const std::string& named_by, std::vector<fs::path>& list) {
  if (fs::is_directory(path)) return add_folder(path, list);
  if (extension(path) == ".txt" && fs::exists(path)) return add_list(path, list);
  add_named(path, named_by, list);
}

// "path", "train" and "val" as Ultralytics' data sets have them.
void add_description(const fs::path& file, std::vector<fs::path>& list) {
  YAML::Node root;
  try {
    root = YAML::Load(read_text_file(file.string(), 4u << 20));
  } catch (const YAML::Exception& problem) {
    bad(file.string(), std::string("this is no readable YAML: ") + problem.what(), "give a data set's description with 'path', 'train' and 'val'");
  }
  if (!root.IsMap()) bad(file.string(), "this YAML describes no data set", "it has keys 'path', 'train' and 'val'");
  fs::path base = file.parent_path();
  if (root["path"] && root["path"].IsScalar()) base /= root["path"].as<std::string>();
  for (const char* key : {"train", "val"}) {
    const YAML::Node part = root[key];
    if (!part || part.IsNull()) continue;
    std::vector<std::string> entries;
    if (part.IsScalar()) entries.push_back(part.as<std::string>());
    if (part.IsSequence())
      for (const YAML::Node& entry : part)
        if (entry.IsScalar()) entries.push_back(entry.as<std::string>());
    if (entries.empty()) bad(file.string(), std::string("its key '") + key + "' names nothing", "it is a path or a list of paths");
    for (const std::string& entry : entries) {
      if (!fs::exists(base) && base != file.parent_path())
        bad(file.string(), "its key 'path' leads to '" + base.string() + "', and there is no such folder",
            "it counts from the folder of this file; Ultralytics also looks in its own folder of data sets: write the path as absolute");
      add_path(base / entry, file.string(), list);
    }
    return;
  }
  bad(file.string(), "this description names no data: it has neither 'train' nor 'val'", "add one, or give the folder of pictures itself");
}

CalibrationSource random_source(const std::string& argument) {
  CalibrationSource source;
  source.kind = CalibrationSource::Kind::random, source.path = argument, source.count = 64, source.seed = 1;
  std::string_view rest = std::string_view(argument).substr(6);
  const auto number = [&](auto& to) {
    const std::string_view word = rest.substr(1, rest.find(':', 1) - 1);
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), to);
    if (error != std::errc() || end != word.data() + word.size())
      throw Error(Code::usage, "--calibration " + argument + ": '" + std::string(word) + "' is no number",
                  "write random, random:COUNT or random:COUNT:SEED");
    rest.remove_prefix(1 + word.size());
  };
  if (!rest.empty()) number(source.count);
  if (!rest.empty()) number(source.seed);
  if (!rest.empty() || source.count < 1 || source.count > 100'000)
    throw Error(Code::usage, "--calibration " + argument + " asks for no sensible number of random samples",
                "write random, random:COUNT or random:COUNT:SEED");
  source.sha256 = sha256("random " + std::to_string(source.count) + " " + std::to_string(source.seed));
  return source;
}

}  // namespace

const char* name(CalibrationSource::Kind kind) {
  static constexpr const char* names[] = {"none", "pictures", "arrays", "random"};
  return names[static_cast<int>(kind)];
}

CalibrationSource find_calibration(const std::string& argument, unsigned threads) {
  std::error_code error;
  const bool exists = fs::exists(argument, error);
  if (argument == "random" || argument.starts_with("random:")) {
    if (exists)
      throw Error(Code::usage, "--calibration " + argument + " could be the file of that name or random data",
                  "write ./" + argument + " for the file");
    return random_source(argument);
  }
  if (!exists) fail_errno("read the calibration data", argument, ENOENT);
  std::vector<fs::path> files;
  const fs::path path = fs::absolute(argument);
  if (fs::is_directory(path)) {
    add_folder(path, files);
  } else if (extension(path) == ".yaml" || extension(path) == ".yml") {
    add_description(path, files);
  } else if (extension(path) == ".txt") {
    add_list(path, files);
  } else if (is_picture(path) || is_array(path)) {
    files.push_back(path);
  } else {
    bad(argument, "this is no calibration data that is known",
        "give a folder of pictures, a list (.txt), .npy, .npz, or a data set's description (.yaml)");
  }
  if (files.empty()) bad(argument, "no calibration data are named here", "name pictures, or .npy files");
  const auto arrays = static_cast<size_t>(std::count_if(files.begin(), files.end(), is_array));
  if (arrays != 0 && arrays != files.size())
    bad(argument, "pictures and arrays are mixed: " + std::to_string(files.size() - arrays) + " and " + std::to_string(arrays),
        "give one of the two");

  CalibrationSource source;
  source.kind = arrays ? CalibrationSource::Kind::arrays : CalibrationSource::Kind::pictures;
  source.path = argument;
  source.files.resize(files.size());
  parallel_for(files.size(), threads, [&](size_t i) { source.files[i] = {sha256_of_file(files[i].string()), files[i].lexically_normal().string()}; });
  Sha256 all;
  for (const CalibrationFile& file : source.files) all.update(file.sha256 + "\n");
  source.sha256 = all.hex();
  return source;
}

}  // namespace lathe
