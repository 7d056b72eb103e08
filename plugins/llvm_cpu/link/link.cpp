// Command lines for LLD, which reads the objects from memory files and writes where it is told. LLD keeps global state: one link at a time.
#include "link/link.hpp"

#include <fcntl.h>
#include <lld/Common/Driver.h>
#include <llvm/ADT/SmallVector.h>
#include <llvm/Config/llvm-config.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/Module.h>
#include <llvm/Object/Archive.h>
#include <llvm/Object/ArchiveWriter.h>
#include <llvm/Support/MemoryBuffer.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <filesystem>
#include <mutex>

#include "generate/compile.hpp"
#include "generate/target_machine.hpp"
#include "lathe/artifact.h"
#include "lathe/support.hpp"
#include "target.hpp"

LLD_HAS_DRIVER(elf)

#if LLVM_VERSION_MAJOR < 20
// LLD 19 as a library leaves these symbols behind, those that a static executable had above all, and writes through them when it links the
// next file, where nothing sets them anew.
namespace lld::elf {
class Defined;
struct ElfSym {
  static Defined *relaIpltStart, *relaIpltEnd, *globalOffsetTable, *tlsModuleBase, *riscvGlobalPointer;
};
}  // namespace lld::elf
#endif

namespace lathe::llvm_cpu {
namespace {

constexpr uint64_t page = 4096;

void write_all(int file, const void* bytes, uint64_t size, const std::string& path) {
  const char* from = static_cast<const char*>(bytes);
  while (size > 0) {
    const ssize_t n = ::write(file, from, size < (1u << 30) ? size : 1u << 30);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw sdk::Failure(LATHE_FAILED, "cannot write " + path + ": " + std::strerror(errno));
    from += n;
    size -= static_cast<uint64_t>(n);
  }
}

// A file in memory, reachable by a path.
class MemoryFile {
 public:
  explicit MemoryFile(std::span<const char> bytes) : file_(memfd_create("lathe-objects", MFD_CLOEXEC)) {
    if (file_ < 0) throw sdk::Failure(LATHE_FAILED, std::string("cannot make a file in memory: ") + std::strerror(errno));
    write_all(file_, bytes.data(), bytes.size(), path());
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { close(file_); }
  std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

 private:
  int file_;
};

void run_linker(const std::vector<std::string>& words, const std::string& what) {
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  std::vector<const char*> arguments;
  for (const std::string& word : words) arguments.push_back(word.c_str());
  std::string said, complaints;
  llvm::raw_string_ostream out(said), err(complaints);
#if LLVM_VERSION_MAJOR < 20
  using lld::elf::ElfSym;
  for (lld::elf::Defined** symbol :
       {&ElfSym::relaIpltStart, &ElfSym::relaIpltEnd, &ElfSym::globalOffsetTable, &ElfSym::tlsModuleBase, &ElfSym::riscvGlobalPointer})
    *symbol = nullptr;
#endif
  const lld::Result result = lld::lldMain(arguments, out, err, {{lld::Gnu, &lld::elf::link}});
  if (result.retCode != 0) throw sdk::Failure(LATHE_INTERNAL, "linking " + what + " failed: " + err.str().substr(0, 2000));
}

// Appends weights, page-aligned, and the trailer that says where they are.
void append_weights(const std::string& path, std::span<const uint8_t> weights) {
  const int file = open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (file < 0) throw sdk::Failure(LATHE_FAILED, "cannot write " + path + ": " + std::strerror(errno));
  struct Closer {
    int file;
    ~Closer() { close(file); }
  } closer{file};
  const off_t code = lseek(file, 0, SEEK_END);
  const uint64_t padding = (page - static_cast<uint64_t>(code) % page) % page;
  const std::vector<char> zeros(padding);
  write_all(file, zeros.data(), zeros.size(), path);
  write_all(file, weights.data(), weights.size(), path);
  lathe_artifact_trailer trailer{static_cast<uint64_t>(code) + padding, weights.size(), 0, {'L', 'A', 'T', 'H', 'E', 'w', 't', '1'}};
  write_all(file, &trailer, sizeof trailer, path);
}

std::string family_folder(const Machine& machine, const std::string& data) { return data + "/" + family_of(machine).name; }

std::vector<std::string> common_words(const std::string& path) {
  return {"ld.lld", "-o", path, "--build-id=none", "-z", "noexecstack", "-z", "relro", "-z", "now", "--hash-style=sysv", "--threads=1"};
}

// Objects under the names part0.o, part1.o, ...; the names live in `names`.
std::vector<llvm::NewArchiveMember> members_of(const Objects& objects, std::deque<std::string>& names) {
  std::vector<llvm::NewArchiveMember> members;
  for (size_t i = 0; i < objects.size(); ++i) {
    names.push_back("part" + std::to_string(i) + ".o");
    members.emplace_back(llvm::MemoryBufferRef(llvm::StringRef(objects[i].data(), objects[i].size()), names.back()));
  }
  return members;
}

std::vector<char> archive_of(const std::vector<llvm::NewArchiveMember>& members) {
  auto archive = llvm::writeArchiveToBuffer(members, llvm::SymtabWritingMode::NormalSymtab, llvm::object::Archive::K_GNU, /*Deterministic=*/true,
                                            /*Thin=*/false);
  if (!archive) throw sdk::Failure(LATHE_INTERNAL, "an archive cannot be written: " + llvm::toString(archive.takeError()));
  return {(*archive)->getBufferStart(), (*archive)->getBufferEnd()};
}

std::vector<char> archive_of(const Objects& objects) {
  std::deque<std::string> names;
  return archive_of(members_of(objects, names));
}

}  // namespace

void link_library(const Objects& objects, std::span<const uint8_t> weights, const Machine& machine, const std::string& data, const std::string& path,
                  const std::string& soname) {
  const MemoryFile archive(archive_of(objects));
  const std::string folder = family_folder(machine, data);
  std::vector<std::string> words = common_words(path);
  // Relative relocations are also applied in the file, so that a runtime can read the table without loading the library.
  for (const std::string& word : {std::string("-shared"), std::string("--apply-dynamic-relocs"), "-soname=" + soname, std::string("-z"),
                                  std::string("defs"), std::string("--whole-archive"), archive.path(), std::string("--no-whole-archive"),
                                  std::string("--as-needed"), folder + "/libm.so.6", folder + "/libc.so.6"})
    words.push_back(word);
  run_linker(words, "the library");
  append_weights(path, weights);
}

void link_executable(const Objects& objects, std::span<const uint8_t> weights, const Machine& machine, const std::string& data,
                     const std::string& path) {
  const std::string folder = family_folder(machine, data);
  if (!std::filesystem::exists(folder + "/crt1.o"))
    throw sdk::Failure(
        LATHE_UNSUPPORTED,
        std::string("executables cannot be made for ") + family_of(machine).device + ": this plugin was built without that family's C library",
        "use --emit library, or build Lathe where the family's cross packages are installed");
  const MemoryFile archive(archive_of(objects));
  std::vector<std::string> words = common_words(path);
  for (const std::string& word : {std::string("-static"), folder + "/crt1.o", folder + "/crti.o", folder + "/crtbeginT.o", folder + "/program.o",
                                  std::string("--whole-archive"), archive.path(), std::string("--no-whole-archive"), folder + "/liblathe_runtime.a",
                                  std::string("--start-group"), folder + "/libm.a", folder + "/libc.a", folder + "/libgcc.a", folder + "/libgcc_eh.a",
                                  std::string("--end-group"), folder + "/crtend.o", folder + "/crtn.o"})
    words.push_back(word);
  run_linker(words, "the executable");
  append_weights(path, weights);
}

void link_object(const Objects& objects, const std::string& path) {
  const MemoryFile archive(archive_of(objects));
  run_linker({"ld.lld", "-r", "-o", path, "--whole-archive", archive.path(), "--threads=1"}, "the object");
}

std::vector<char> weights_object(std::span<const uint8_t> weights, const Machine& machine) {
  llvm::LLVMContext context;
  llvm::Module module("lathe_weights", context);
  const auto target = make_target_machine(machine, GenerateOptions{}.level);
  prepare_module(module, machine, *target);
  auto* bytes = llvm::ConstantDataArray::get(context, llvm::ArrayRef<uint8_t>(weights.data(), weights.size()));
  auto* global = new llvm::GlobalVariable(module, bytes->getType(), true, llvm::GlobalValue::ExternalLinkage, bytes, "lathe_weights_1");
  global->setAlignment(llvm::Align(page));
  global->setSection(".rodata.lathe_weights");
  return generate_code(module, *target, CodeForm::object);
}

std::vector<char> make_static_library(const Objects& objects, const Machine& machine, const std::string& data) {
  const std::string path = family_folder(machine, data) + "/liblathe_runtime.a";
  auto file = llvm::MemoryBuffer::getFile(path);
  if (!file) throw sdk::Failure(LATHE_UNSUPPORTED, "static libraries cannot be made: cannot read " + path + ": " + file.getError().message());
  auto runtime = llvm::object::Archive::create((*file)->getMemBufferRef());
  if (!runtime) throw sdk::Failure(LATHE_INTERNAL, path + " is no archive: " + llvm::toString(runtime.takeError()));
  std::deque<std::string> names;
  std::vector<llvm::NewArchiveMember> members = members_of(objects, names);
  llvm::Error error = llvm::Error::success();
  for (const auto& child : (*runtime)->children(error)) {
    auto member = llvm::NewArchiveMember::getOldMember(child, /*Deterministic=*/true);
    if (!member) throw sdk::Failure(LATHE_INTERNAL, path + " is damaged: " + llvm::toString(member.takeError()));
    members.push_back(std::move(*member));
  }
  if (error) throw sdk::Failure(LATHE_INTERNAL, path + " is damaged: " + llvm::toString(std::move(error)));
  return archive_of(members);
}

std::string llvm_version() { return "LLVM " LLVM_VERSION_STRING; }

}  // namespace lathe::llvm_cpu
