// Names that must be unique in a graph.
#pragma once
#include <string>
#include <unordered_map>
#include <unordered_set>

namespace lathe::onnx_plugin {

class UniqueNames {
 public:
  bool taken(const std::string& name) const { return taken_.count(name) != 0; }
  // False when the name is taken already.
  bool take(const std::string& name) { return taken_.insert(name).second; }
  // `base`, or `base_1`, `base_2`, ... if that is taken; takes it.
  std::string make(const std::string& base) {
    if (take(base)) return base;
    for (uint64_t& n = next_[base];;) {
      std::string name = base + "_" + std::to_string(++n);
      if (take(name)) return name;
    }
  }

 private:
  std::unordered_set<std::string> taken_;
  std::unordered_map<std::string, uint64_t> next_;
};

}  // namespace lathe::onnx_plugin
