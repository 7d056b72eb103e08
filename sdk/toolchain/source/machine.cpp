// Whether this machine is one that a tool runs on, before it is started for nothing.
#include <gnu/libc-version.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "lathe/toolchain.hpp"

namespace lathe::sdk {
namespace {

std::string gibibytes(uint64_t bytes) { return std::to_string(bytes >> 30) + "." + std::to_string((bytes >> 20) % 1024 * 10 / 1024) + " GiB"; }

[[noreturn]] void refuse(const ToolDescription& description, std::string text, std::string expected, std::string found) {
  Diagnostic d;
  d.text = description.name + (" " + std::move(text));
  d.expected = std::move(expected), d.found = std::move(found);
  d.hint = "--emit bundle writes a folder to run on a machine that serves";
  throw Failure(LATHE_UNSUPPORTED, std::move(d));
}

}  // namespace

void check_machine(const Host& host, const ToolDescription& description, const std::string& folder) {
  utsname names = {};
  if (description.machine && ::uname(&names) == 0 && std::string_view(names.machine) != description.machine)
    refuse(description, "does not run on this kind of machine", description.machine, names.machine);
  if (description.lowest_glibc) {
    const ToolVersion here = ToolVersion::parse(::gnu_get_libc_version());
    if (here.compare(ToolVersion::parse(description.lowest_glibc)) < 0)
      refuse(description, "wants a newer C library than this system's", std::string("glibc ") + description.lowest_glibc, here.text());
  }
  struct statvfs disk = {};
  if (description.disk_bytes && ::statvfs(folder.c_str(), &disk) == 0) {
    const uint64_t room = static_cast<uint64_t>(disk.f_bavail) * disk.f_frsize;
    if (room < description.disk_bytes)
      refuse(description, "wants more room than '" + folder + "' has", gibibytes(description.disk_bytes), gibibytes(room));
  }
  const auto pages = ::sysconf(_SC_PHYS_PAGES), page = ::sysconf(_SC_PAGESIZE);
  if (description.memory_bytes && pages > 0 && page > 0) {
    const uint64_t memory = static_cast<uint64_t>(pages) * static_cast<uint64_t>(page);
    if (memory < description.memory_bytes)
      host.warn(std::string(description.name) + " wants " + gibibytes(description.memory_bytes) + " of memory, and this machine has " +
                gibibytes(memory) + ": it may be slow or be killed");
  }
}

}  // namespace lathe::sdk
