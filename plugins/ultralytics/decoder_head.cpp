// RT-DETR's head: the best places of the feature maps become queries, and a transformer decoder refines a box for each of them
// (Zhao et al., "DETRs Beat YOLOs on Real-time Object Detection", 2023).
#include <algorithm>
#include <cmath>

#include "final_boxes.hpp"
#include "heads.hpp"

namespace lathe::ultralytics {
namespace {

Module part(Net& net, const Module& module, const std::string& name) {
  const auto child = module.child(name);
  if (!child) net.refuse(LATHE_FAILED, "the head lacks its part '" + name + "'");
  return *child;
}

// log(x / (1 - x)), with both kept above 1e-5.
Tensor inverse_sigmoid(Net& net, const Tensor& x) {
  const Tensor low = net.scalar(1e-5f);
  return net.unary("Log", net.binary("Div", net.binary("Max", x, low), net.binary("Max", net.binary("Sub", net.scalar(1), x), low)));
}

// Where each place of the maps begins to look: centre and size as [1, S, 4] before the sigmoid, and whether it may, [1, S, 1].
std::pair<Tensor, Tensor> starting_boxes(Net& net, const std::vector<Tensor>& maps) {
  // A place that may not look lies at the picture's far corner: PyTorch's code says infinity, of which only the sigmoid, 1, is used.
  constexpr float far = 1e4f;
  std::vector<float> boxes, valid;
  for (size_t level = 0; level < maps.size(); ++level) {
    const int64_t h = maps[level].shape.at(2), w = maps[level].shape.at(3);
    const float size = 0.05f * std::pow(2.0f, float(level));
    for (int64_t y = 0; y < h; ++y)
      for (int64_t x = 0; x < w; ++x) {
        const float box[4] = {(float(x) + 0.5f) / float(w), (float(y) + 0.5f) / float(h), size, size};
        const bool inside = std::all_of(std::begin(box), std::end(box), [](float v) { return v > 0.01f && v < 0.99f; });
        for (const float v : box) boxes.push_back(inside ? std::log(v / (1 - v)) : far);
        valid.push_back(inside ? 1.0f : 0.0f);
      }
  }
  const auto count = static_cast<int64_t>(valid.size());
  return {net.floats("anchors", {1, count, 4}, boxes), net.floats("valid", {1, count, 1}, valid)};
}

}  // namespace

// Decoded: [1, queries, 4 + classes]: centre and size from 0 to 1, scores. nms: [1, queries, 6] like other end-to-end networks.
Outputs trace_decoder_head(Trace& trace, const Module& head, const HeadInputs& inputs, const HeadOptions& options) {
  Net& net = trace.net;
  Outputs outputs;
  outputs.task = "detect";
  outputs.properties = {{"head", name(options.form)}, {"end2end", "True"}, {"fit", "stretch"}};
  const std::vector<Tensor> maps = trace_branch(trace, head, "input_proj", inputs.features);
  std::vector<Tensor> flat;
  List shapes;
  for (const Tensor& map : maps) {
    flat.push_back(net.permute(net.reshape(map, {map.shape.at(0), map.shape.at(1), -1}), {0, 2, 1}));
    shapes.push_back(Value::list({double(map.shape.at(2)), double(map.shape.at(3))}));
  }
  const Tensor memory = net.concat(flat, 1);  // [1, S, hidden]
  const auto [anchors, valid] = starting_boxes(net, maps);
  const int64_t places = memory.shape[1], queries = std::min(head.integer("num_queries", 300), places);
  if (queries < 1) net.refuse(LATHE_FAILED, "the head has no queries");

  const Tensor encoded = trace.call(part(net, head, "enc_output"), "enc_output", net.binary("Mul", valid, memory));
  const Tensor first_scores = trace.call(part(net, head, "enc_score_head"), "enc_score_head", encoded);
  const Tensor chosen = net.reshape(largest(net, net.reduce("ReduceMax", first_scores, {2}, false), queries).second, {queries});
  const Tensor best = gather(net, encoded, chosen, 1);
  Tensor box =
      net.unary("Sigmoid", net.binary("Add", trace.call(part(net, head, "enc_bbox_head"), "enc_bbox_head", best), gather(net, anchors, chosen, 1)));
  Tensor query = best;
  if (const auto learnt = head.child("tgt_embed"); learnt && head.integer("learnt_init_query", 0)) {
    const auto weight = learnt->tensor("weight");
    if (!weight) net.refuse(LATHE_FAILED, "the head lacks the queries that it learnt");
    const Tensor all = net.constant("tgt_embed.weight", *weight);
    query = net.reshape(net.slice(all, 0, 0, queries), {1, queries, all.shape.at(1)});
  }

  const Module decoder = part(net, head, "decoder");
  const auto layers = part(net, decoder, "layers").children(), box_heads = part(net, head, "dec_bbox_head").children(),
             score_heads = part(net, head, "dec_score_head").children();
  const auto count = static_cast<int64_t>(layers.size());
  int64_t last = decoder.integer("eval_idx", -1);
  if (last < 0) last += count;
  if (last < 0 || last >= count || box_heads.size() < layers.size() || score_heads.size() < layers.size())
    net.refuse(LATHE_FAILED, "the head's decoder has layers without a head of their own");
  const Module positions = part(net, head, "query_pos_head");
  Tensor scores;
  for (size_t i = 0; i <= static_cast<size_t>(last); ++i) {
    const std::string index = "." + layers[i].first;
    const Tensor place = trace.call(positions, "query_pos_head", box);
    query = tensor_of(net, trace.call(layers[i].second, "decoder.layers" + index, List{query, box, memory, Value::list(shapes), place}));
    const Tensor change = trace.call(box_heads[i].second, "dec_bbox_head" + index, query);
    box = net.unary("Sigmoid", net.binary("Add", change, inverse_sigmoid(net, box)));
    if (i == static_cast<size_t>(last)) scores = trace.call(score_heads[i].second, "dec_score_head" + index, query);
  }
  if (options.form == HeadForm::raw) {
    outputs.tensors = {{"boxes", box}, {"scores", scores}};
    return outputs;
  }
  const Tensor probability = net.unary("Sigmoid", scores);
  if (options.form == HeadForm::decoded) {
    outputs.tensors = {{"output0", net.concat({box, probability}, 2)}};
    return outputs;
  }
  const float w = float(inputs.width), h = float(inputs.height);
  const std::vector<Tensor> sides = net.split(net.permute(net.binary("Mul", box, net.floats("size", {1, 1, 4}, {w, h, w, h})), {0, 2, 1}), {2, 2}, 1);
  const Tensor half = net.binary("Mul", sides[1], net.scalar(0.5f));
  // Each query counts with its best class.
  const Tensor all = net.permute(probability, {0, 2, 1}), strongest = net.reduce("ReduceMax", all, {1}, true);
  const Tensor is_best = net.node("Equal", {all, strongest}, all.shape, {}, LATHE_BOOL);
  const Candidates candidates = {net.concat({net.binary("Sub", sides[0], half), net.binary("Add", sides[0], half)}, 1),
                                 net.node("Where", {is_best, all, net.scalar(0)}, all.shape), std::nullopt};
  outputs.tensors = {{"output0", best_boxes(net, candidates, options.most_boxes)}};
  return outputs;
}

}  // namespace lathe::ultralytics
