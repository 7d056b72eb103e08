// Claims and regions: which target compiles which part of a graph.
//
// Targets are asked in the person's order; a node goes to the first that takes it. Nodes of one target are gathered into regions that are
// convex (no path leaves a region and comes back), so that every region can run as one stage; nodes that a target wants together stay
// together or are not its own.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/plugin/plugins.hpp"

namespace lathe {

struct CandidateTarget {
  Plugin* plugin = nullptr;
  void* backend = nullptr;          // made by plugin->backend()->create
  std::string name;                 // as it is told to the person: "a:dev"
  int64_t opset = canonical_opset;  // at which its regions are handed to it
};

struct NodeVerdict {
  bool taken = false;
  uint32_t group = none;  // nodes with the same number are taken together or not at all
  std::string reason;     // why not
};

struct Refusal {
  size_t target = 0;
  NodeId node = 0;
  std::string reason;
};

// A part of the graph for one target, as a graph of its own. Inputs and outputs bear the names they have in the whole graph; constants
// share their bytes with it.
struct Region {
  size_t target = 0;
  Graph graph;
};

struct Partition {
  std::vector<Region> regions;    // in an order in which they can run
  std::vector<Refusal> refusals;  // every node's, by every target asked before the one that took it
};

// What one backend says of each node. Nodes whose shapes are not constant are not shown as takable to a backend that wants them constant.
std::vector<NodeVerdict> ask_verdicts(const Graph& graph, const CandidateTarget& target);

// `verdicts[t][n]` is target t's on node n. Throws Error(unsupported) with one diagnostic for every node that nobody takes.
// A graph that one target takes as a whole comes back unchanged as one region.
Partition cut_regions(const Graph& graph, std::span<const std::string> names, std::span<const std::vector<NodeVerdict>> verdicts);

// The same with verdicts on demand, `ask(t)`: a later target is asked only when an earlier one left something.
Partition cut_regions(const Graph& graph, std::span<const std::string> names, const std::function<std::vector<NodeVerdict>(size_t)>& ask);

// Asks each target itself.
Partition cut_regions(const Graph& graph, std::span<const CandidateTarget> targets);

}  // namespace lathe
