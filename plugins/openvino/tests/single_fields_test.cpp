// Every kind of field, changed one at a time in the real files and in our own: the checker finds each change, or what it makes is an IR as well and
// stands in the table below with the reason. Drawn with a seed, so each run sees the same changes.
#include "single_fields.hpp"

#include <doctest/doctest.h>

#include <map>

#include "check/checker.hpp"
#include "support.hpp"

namespace lathe::openvino::test {
namespace {

// A kind of change that makes another IR and no broken one. '*' at the front of a place stands for any operation; "" for any change.
struct Legal {
  std::string_view place, what, why;
};
// clang-format off
constexpr Legal legal[] = {
    {"*/layer@name", "garbage", "names of layers are free"},
    {"*/layer@name", "other", "names of layers are free"},
    {"*/output/port@names", "garbage", "names of tensors are free"},
    {"*/output/port@names", "more", "names of tensors are free"},
    {"*/output/port@names", "less", "names of tensors are free"},
    {"*/output/port@names", "other", "names of tensors are free"},
    {"*/output/port@names", "huge", "names of tensors are free"},
    {"net/net@name", "", "the model's name is free"},
    {"net/net@version", "less", "version 10 holds these operations too"},
    {"*/data", "gone", "each of its attributes has a meaning where it is absent"},
    {"*/data@auto_broadcast", "other", "equal shapes, and one number beside any shape, are the same by every rule"},
    {"Clamp/data@min", "", "any numbers in order"},
    {"Clamp/data@max", "", "any numbers in order"},
    {"FakeQuantize/data@levels", "more", "two levels or more"},
    {"FakeQuantize/data@levels", "less", "two levels or more"},
    {"*/data@auto_pad", "other", "the other rule gives the same size"},
    {"*/data@pads_begin", "more", "the window's last step swallows it"},
    {"*/data@pads_end", "more", "the window's last step swallows it"},
    {"*/data@pads_begin", "less", "the window's last step swallows it"},
    {"*/data@pads_end", "less", "the window's last step swallows it"},
    {"*/data@kernel", "less", "the window's last step swallows it"},
    {"*/data@strides", "more", "the axis has one place for the window"},
    {"*/data@strides", "less", "the axis has one place for the window"},
    {"*/data@dilations", "more", "a window of one element has no gaps"},
    {"*/data@rounding_type", "other", "nothing is left over to round"},
    {"*/data@exclude-pad", "other", "whether the padding counts changes numbers alone"},
    {"*/data@axis", "more", "the other axis has the same size, or none changes"},
    {"*/data@axis", "less", "the other axis has the same size, or none changes"},
    {"MatMul/data@transpose_a", "other", "the matrix is square"},
    {"MatMul/data@transpose_b", "other", "the matrix is square"},
    {"Reshape/data@special_zero", "other", "the wanted shape has no zero"},
    {"Divide/data@m_pythondiv", "other", "how integers are rounded changes numbers alone"},
    {"*/data@mode", "other", "another way to compute elements of the same shape"},
    {"*/data@coordinate_transformation_mode", "other", "another way to compute elements of the same shape"},
    {"*/data@nearest_mode", "other", "another way to compute elements of the same shape"},
    {"*/data@pad_mode", "other", "another way to compute elements of the same shape"},
    {"*/data@antialias", "other", "another way to compute elements of the same shape"},
    {"*/data@align_corners", "other", "another way to compute elements of the same shape"},
    {"*/data@padding_mode", "other", "another way to compute elements of the same shape"},
    {"*/data@normalize_variance", "other", "another way to compute elements of the same shape"},
    {"*/data@eps_mode", "other", "another way to compute elements of the same shape"},
    {"*/data@exclusive", "other", "another way to compute elements of the same shape"},
    {"*/data@reverse", "other", "another way to compute elements of the same shape"},
    {"*/data@sort", "other", "another order of the same elements"},
    {"*/data@sorted", "other", "another order of the same elements"},
    {"*/data@stable", "other", "another order of the same elements"},
    {"*/data@direction", "other", "forward and reverse take the same weights"},
    {"*/data@reduction", "other", "another way to compute elements of the same shape"},
    {"*/data@aligned_mode", "other", "another way to compute elements of the same shape"},
    {"*/data@sampling_ratio", "", "any number of samples"},
    {"*/data@spatial_scale", "", "any scale"},
    {"*/data@approximation_mode", "other", "another way to compute elements of the same shape"},
    {"*/data@box_encoding", "other", "another meaning of the same four numbers"},
    {"*/data@sort_result_descending", "other", "another order of the same elements"},
    {"*/data@linear_before_reset", "other", "the biases are as many"},
    {"*/data@global_seed", "", "any seed"},
    {"*/data@op_seed", "", "any seed"},
    {"*/data@alpha", "", "any number"},
    {"*/data@beta", "", "any number"},
    {"*/data@bias", "", "any number"},
    {"*/data@cube_coeff", "", "any number"},
    {"LRN/data@size", "more", "any number of neighbours"},
    {"LRN/data@size", "less", "any number of neighbours"},
    {"GroupNormalization/data@num_groups", "more", "it divides the channels too"},
    {"GroupNormalization/data@num_groups", "less", "it divides the channels too"},
    {"*/data@epsilon", "", "any number that is not negative"},
    {"*/data@eps", "", "any number that is not negative"},
    {"*/data@batch_dims", "less", "counted from the back it is the same"},
    {"*/data@begin_mask", "", "the cut begins there anyway"},
    {"*/data@end_mask", "", "the cut ends there anyway"},
    {"*/edge@from-layer", "more", "another layer yields the same type and shape, and this one is needed elsewhere"},
    {"*/edge@from-layer", "less", "another layer yields the same type and shape, and this one is needed elsewhere"},
    {"*/edge@from-port", "more", "another port has the same type and shape"},
    {"*/edge@from-port", "less", "another port has the same type and shape"},
    {"*/rt_info/rt_info", "gone", "marks and notes may be absent"},
    {"*/rt_info/attribute", "gone", "marks and notes may be absent"},
    {"*/rt_info/attribute", "added", "a mark has attributes of its own"},
    {"*/rt_info/attribute@name", "garbage", "an unknown mark is passed over"},
    {"*/rt_info/attribute@version", "more", "a newer mark is passed over"},
    {"Parameter/layer", "gone", "an input that nothing takes"},
};
// clang-format on

bool is_legal(const FieldChange& change) {
  for (const Legal& l : legal) {
    const bool place =
        l.place.front() == '*' ? std::string_view(change.place).substr(change.place.find('/')) == l.place.substr(1) : change.place == l.place;
    // Notes on the whole model have any key.
    if (place && (l.what.empty() ? change.what != "garbage" && change.what != "empty" && change.what != "renamed" : change.what == l.what))
      return true;
  }
  if (change.place == "net/net@name") return change.what != "renamed";
  return change.place.starts_with("net/rt_info/") && (change.what == "gone" || change.place.ends_with("@value"));
}

struct Text : pugi::xml_writer {
  std::string text;
  void write(const void* data, size_t size) override { text.append(static_cast<const char*>(data), size); }
};

// Sees about `wanted` changes of a file; nothing stays unfound but what is legal.
void look_at(const std::string& what, const std::string& xml, const std::string& weights, size_t wanted) {
  CAPTURE(what);
  for (const std::string& problem : check_ir(xml, weights)) FAIL_CHECK(problem);
  pugi::xml_document document;
  REQUIRE(document.load_string(xml.c_str()));
  size_t all = 0, seen = 0, found = 0;
  each_single_field(
      document, [&](size_t) { return ++all, false; }, [](const FieldChange&) {});
  uint64_t state = 1;
  const auto drawn = [&](size_t) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return all <= wanted || (state >> 33) % all < wanted;
  };
  each_single_field(document, drawn, [&](const FieldChange& change) {
    Text out;
    document.save(out, "", pugi::format_raw);
    ++seen;
    if (!check_ir(out.text, weights).empty()) {
      ++found;
      return;
    }
    if (!is_legal(change))
      FAIL_CHECK("not found: " << change.place << " " << change.what << ", '" << change.before << "' became '" << change.after << "' in layer "
                               << change.layer);
  });
  CHECK(seen > std::min<size_t>(wanted, 100) / 2);
  CHECK(found * 10 > seen * 8);
  // The document is as it was.
  Text again;
  document.save(again, "", pugi::format_raw);
  CHECK(check_ir(again.text, weights).empty());
}

TEST_CASE("single fields of the real files") {
  if (!there(detector + ".xml")) {
    MESSAGE("SKIPPED: " << detector << ".xml is absent");
    return;
  }
  for (const std::string& file : {detector, age}) look_at(file, content(file + ".xml"), content(file + ".bin"), 600);
}

using Sizes = sdk::Shape;
using Numbers = std::vector<int64_t>;

// One operator with inputs and integer constants.
struct Sample {
  const char* op;
  std::vector<Sizes> inputs;
  std::vector<Numbers> constants;  // further inputs
  std::vector<Sizes> outputs;
  std::vector<std::pair<const char*, int64_t>> integers = {};
  std::vector<std::pair<const char*, Numbers>> lists = {};
};

Files written(const Sample& sample) {
  sdk::GraphBuilder b(sample.op);
  std::vector<uint32_t> inputs, outputs;
  for (const Sizes& shape : sample.inputs) inputs.push_back(b.add_input("x" + std::to_string(inputs.size()), LATHE_FLOAT32, shape));
  for (const Numbers& numbers : sample.constants)
    inputs.push_back(
        b.add_constant("c" + std::to_string(inputs.size()), sdk::TensorData::of(LATHE_INT64, {static_cast<int64_t>(numbers.size())}, numbers)));
  for (const Sizes& shape : sample.outputs) outputs.push_back(b.add_value("y" + std::to_string(outputs.size()), LATHE_FLOAT32, shape));
  auto&& node = b.add_node(sample.op, inputs, outputs, "node");
  for (const auto& [name, value] : sample.integers) node.set(name, value);
  for (const auto& [name, value] : sample.lists) node.set(name, value);
  for (const uint32_t output : outputs) b.add_output(output);
  return write_files(write_graph(sdk::GraphView(&b.layout()), {}));
}

TEST_CASE("single fields of our own files") {
  const Sample samples[] = {
      {"AveragePool", {Sizes{1, 3, 9, 7}}, {}, {Sizes{1, 3, 4, 3}}, {}, {{"kernel_shape", {3, 3}}, {"strides", {2, 2}}}},
      {"BatchNormalization", {{2, 3, 5}, {3}, {3}, {3}, {3}}, {}, {Sizes{2, 3, 5}}},
      {"Concat", {{1, 2, 5}, {1, 3, 5}}, {}, {Sizes{1, 5, 5}}, {{"axis", 1}}},
      {"Conv", {{1, 4, 9, 7}, {6, 2, 3, 3}}, {}, {Sizes{1, 6, 9, 7}}, {{"group", 2}}, {{"pads", {1, 1, 1, 1}}, {"kernel_shape", {3, 3}}}},
      {"ConvTranspose", {{1, 4, 5, 6}, {4, 3, 3, 3}}, {}, {Sizes{1, 3, 11, 13}}, {}, {{"strides", {2, 2}}, {"kernel_shape", {3, 3}}}},
      {"DepthToSpace", {Sizes{1, 12, 3, 5}}, {}, {Sizes{1, 3, 6, 10}}, {{"blocksize", 2}}},
      {"Gemm", {{3, 4}, {4, 5}, {5}}, {}, {Sizes{3, 5}}},
      {"GlobalAveragePool", {Sizes{1, 3, 5, 7}}, {}, {Sizes{1, 3, 1, 1}}},
      {"GroupNormalization", {{1, 6, 5}, {6}, {6}}, {}, {Sizes{1, 6, 5}}, {{"num_groups", 3}}},
      {"GridSample", {{1, 3, 5, 6}, {1, 4, 7, 2}}, {}, {Sizes{1, 3, 4, 7}}},
      {"InstanceNormalization", {{2, 3, 5}, {3}, {3}}, {}, {Sizes{2, 3, 5}}},
      {"LRN", {Sizes{1, 5, 4, 3}}, {}, {Sizes{1, 5, 4, 3}}, {{"size", 3}}},
      {"LSTM", {{5, 2, 3}, {1, 16, 3}, {1, 16, 4}}, {}, {Sizes{5, 1, 2, 4}}, {{"hidden_size", 4}}},
      {"MatMul", {{2, 3, 4}, {4, 5}}, {}, {Sizes{2, 3, 5}}},
      {"MaxPool", {Sizes{1, 3, 9, 7}}, {}, {Sizes{1, 3, 4, 3}}, {}, {{"kernel_shape", {3, 3}}, {"strides", {2, 2}}}},
      {"Pad", {Sizes{2, 3}}, {Numbers{1, 0, 2, 1}}, {Sizes{5, 4}}},
      {"ReduceMean", {Sizes{2, 3, 4}}, {Numbers{1}}, {Sizes{2, 1, 4}}},
      {"Reshape", {Sizes{2, 6}}, {Numbers{3, 4}}, {Sizes{3, 4}}},
      {"Slice", {Sizes{5, 7}}, {{1, 0}, {4, 6}, {0, 1}, {1, 2}}, {Sizes{3, 3}}},
      {"Softmax", {Sizes{2, 3}}, {}, {Sizes{2, 3}}, {{"axis", 1}}},
      {"SpaceToDepth", {Sizes{1, 3, 6, 10}}, {}, {Sizes{1, 12, 3, 5}}, {{"blocksize", 2}}},
      {"Split", {Sizes{2, 7}}, {Numbers{3, 4}}, {{2, 3}, {2, 4}}, {{"axis", 1}}},
      {"Tile", {Sizes{2, 3}}, {Numbers{2, 1}}, {Sizes{4, 3}}},
      {"Transpose", {Sizes{2, 3, 4}}, {}, {Sizes{4, 2, 3}}, {}, {{"perm", {2, 0, 1}}}},
      {"Unsqueeze", {Sizes{2, 3}}, {Numbers{1}}, {Sizes{2, 1, 3}}},
  };
  for (const Sample& sample : samples) {
    const Files files = written(sample);
    look_at(sample.op, files.xml, files.bin, 100);
  }
}

}  // namespace
}  // namespace lathe::openvino::test
