// Everything that is wrong with one file, so that a person hears all of it at once.
#pragma once
#include <lathe/plugin.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::onnx_plugin {

class Problems {
 public:
  bool empty() const { return count_ == 0; }
  void add(sdk::Diagnostic problem) {
    if (++count_ <= most_told_) told_.push_back(std::move(problem));
  }
  // Leaves with all of them, if there are any.
  void throw_if_any() {
    if (empty()) return;
    if (count_ > most_told_) told_.back().text += "; and " + std::to_string(count_ - most_told_) + " more problems";
    throw sdk::Failure(LATHE_FAILED, std::move(told_));
  }

 private:
  static constexpr size_t most_told_ = 50;
  size_t count_ = 0;
  std::vector<sdk::Diagnostic> told_;
};

// A name from the file for use in a sentence: quoted, bytes that are no printable UTF-8 replaced, long ones shortened.
std::string quoted(std::string_view name);

bool is_utf8(std::string_view text);

}  // namespace lathe::onnx_plugin
