// Where a detector's network ends and the decoding of its boxes begins: for chips that compute the convolutions and leave the rest to a processor.
//
// A detection head is found by its structure, not by names: the last convolutions, at two or more scales, whose outputs are joined by Concat with
// nothing learned behind them. That holds for YOLO in all its forms (distribution focal loss, anchors, end-to-end selection, masks, keypoints,
// angles), YOLOX and SSD, whether they come from a checkpoint or from an exported file. Everything behind these convolutions, sigmoids included, is
// the tail.
#pragma once
#include <string>
#include <vector>

#include "core/ir/graph.hpp"

namespace lathe {

struct HeadCut {
  std::vector<ValueId> tensors;  // what the trunk yields for the tail: the finest scale first, then in the order of the nodes; empty: no cut
  std::vector<bool> tail;        // per node; closed: whatever uses a value of the tail is in the tail
  std::string reason;            // why there is no cut
};

// `graph` is typed and its sizes are known.
HeadCut find_detection_head(const Graph& graph);

// The cut that a person names: tensors, or nodes whose first outputs are meant. Throws Error(usage) for a name that the graph lacks, and when nothing
// stands behind these tensors.
HeadCut cut_head_at(const Graph& graph, const std::vector<std::string>& names);

// Anchor-based heads have one last convolution a scale, whose channels are, for each anchor, a box, an objectness and the classes' scores (and mask
// coefficients). Each becomes two, one for the boxes and one for the rest, so that no tensor mixes them: they differ in range, and a quantised tensor
// has one. The numbers stay the same. True: something was changed.
bool separate_anchor_boxes(Graph& graph);

}  // namespace lathe
