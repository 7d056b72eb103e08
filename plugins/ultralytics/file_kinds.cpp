// See file_kinds.hpp.
#include "file_kinds.hpp"

#include <lathe/plugin.hpp>

#include "values.hpp"

namespace lathe::ultralytics {
namespace {

using namespace std::string_view_literals;

struct FileKind {
  size_t offset;
  std::string_view magic;
  const char* text;
  const char* hint;
};
constexpr FileKind kinds[] = {
    // torch.save before PyTorch 1.6: a pickle whose first value is PyTorch's number 0x1950a86a20f9469cfc6c (torch/serialization.py).
    {2, "\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19."sv, "this is a checkpoint in PyTorch's old form (before version 1.6), which is not read",
     "load and save it once with a newer PyTorch: torch.save writes the zip form"},
    {0, "7z\xbc\xaf\x27\x1c"sv, "this is a 7z archive and no checkpoint", "unpack it first"},
    {0, "\x1f\x8b"sv, "this is a gzip file and no checkpoint", "unpack it first"},
    {0, "\xfd\x37zXZ\0"sv, "this is an xz file and no checkpoint", "unpack it first"},
    {0, "BZh"sv, "this is a bzip2 file and no checkpoint", "unpack it first"},
    {0, "\x28\xb5\x2f\xfd"sv, "this is a Zstandard file and no checkpoint", "unpack it first"},
    {0, "Rar!"sv, "this is a RAR archive and no checkpoint", "unpack it first"},
    {257, "ustar"sv, "this is a tar archive and no checkpoint", "unpack it first"},
    {0, "\x89HDF\r\n\x1a\n"sv, "this is an HDF5 file (Keras's weights, mostly) and no checkpoint of PyTorch",
     "export the network to ONNX and name that file"},
    {4, "TFL3"sv, "this is a TensorFlow Lite model and no checkpoint", "give it the extension .tflite"},
    {8, "{\""sv, "this is a safetensors file, which holds weights and does not say how the network is wired", "name the .pt file that was trained"},
    {0, "\x08\x03\x12"sv, "this may be an ONNX model, and is no checkpoint", "give it the extension .onnx"},
    {0, "\x93NUMPY"sv, "this is a numpy array and no checkpoint", ""},
    {0,
     "\x7f"
     "ELF"sv,
     "this is a program or library and no checkpoint", ""},
    {0, "PK\5\6"sv, "this is an empty zip file and no checkpoint", ""},
    {0, "PK\7\10"sv, "this is a part of a zip file in several parts and no checkpoint", ""},
    {0, "version https://git-lfs"sv, "this is a pointer of Git LFS and not the checkpoint itself", "fetch it with `git lfs pull`"},
    {0, "<"sv, "this is a web page and no checkpoint", "download the file itself"},
    {0, "{"sv, "this is a JSON text and no checkpoint", "download the file itself"},
};

[[noreturn]] void refuse(const std::string& path, std::string text, std::string hint) {
  sdk::Diagnostic d;
  d.text = std::move(text);
  d.location = path;
  d.hint = std::move(hint);
  throw sdk::Failure(LATHE_FAILED, std::move(d));
}

}  // namespace

std::string_view expect_zip(std::string_view bytes, const std::string& path) {
  if (bytes.substr(0, 4) == "PK\3\4") return bytes;
  for (const FileKind& kind : kinds)
    if (bytes.size() > kind.offset && bytes.substr(kind.offset, kind.magic.size()) == kind.magic) refuse(path, kind.text, kind.hint);
  if (bytes.size() > 2 && bytes[0] == '\x80' && static_cast<unsigned char>(bytes[1]) <= 5)
    refuse(path, "this is a pickle without the zip file around it, and no checkpoint that PyTorch 1.6 or later wrote",
           "load and save it once with a newer PyTorch: torch.save writes the zip form");
  if (bytes.find_first_not_of('\0') == std::string_view::npos)
    refuse(path, "the file holds nothing but zeros", "it was probably reserved and never written: download or copy it again");
  refuse(path, "this is no checkpoint of PyTorch: it does not begin as a zip file does", "name a file that torch.save or Ultralytics wrote");
}

void refuse_zip_without_pickle(const ZipFile& zip, const std::string& path) {
  const auto ends = [](std::string_view name, std::string_view end) {
    return name.size() >= end.size() && name.substr(name.size() - end.size()) == end;
  };
  for (const ZipFile::Member& member : zip.members())
    for (const std::string_view end : {".pt", ".pth"})
      if (ends(member.name, end))
        refuse(path, "this zip file is no checkpoint but holds one: '" + printable(member.name, 200) + "'", "unpack it first");
  const std::string first = zip.members().empty() ? "nothing" : "'" + printable(zip.members().front().name, 100) + "'";
  const size_t count = zip.members().size();
  refuse(
      path,
      "this zip file is no PyTorch checkpoint: it holds no data.pkl, but " + first + (count > 1 ? " and " + std::to_string(count - 1) + " more" : ""),
      "name a file that torch.save or Ultralytics wrote");
}

}  // namespace lathe::ultralytics
