// Pieces of a plugin's snapshot as the core's own data, each checked before it is believed. Everything throws Error(failed): a plugin
// passes on what stands in a model file, so a wrong index or count is a wrong model until shown otherwise.
#pragma once
#include <memory>

#include "core/plugin/plugins.hpp"

namespace lathe {

// Reads one graph's arrays; nothing outside announced counts is touched.
class SnapshotReader {
 public:
  SnapshotReader(const lathe_graph& graph, std::shared_ptr<const void> owner, int depth = 0);

  Graph graph() const;

  static std::string text(const lathe_string& s, const char* what, bool utf8 = true);
  Value value(const lathe_value& from) const;  // without its constant
  Tensor tensor(const lathe_tensor& from, const std::string& what) const;
  Tensor tensor(uint32_t index, const std::string& what) const;
  // `from` was copied (copy_struct), its attributes are read with their stride.
  Node node(const lathe_node& from) const;
  std::pair<std::string, Attribute> attribute(const lathe_attribute& from, const Node& node) const;

 private:
  const lathe_graph graph_;
  std::shared_ptr<const void> owner_;
  int depth_;
};

}  // namespace lathe
