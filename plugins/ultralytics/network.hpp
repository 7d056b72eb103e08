// From a checkpoint to a graph: the top-level modules in the order and with the connections that were saved.
#pragma once
#include <lathe/plugin.hpp>
#include <string>

#include "checkpoint.hpp"
#include "heads.hpp"
#include "wiring.hpp"

namespace lathe::ultralytics {

struct NetworkOptions {
  HeadOptions head;
  int64_t height = 0, width = 0;  // 0: as in training
};

// The image size that the network was trained with (train_args.imgsz), or 640, or 224 of a classifier.
int64_t trained_size(const Checkpoint& checkpoint);

// The largest stride of the network, which height and width of its images must be multiples of: 32 where the checkpoint says nothing.
int64_t largest_stride(const Module& model);

// Class names by their numbers; empty when the checkpoint has none.
std::vector<std::string> class_names(const Checkpoint& checkpoint, const Module& model);

// One top-level module: what it takes from where. -1: from the module before it.
struct Stage {
  Module module;
  std::vector<int64_t> from;
};
std::vector<Stage> stages(const Module& model);

// Sizes are rounded up to the stride, as Ultralytics does; the property "imgsz" says what they became. Throws sdk::Failure: unknown modules, all of
// them; a network that is no detector, segmenter, pose estimator or classifier; sizes that do not fit.
sdk::GraphBuilder trace_network(const Checkpoint& checkpoint, const WiringTable& wirings, const NetworkOptions& options);

}  // namespace lathe::ultralytics
