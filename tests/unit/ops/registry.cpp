// The tables agree: core's list of operators and the list of kernels that code-generating plugins build from.
#include <map>
#include <set>

#include "core/job/operator_probe.hpp"
#include "core/reference/host_operators.hpp"
#include "lathe/kernels/all.hpp"
#include "support.hpp"

using namespace lathe;

// What the engines run themselves.
static const std::set<std::string> without_kernel = {":If",
                                                     ":Loop",
                                                     ":Optional",
                                                     ":OptionalGetElement",
                                                     ":OptionalHasElement",
                                                     ":Scan",
                                                     ":ConcatFromSequence",
                                                     ":SequenceAt",
                                                     ":SequenceConstruct",
                                                     ":SequenceEmpty",
                                                     ":SequenceErase",
                                                     ":SequenceInsert",
                                                     ":SequenceLength",
                                                     ":SequenceMap",
                                                     ":SplitToSequence"};

TEST_CASE("every kernel belongs to an operator, and every operator but a few has one") {
  std::map<std::string, kernels::Kernel> listed;
#define LATHE_ROW(domain, name, function, shape) listed[domain ":" #name] = kernels::function;
  LATHE_KERNELS(LATHE_ROW)
#undef LATHE_ROW
  std::set<std::string> known;
  for (const Operator* op : operators()) {
    const std::string key = std::string(op->domain) + ":" + std::string(op->name);
    CAPTURE(key);
    CHECK(known.insert(key).second);
    CHECK(find_operator(op->domain, op->name) == op);
    CHECK(!op->versions.empty());
    CHECK(std::is_sorted(op->versions.begin(), op->versions.end()));
    if (host_operator(op->domain, op->name)) continue;
    if (without_kernel.contains(key)) {
      CHECK(!op->kernel);
      continue;
    }
    CHECK(listed.contains(key));
    CHECK(bool(listed[key] == op->kernel));
  }
  for (const auto& [key, kernel] : listed) CHECK_MESSAGE(known.contains(key), key);
}

TEST_CASE("lookup") {
  CHECK(find_operator("", "Conv") != nullptr);
  CHECK(find_operator("ai.onnx", "Conv") == find_operator("", "Conv"));
  CHECK(find_operator("", "conv") == nullptr);
  CHECK(find_operator("com.example", "Conv") == nullptr);
}

TEST_CASE("every operator has a typical use, by which targets are asked whether they take it") {
  for (const Operator* op : operators()) {
    CAPTURE(op->domain);
    CAPTURE(op->name);
    Graph graph = typical_graph(*op);
    CHECK_NOTHROW(infer_types(graph));
    CHECK(
        std::any_of(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) { return node.op_type == op->name && node.domain == op->domain; }));
  }
}
