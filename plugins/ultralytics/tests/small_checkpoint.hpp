// A whole checkpoint of a few kilobytes, as torch.save would write it: a classifier of one convolution. What fuzzing and the tests of the
// reader start from.
#pragma once
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "files.hpp"

namespace lathe::ultralytics::test {

// Programs that push one value each; put together they make a pickle of protocol 2.
using Program = std::string;
using Entries = std::vector<std::pair<std::string, Program>>;

inline Program dictionary(const Entries& entries) {
  Program p = "}(";
  for (const auto& [key, value] : entries) p += text(key) + value;
  return p + "u";
}
inline Program ordered(const Entries& entries) {
  Program p = global("collections", "OrderedDict") + ")R(";
  for (const auto& [key, value] : entries) p += text(key) + value;
  return p + "u";
}
inline Program tuple(const std::vector<Program>& items) {
  Program p = "(";
  for (const Program& item : items) p += item;
  return p + "t";
}
inline Program list(const std::vector<Program>& items) {
  Program p = "](";
  for (const Program& item : items) p += item;
  return p + "e";
}
inline Program integers(std::initializer_list<int> numbers) {
  std::vector<Program> items;
  for (const int n : numbers) items.push_back(integer(n));
  return tuple(items);
}
inline const Program none = "N", yes = "\x88", no = "\x89";

inline Program storage(const std::string& type, const std::string& key, int elements) {
  return tuple({text("storage"), global("torch", type), text(key), text("cpu"), integer(elements)}) + "Q";
}
inline Program tensor(const Program& storage, int offset, std::initializer_list<int> shape, std::initializer_list<int> strides) {
  return global("torch._utils", "_rebuild_tensor_v2") +
         tuple({storage, integer(offset), integers(shape), integers(strides), no, global("collections", "OrderedDict") + ")R"}) + "R";
}
inline Program parameter(const Program& tensor) {
  return global("torch._utils", "_rebuild_parameter") + tuple({tensor, yes, global("collections", "OrderedDict") + ")R"}) + "R";
}
inline Program module(const std::string& home, const std::string& name, const Entries& parameters, const Entries& children, Entries attributes = {}) {
  Entries state = {{"training", no}, {"_parameters", ordered(parameters)}, {"_buffers", ordered({})}, {"_modules", ordered(children)}};
  state.insert(state.end(), attributes.begin(), attributes.end());
  return global(home, name) + ")\x81" + dictionary(state) + "b";
}

// The parts of the classifier, to be replaced one by one.
struct SmallCheckpoint {
  Program weight = parameter(tensor(storage("HalfStorage", "0", 108), 0, {4, 3, 3, 3}, {27, 9, 3, 1}));
  Program bias = parameter(tensor(storage("FloatStorage", "1", 4), 0, {4}, {1}));
  Program linear = parameter(tensor(storage("FloatStorage", "2", 8), 0, {2, 4}, {4, 1}));
  Program arguments = dictionary({{"imgsz", integer(32)}, {"task", text("classify")}});
  Entries more;  // of the checkpoint's dictionary
  std::vector<TestMember> members = {{"best/version", "3\n"}, {"best/byteorder", "little"}};
  bool deflated = false;

  Program network() const {
    const std::string nn = "torch.nn.modules.", ours = "ultralytics.nn.modules.";
    const Program conv = module(nn + "conv", "Conv2d", {{"weight", weight}, {"bias", bias}}, {},
                                {{"kernel_size", integers({3, 3})},
                                 {"stride", integers({2, 2})},
                                 {"padding", integers({1, 1})},
                                 {"dilation", integers({1, 1})},
                                 {"groups", integer(1)},
                                 {"padding_mode", text("zeros")}});
    const Program block = module(ours + "conv", "Conv", {}, {{"conv", conv}, {"act", module(nn + "activation", "SiLU", {}, {}, {{"inplace", yes}})}},
                                 {{"i", integer(0)}, {"f", integer(-1)}});
    const Program inner =
        module(ours + "conv", "Conv", {}, {{"conv", module(nn + "linear", "Identity", {}, {})}, {"act", module(nn + "linear", "Identity", {}, {})}});
    const Program head = module(ours + "head", "Classify", {},
                                {{"conv", inner},
                                 {"pool", module(nn + "pooling", "AdaptiveAvgPool2d", {}, {}, {{"output_size", integer(1)}})},
                                 {"drop", module(nn + "dropout", "Dropout", {}, {}, {{"p", integer(0)}})},
                                 {"linear", module(nn + "linear", "Linear", {{"weight", linear}, {"bias", none}}, {})}},
                                {{"i", integer(1)}, {"f", integer(-1)}});
    return module("ultralytics.nn.tasks", "ClassificationModel", {},
                  {{"model", module(nn + "container", "Sequential", {}, {{"0", block}, {"1", head}})}},
                  {{"names", "}(" + integer(0) + text("cat") + integer(1) + text("dog") + "u"}, {"task", text("classify")}});
  }
  std::string pickle() const {
    Entries entries = {{"model", network()}, {"ema", none}, {"train_args", arguments}, {"version", text("8.3.0")}};
    entries.insert(entries.end(), more.begin(), more.end());
    return "\x80\x02" + dictionary(entries) + ".";
  }
  std::string file() const {
    std::vector<TestMember> all = {{"best/data.pkl", pickle(), deflated}};
    // float16 1.0; float32 0.5
    std::string halves, floats;
    for (int i = 0; i < 108; ++i) halves += std::string("\0\x3c", 2);
    for (int i = 0; i < 12; ++i) floats += std::string("\0\0\0\x3f", 4);
    all.push_back({"best/data/0", halves, deflated});
    all.push_back({"best/data/1", floats.substr(0, 16), deflated});
    all.push_back({"best/data/2", floats.substr(16), deflated});
    all.insert(all.end(), members.begin(), members.end());
    return zip(all);
  }
};

}  // namespace lathe::ultralytics::test
