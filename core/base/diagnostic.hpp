// What is said to the person, and the one exception type of the core.
#pragma once
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

enum class Severity : int32_t { note = 0, warning = 1, error = 2 };

// Exit codes of the program, which are also the codes of the plugin boundary (lathe/plugin.h).
enum class Code : int32_t { ok = 0, failed = 1, usage = 2, unsupported = 3, disagrees = 4, internal = 5, budget = 6, interrupted = 130 };

// One thing to tell: what is wrong, where, what was expected, what was found, what to do next. Empty fields are left out when printed.
struct Diagnostic {
  Severity severity = Severity::error;
  std::string text = {};      // one sentence
  std::string node = {};      // the node's name in the model
  std::string op_type = {};   // its operator
  std::string location = {};  // file, "file:line:column", or a tensor's name
  std::string expected = {};
  std::string found = {};
  std::string hint = {};  // the next step

  // "error: node 'Conv_3' (Conv): text; expected ..., found ... (hint)", without colour or newline.
  std::string sentence() const;
};

// Thrown inside the core; caught at the C boundary and in main. Carries every problem found, not only the first.
class Error : public std::exception {
 public:
  Error(Code code, Diagnostic diagnostic);
  Error(Code code, std::vector<Diagnostic> diagnostics);
  Error(Code code, std::string text, std::string hint = {});
  const char* what() const noexcept override;

  Code code;
  std::vector<Diagnostic> diagnostics;  // at least one

 private:
  std::string what_;
};

// The candidate nearest to `word` by edit distance without regard to case, or "" when none is near enough to be meant.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

// ", did you mean 'x'?" or "".
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace lathe
