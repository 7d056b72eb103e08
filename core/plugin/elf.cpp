// Reading ELF through the section headers, which every library that a linker wrote has.
#include "core/plugin/elf.hpp"

#include <elf.h>

#include <cstring>
#include <optional>

#include "core/base/diagnostic.hpp"
#include "core/base/mapped_file.hpp"

namespace lathe {
namespace {

class File {
 public:
  explicit File(const std::string& path) : path_(path), bytes_(map_file(path)) {}

  [[noreturn]] void fail(std::string text, std::string hint = {}) const {
    Diagnostic d;
    d.text = std::move(text);
    d.location = path_;
    d.hint = std::move(hint);
    throw Error(Code::failed, d);
  }
  uint64_t size() const { return bytes_.size; }
  template <class T>
  T at(uint64_t offset) const {
    if (offset > bytes_.size || bytes_.size - offset < sizeof(T)) fail("the library is damaged: a table lies outside the file");
    T value;
    std::memcpy(&value, bytes_.data + offset, sizeof value);
    return value;
  }
  std::string text(const Elf64_Shdr& strings, uint64_t index) const {
    if (index >= strings.sh_size || strings.sh_offset > bytes_.size || strings.sh_size > bytes_.size - strings.sh_offset) {
      fail("the library is damaged: a name lies outside its table");
    }
    const char* begin = reinterpret_cast<const char*>(bytes_.data + strings.sh_offset + index);
    return std::string(begin, strnlen(begin, strings.sh_size - index));
  }

 private:
  std::string path_;
  Bytes bytes_;
};

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  size_t begin = 0;
  while (begin <= list.size()) {
    const size_t end = std::min(list.find(':', begin), list.size());
    parts.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

}  // namespace

ElfLibrary read_elf(const std::string& path) {
  const File file(path);
  if (file.size() < sizeof(Elf64_Ehdr) || std::memcmp(file.at<Elf64_Ehdr>(0).e_ident, ELFMAG, SELFMAG) != 0) file.fail("it is no shared library");
  const auto header = file.at<Elf64_Ehdr>(0);
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB) {
    file.fail("the library is not for a 64-bit little-endian machine", "build it for " + machine_name(host_machine()));
  }
  if (header.e_type != ET_DYN || header.e_shentsize != sizeof(Elf64_Shdr)) file.fail("it is an ELF file, but no shared library");

  ElfLibrary library;
  library.machine = header.e_machine;
  auto section = [&](uint64_t index) {
    if (index >= header.e_shnum) file.fail("the library is damaged: a section that is not there is referred to");
    return file.at<Elf64_Shdr>(header.e_shoff + index * sizeof(Elf64_Shdr));
  };
  for (unsigned i = 0; i < header.e_shnum; ++i) {
    const Elf64_Shdr s = section(i);
    if (s.sh_type == SHT_DYNSYM) {
      const Elf64_Shdr strings = section(s.sh_link);
      for (uint64_t k = 1; k < s.sh_size / sizeof(Elf64_Sym); ++k) {
        const auto symbol = file.at<Elf64_Sym>(s.sh_offset + k * sizeof(Elf64_Sym));
        const unsigned binding = ELF64_ST_BIND(symbol.st_info);
        if (binding == STB_LOCAL) continue;
        library.symbols.push_back({file.text(strings, symbol.st_name), symbol.st_shndx != SHN_UNDEF, binding == STB_GNU_UNIQUE, binding == STB_WEAK});
      }
    } else if (s.sh_type == SHT_DYNAMIC) {
      const Elf64_Shdr strings = section(s.sh_link);
      for (uint64_t k = 0; k < s.sh_size / sizeof(Elf64_Dyn); ++k) {
        const auto entry = file.at<Elf64_Dyn>(s.sh_offset + k * sizeof(Elf64_Dyn));
        if (entry.d_tag == DT_NULL) break;
        if (entry.d_tag == DT_NEEDED) library.needed.push_back(file.text(strings, entry.d_un.d_val));
        if (entry.d_tag == DT_RUNPATH || entry.d_tag == DT_RPATH) library.runpath = split(file.text(strings, entry.d_un.d_val));
      }
    }
  }
  return library;
}

std::string machine_name(unsigned machine) {
  switch (machine) {
    case EM_X86_64:
      return "x86-64";
    case EM_AARCH64:
      return "AArch64";
    case EM_RISCV:
      return "RISC-V";
    default:
      return "machine " + std::to_string(machine);
  }
}

unsigned host_machine() {
#if defined(__x86_64__)
  return EM_X86_64;
#elif defined(__aarch64__)
  return EM_AARCH64;
#elif defined(__riscv)
  return EM_RISCV;
#else
  return EM_NONE;
#endif
}

std::string wanted_sanitizer(const ElfLibrary& library) {
  for (const ElfSymbol& s : library.symbols) {
    if (s.defined) continue;
    if (s.name == "__asan_init") return "address";
    if (s.name == "__tsan_init") return "thread";
    if (s.name == "__msan_init") return "memory";
  }
  return "none";
}

}  // namespace lathe
