// Writing files so that a full disk or a missing folder becomes a sentence and never half a file.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace lathe {

// Writes the whole file, replacing an older one by rename; nothing is left behind on failure. Throws Error(failed).
void write_file(const std::string& path, std::span<const std::byte> bytes);
void write_file(const std::string& path, std::string_view text);

// Reads a small text file (at most `limit` bytes). Throws Error(failed).
std::string read_text_file(const std::string& path, size_t limit = 64u << 20);

// "the disk is full", "permission denied", ...: the reason for an errno as the rest of a sentence, and what to do about it.
struct SystemProblem {
  std::string reason, hint;
};
SystemProblem explain_errno(int error);

// Throws Error(failed): "cannot WHAT 'PATH': REASON".
[[noreturn]] void fail_errno(std::string_view what, const std::string& path, int error);

// A tensor's name as a file name: characters a file name cannot hold (and '.' in front) become '_'.
std::string safe_file_name(std::string_view name);

}  // namespace lathe
