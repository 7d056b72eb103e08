// Where a detector's network ends and the decoding of its boxes begins: for chips that compute the convolutions and leave the rest to a processor.
//
// A detection head is found by its structure, not by names. Its last convolutions are those behind which nothing is learned, and
// - whose results of several scales are joined by Concat (YOLO in all its forms, YOLOX, SSD, from checkpoints or exported files), or
// - whose results of several scales leave the graph one by one, joined within their scale or in another order of axes, or
// - of one scale, whose results are decoded with a number for each place, or chosen from by TopK or NonMaxSuppression.
// Everything behind them, sigmoids included, is the tail. Where a transformer decodes (RT-DETR), the tail begins before the scales become rows, and
// has the decoder's learned layers too: it chooses and samples, which chips do not.
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

// A scale may have one last convolution alone, whose channels are, for each anchor, a box, an objectness and the classes' scores (and coefficients of
// masks); or scores and boxes (NanoDet). It becomes one for each kind, so that no tensor mixes them: they differ in range, and a quantised tensor has
// one. What the channels are is read from how the tail shapes and parts them. The numbers stay the same. True: something was changed.
bool separate_boxes(Graph& graph);

// Products of a map's channels with constants (MatMul, Einsum), as heads that compare with texts have, become 1x1 convolutions. True: one did.
bool convolve_channel_products(Graph& graph);

}  // namespace lathe
