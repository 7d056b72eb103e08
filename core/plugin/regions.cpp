// Cutting a graph into regions: assign, level, merge. See regions.hpp for what a region is.
//
// Levels: a node's level is the largest number of changes of target on any path to it. Nodes of one target and one level form a convex
// region, because a path that leaves the target comes back on a higher level. Merging then joins regions of one target wherever that
// makes no cycle, which undoes cuts that only happen to stand at different levels.
#include "core/plugin/regions.hpp"

#include <algorithm>
#include <numeric>

#include "core/ops/lower.hpp"
#include "core/plugin/layout.hpp"

namespace lathe {
namespace {

// A directed graph on 0..n-1.
using Edges = std::vector<std::vector<uint32_t>>;

void for_each_capture(const Node& node, const std::function<void(ValueId)>& use) {
  for (const auto& [name, attribute] : node.attributes) {
    auto body = [&](const Attribute::Subgraph& graph) {
      for (const Capture& c : graph->captures) use(c.outer);
    };
    if (const auto* one = std::get_if<Attribute::Subgraph>(&attribute.value)) body(*one);
    if (const auto* many = std::get_if<Attribute::Subgraphs>(&attribute.value)) std::for_each(many->begin(), many->end(), body);
  }
}
// Every value that a node reads, subgraphs' captures included.
void for_each_use(const Node& node, const std::function<void(ValueId)>& use) {
  for (const ValueId v : node.inputs)
    if (v != none) use(v);
  for_each_capture(node, use);
}

// `edges` with its vertices renamed by `to` (0..count-1), without loops and doubles.
Edges contract(const Edges& edges, const std::vector<uint32_t>& to, size_t count) {
  Edges result(count);
  for (size_t from = 0; from < edges.size(); ++from)
    for (const uint32_t v : edges[from])
      if (to[from] != to[v]) result[to[from]].push_back(to[v]);
  for (auto& list : result) {
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
  }
  return result;
}

// A topological order that takes the lowest ready number first; shorter than the graph when there is a cycle.
std::vector<uint32_t> topological_order(const Edges& edges) {
  std::vector<uint32_t> incoming(edges.size()), ready, order;
  for (const auto& list : edges)
    for (const uint32_t v : list) ++incoming[v];
  for (uint32_t v = 0; v < edges.size(); ++v)
    if (incoming[v] == 0) ready.push_back(v);
  std::make_heap(ready.begin(), ready.end(), std::greater<>());
  while (!ready.empty()) {
    std::pop_heap(ready.begin(), ready.end(), std::greater<>());
    const uint32_t v = ready.back();
    ready.pop_back();
    order.push_back(v);
    for (const uint32_t next : edges[v]) {
      if (--incoming[next] > 0) continue;
      ready.push_back(next);
      std::push_heap(ready.begin(), ready.end(), std::greater<>());
    }
  }
  return order;
}
bool acyclic(const Edges& edges) { return topological_order(edges).size() == edges.size(); }

// Whether a path of two or more edges leads from a to b: then joining them would make a cycle.
bool reaches_around(const Edges& edges, uint32_t a, uint32_t b) {
  std::vector<bool> seen(edges.size());
  std::vector<uint32_t> stack;
  for (const uint32_t v : edges[a])
    if (v != b) stack.push_back(v);
  while (!stack.empty()) {
    const uint32_t v = stack.back();
    stack.pop_back();
    if (v == b) return true;
    if (seen[v]) continue;
    seen[v] = true;
    stack.insert(stack.end(), edges[v].begin(), edges[v].end());
  }
  return false;
}

Edges node_edges(const Graph& graph) {
  std::vector<NodeId> producer(graph.values.size(), none);
  for (NodeId n = 0; n < graph.nodes.size(); ++n)
    for (const ValueId v : graph.nodes[n].outputs)
      if (v != none) producer[v] = n;
  Edges edges(graph.nodes.size());
  for (NodeId n = 0; n < graph.nodes.size(); ++n) {
    for_each_use(graph.nodes[n], [&](ValueId v) {
      if (producer[v] != none) edges[producer[v]].push_back(n);
    });
  }
  return edges;
}

// Who takes each node, and the clusters of nodes that stay together.
struct Assignment {
  std::vector<size_t> target;     // per node; SIZE_MAX: nobody
  std::vector<uint32_t> cluster;  // per node, 0..cluster_count-1
  size_t cluster_count = 0;
  std::vector<Refusal> refusals;
};

class Assigner {
 public:
  Assigner(const Graph& graph, const Edges& edges) : edges_(edges) {
    a_.target.assign(graph.nodes.size(), SIZE_MAX);
    a_.cluster.resize(graph.nodes.size());
    std::iota(a_.cluster.begin(), a_.cluster.end(), 0u);
  }

  void ask(size_t target, const std::vector<NodeVerdict>& verdicts) {
    std::map<uint32_t, std::vector<NodeId>> groups;
    for (NodeId n = 0; n < a_.target.size(); ++n) {
      if (a_.target[n] != SIZE_MAX && verdicts[n].group == none) continue;
      if (!verdicts[n].taken && verdicts[n].group == none) {
        refuse(target, n, verdicts[n].reason.empty() ? "no reason is given" : verdicts[n].reason);
      } else if (verdicts[n].group == none) {
        a_.target[n] = target;
      } else {
        groups[verdicts[n].group].push_back(n);
      }
    }
    for (const auto& [number, nodes] : groups) take_group(target, nodes, verdicts);
  }

  bool leaves_something() const { return std::find(a_.target.begin(), a_.target.end(), SIZE_MAX) != a_.target.end(); }

  Assignment finish() {
    std::vector<uint32_t> number(a_.cluster.size(), none);
    for (uint32_t& c : a_.cluster) {
      if (number[c] == none) number[c] = static_cast<uint32_t>(a_.cluster_count++);
      c = number[c];
    }
    return std::move(a_);
  }

 private:
  void refuse(size_t target, NodeId n, std::string reason) {
    if (a_.target[n] == SIZE_MAX) a_.refusals.push_back({target, n, std::move(reason)});
  }
  void take_group(size_t target, const std::vector<NodeId>& nodes, const std::vector<NodeVerdict>& verdicts) {
    for (const NodeId n : nodes) {
      if (a_.target[n] == SIZE_MAX && verdicts[n].taken) continue;
      for (const NodeId other : nodes) {
        const std::string& own = verdicts[other].reason;
        refuse(target, other, !own.empty() ? own : "it is taken only together with a node that goes elsewhere");
      }
      return;
    }
    std::vector<uint32_t> joined = a_.cluster;
    for (const NodeId n : nodes) joined[n] = joined[nodes.front()];
    if (!acyclic(contract(edges_, joined, joined.size()))) {
      for (const NodeId n : nodes) refuse(target, n, "it is taken only together with nodes from which a path leads through others and back");
      return;
    }
    a_.cluster = std::move(joined);
    for (const NodeId n : nodes) a_.target[n] = target;
  }
  const Edges& edges_;
  Assignment a_;
};

// The region of each cluster, 0..count-1, numbered in an order in which they can run.
std::vector<uint32_t> gather(const Edges& clusters, const std::vector<size_t>& target) {
  const size_t count = clusters.size();
  std::vector<uint32_t> level(count);
  for (const uint32_t v : topological_order(clusters))
    for (const uint32_t next : clusters[v]) level[next] = std::max(level[next], level[v] + (target[v] != target[next] ? 1 : 0));

  std::map<std::pair<uint32_t, size_t>, uint32_t> numbers;
  std::vector<uint32_t> region(count);
  std::vector<size_t> region_target;
  for (size_t c = 0; c < count; ++c) {
    const auto [place, fresh] = numbers.emplace(std::pair(level[c], target[c]), static_cast<uint32_t>(numbers.size()));
    region[c] = place->second;
    if (fresh) region_target.push_back(target[c]);
  }
  size_t regions = region_target.size();

  for (bool merged = true; merged;) {
    merged = false;
    const Edges edges = contract(clusters, region, regions);
    for (uint32_t a = 0; a < regions && !merged; ++a) {
      for (uint32_t b = a + 1; b < regions && !merged; ++b) {
        if (region_target[a] != region_target[b] || reaches_around(edges, a, b) || reaches_around(edges, b, a)) continue;
        for (uint32_t& r : region) r = r == b ? a : r > b ? r - 1 : r;
        region_target.erase(region_target.begin() + b);
        --regions;
        merged = true;
      }
    }
  }

  const std::vector<uint32_t> order = topological_order(contract(clusters, region, regions));
  std::vector<uint32_t> position(regions);
  for (uint32_t i = 0; i < order.size(); ++i) position[order[i]] = i;
  for (uint32_t& r : region) r = position[r];
  return region;
}

// Copies the nodes of one region, and what they use, into a graph of their own.
class Extractor {
 public:
  Extractor(const Graph& whole, const std::vector<uint32_t>& region_of) : whole_(whole), region_of_(region_of), uses_(whole) {}

  Graph extract(uint32_t region) const {
    Graph g;
    g.name = whole_.name;
    g.opsets = whole_.opsets;
    g.properties = whole_.properties;
    std::vector<ValueId> to(whole_.values.size(), none);
    auto import = [&](ValueId v) {
      if (to[v] != none) return to[v];
      g.values.push_back(whole_.values[v]);
      return to[v] = static_cast<ValueId>(g.values.size() - 1);
    };
    std::vector<bool> wanted(whole_.values.size());
    auto want = [&](ValueId v) { wanted[v] = wanted[v] || (!whole_.values[v].constant && producer_region(v) != region); };
    for (NodeId n = 0; n < whole_.nodes.size(); ++n)
      if (region_of_[n] == region) for_each_use(whole_.nodes[n], want);
    // Graph outputs that no node makes go with the first region.
    std::vector<ValueId> outputs;
    for (const ValueId v : whole_.outputs) {
      const bool passed_on = uses_.producer[v] == none && region == 0;
      if (!passed_on && producer_region(v) != region) continue;
      if (passed_on) want(v);
      if (std::find(outputs.begin(), outputs.end(), v) == outputs.end()) outputs.push_back(v);
    }
    for (const ValueId v : whole_.inputs)
      if (wanted[v]) g.inputs.push_back(import(v));
    for (ValueId v = 0; v < wanted.size(); ++v)
      if (wanted[v] && to[v] == none) g.inputs.push_back(import(v));

    for (NodeId n = 0; n < whole_.nodes.size(); ++n) {
      if (region_of_[n] != region) continue;
      const Node& node = whole_.nodes[n];
      Node copy = node;
      for (ValueId& v : copy.inputs) v = v == none ? none : import(v);
      for (ValueId& v : copy.outputs) v = v == none ? none : import(v);
      for (auto& [name, attribute] : copy.attributes) {
        auto body = [&](Attribute::Subgraph& graph) {
          graph = std::make_shared<Graph>(clone(*graph));
          for (Capture& c : graph->captures) c.outer = import(c.outer);
        };
        if (auto* one = std::get_if<Attribute::Subgraph>(&attribute.value)) body(*one);
        if (auto* many = std::get_if<Attribute::Subgraphs>(&attribute.value)) std::for_each(many->begin(), many->end(), body);
      }
      g.nodes.push_back(std::move(copy));
      for (const ValueId v : node.outputs) {
        const bool is_output = v != none && !uses_.output[v] &&
                               std::any_of(uses_.users[v].begin(), uses_.users[v].end(), [&](NodeId user) { return region_of_[user] != region; });
        if (is_output) outputs.push_back(v);
      }
    }
    for (const ValueId v : outputs) g.outputs.push_back(import(v));
    return g;
  }

 private:
  uint32_t producer_region(ValueId v) const { return uses_.producer[v] == none ? none : region_of_[uses_.producer[v]]; }
  const Graph& whole_;
  const std::vector<uint32_t>& region_of_;
  Uses uses_;
};

[[noreturn]] void refuse_model(const Graph& graph, std::span<const std::string> names, const Assignment& a) {
  std::vector<std::string> reasons(graph.nodes.size());
  for (const Refusal& r : a.refusals) reasons[r.node] += (reasons[r.node].empty() ? "" : "; ") + names[r.target] + " does not take it: " + r.reason;
  std::vector<Diagnostic> problems;
  for (NodeId n = 0; n < graph.nodes.size(); ++n) {
    if (a.target[n] != SIZE_MAX) continue;
    Diagnostic d;
    d.text = reasons[n].empty() ? "no target was asked" : reasons[n];
    d.node = graph.nodes[n].name;
    d.op_type = graph.nodes[n].op_type;
    problems.push_back(std::move(d));
  }
  problems.back().hint =
      "name a further target after a comma, `--target " + (names.empty() ? "A" : names.front()) + ",B`, for what the first does not take";
  throw Error(Code::unsupported, problems);
}

}  // namespace

std::vector<NodeVerdict> ask_verdicts(const Graph& graph, const CandidateTarget& target) {
  const lathe_backend& backend = *target.plugin->backend();
  std::vector<NodeVerdict> verdicts(graph.nodes.size());
  if (backend.opset_lowest > canonical_opset) {
    for (NodeVerdict& v : verdicts)
      v.reason = "it wants opset " + std::to_string(backend.opset_lowest) + " or newer, and the graph is at " + std::to_string(canonical_opset);
    return verdicts;
  }
  struct Sink {
    std::vector<NodeVerdict>& verdicts;
    bool wrong_node = false;
  } sink{verdicts};
  const lathe_verdict_sink out = {&sink, [](void* context, const lathe_verdict* v) {
                                    Sink& s = *static_cast<Sink*>(context);
                                    if (!v || !large_enough(v) || v->node >= s.verdicts.size()) {
                                      s.wrong_node = true;
                                      return;
                                    }
                                    const bool has_reason = v->reason.data && v->reason.size && v->reason.size < 65536;
                                    s.verdicts[v->node] = {v->taken != 0, v->region, has_reason ? std::string(v->reason.data, v->reason.size) : ""};
                                  }};
  const Snapshot snapshot(graph);
  target.plugin->check("claim", [&] { return backend.claim(target.backend, &snapshot.get(), &out); });
  if (sink.wrong_node) {
    throw Error(Code::internal, "plugin '" + target.plugin->manifest().name + "' gives a verdict on a node that is not there",
                "this is a defect of the plugin");
  }
  if (target.opset < canonical_opset) {
    const std::vector<std::string> obstacles = lowering_obstacles(graph, target.opset);
    for (NodeId n = 0; n < graph.nodes.size(); ++n) {
      if (obstacles[n].empty() || !verdicts[n].taken) continue;
      verdicts[n].taken = false;
      verdicts[n].reason = "it cannot be expressed at opset " + std::to_string(target.opset) + ": " + obstacles[n];
    }
  }
  if (backend.flags & LATHE_BACKEND_STATIC_SHAPES) {
    for (NodeId n = 0; n < graph.nodes.size(); ++n) {
      for (const auto* list : {&graph.nodes[n].inputs, &graph.nodes[n].outputs}) {
        for (const ValueId v : *list) {
          if (v == none || graph.values[v].type.static_shape()) continue;
          verdicts[n].taken = false;
          verdicts[n].reason = "the shape of '" + graph.values[v].name + "' is not constant; pin it with --shape";
        }
      }
    }
  }
  return verdicts;
}

Partition cut_regions(const Graph& graph, std::span<const std::string> names, const std::function<std::vector<NodeVerdict>(size_t)>& ask) {
  const Edges edges = node_edges(graph);
  Assigner assigner(graph, edges);
  for (size_t t = 0; t < names.size() && (t == 0 || assigner.leaves_something()); ++t) assigner.ask(t, ask(t));
  Assignment a = assigner.finish();
  if (std::find(a.target.begin(), a.target.end(), SIZE_MAX) != a.target.end()) refuse_model(graph, names, a);

  Partition partition;
  partition.refusals = std::move(a.refusals);
  if (graph.nodes.empty() || std::all_of(a.target.begin(), a.target.end(), [&](size_t t) { return t == a.target.front(); })) {
    partition.regions.push_back({graph.nodes.empty() ? 0 : a.target.front(), clone(graph)});
    return partition;
  }
  std::vector<size_t> cluster_target(a.cluster_count);
  for (NodeId n = 0; n < graph.nodes.size(); ++n) cluster_target[a.cluster[n]] = a.target[n];
  const std::vector<uint32_t> region = gather(contract(edges, a.cluster, a.cluster_count), cluster_target);
  std::vector<uint32_t> region_of(graph.nodes.size());
  for (NodeId n = 0; n < graph.nodes.size(); ++n) region_of[n] = region[a.cluster[n]];
  const uint32_t regions = 1 + *std::max_element(region.begin(), region.end());
  const Extractor extractor(graph, region_of);
  for (uint32_t r = 0; r < regions; ++r) {
    const size_t member = std::find(region.begin(), region.end(), r) - region.begin();
    partition.regions.push_back({cluster_target[member], extractor.extract(r)});
  }
  return partition;
}

Partition cut_regions(const Graph& graph, std::span<const std::string> names, std::span<const std::vector<NodeVerdict>> verdicts) {
  return cut_regions(graph, names.first(verdicts.size()), [&](size_t t) { return verdicts[t]; });
}

Partition cut_regions(const Graph& graph, std::span<const CandidateTarget> targets) {
  std::vector<std::string> names;
  for (const CandidateTarget& t : targets) names.push_back(t.name);
  return cut_regions(graph, names, [&](size_t t) { return ask_verdicts(graph, targets[t]); });
}

}  // namespace lathe
