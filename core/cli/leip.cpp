// "category:NAME,key:value,..." as LEIP writes it.
#include "core/cli/leip.hpp"

#include <charconv>
#include <map>

#include "core/base/diagnostic.hpp"

namespace lathe::cli {
namespace {

constexpr const char* grammar = "write --optimization category:kernel,level:3 (level 1 to 4)";

std::map<std::string, std::string> parse_pairs(const std::string& argument) {
  std::map<std::string, std::string> pairs;
  for (size_t at = 0; at <= argument.size();) {
    size_t end = std::min(argument.find(',', at), argument.size());
    std::string part = argument.substr(at, end - at);
    size_t colon = part.find(':');
    if (colon == std::string::npos || colon == 0)
      throw Error(Code::usage, "--optimization " + argument + ": '" + part + "' is no key:value", grammar);
    pairs[part.substr(0, colon)] = part.substr(colon + 1);
    at = end + 1;
  }
  return pairs;
}

}  // namespace

LeipOptimization parse_leip_optimization(const std::vector<std::string>& arguments) {
  LeipOptimization result;
  for (const std::string& argument : arguments) {
    std::map<std::string, std::string> pairs = parse_pairs(argument);
    std::string category = pairs.count("category") ? pairs["category"] : "";
    if (category.empty()) throw Error(Code::usage, "--optimization " + argument + " names no category", grammar);
    if (category != "kernel") {
      std::string near = did_you_mean(category, {"kernel", "graph"});
      if (category == "graph" || near.empty())
        throw Error(Code::usage, "--optimization category:" + category + " is not there yet", "category:kernel is");
      throw Error(Code::usage, "--optimization has no category '" + category + "'" + near, grammar);
    }
    result.kernel_given = true;
    for (const auto& [key, value] : pairs) {
      if (key == "category") continue;
      if (key != "level") throw Error(Code::usage, "--optimization category:kernel has no key '" + key + "'" + did_you_mean(key, {"level"}), grammar);
      auto [stop, error] = std::from_chars(value.data(), value.data() + value.size(), result.kernel_level);
      if (error != std::errc() || stop != value.data() + value.size() || result.kernel_level < 1 || result.kernel_level > 4)
        throw Error(Code::usage, "--optimization category:kernel,level:" + value + ": the level is 1, 2, 3 or 4", grammar);
    }
  }
  return result;
}

}  // namespace lathe::cli
