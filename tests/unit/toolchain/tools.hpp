// Stand-in tools for these tests: shell scripts in folders of their own.
#pragma once
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <string>

#include "lathe/toolchain.hpp"

namespace lathe::test {

struct Folder {
  sdk::ScratchFolder scratch;
  const std::string& path = scratch.path();

  // Writes an executable shell script; its absolute path.
  std::string program(const std::string& name, const std::string& script) const {
    const std::string file = path + "/" + name;
    std::ofstream(file) << "#!/bin/sh\n" << script << "\n";
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
    return file;
  }
  void folder(const std::string& name) const { std::filesystem::create_directory(path + "/" + name); }
  std::string text(const std::string& name) const {
    std::ifstream file(path + "/" + name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
};

// An environment variable for as long as this object lives.
class Variable {
 public:
  Variable(std::string name, const std::string& value) : name_(std::move(name)) {
    if (const char* old = std::getenv(name_.c_str())) old_ = old;
    ::setenv(name_.c_str(), value.c_str(), 1);
  }
  ~Variable() { old_ ? ::setenv(name_.c_str(), old_->c_str(), 1) : ::unsetenv(name_.c_str()); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  std::string name_;
  std::optional<std::string> old_;
};

// The parts of the sentence that a call ended with; empty when it did not fail.
inline std::string failure_of(const std::function<void()>& call, lathe_code* code = nullptr) {
  try {
    call();
  } catch (const sdk::Failure& failure) {
    if (code) *code = failure.code;
    if (failure.diagnostics.empty()) return "(reported)";
    const sdk::Diagnostic& d = failure.diagnostics.front();
    return d.text + "; expected " + d.expected + "; found " + d.found + "; " + d.location + "; " + d.hint;
  }
  return {};
}

}  // namespace lathe::test
