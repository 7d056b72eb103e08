// The functions that descriptions may use. They mean what the functions of the same name in torch and torch.nn.functional mean.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

#include "trace.hpp"

namespace lathe::ultralytics {
namespace {

struct Call {
  Trace& trace;
  Net& net;
  const Module& self;
  const std::string& name;
  const List& arguments;
  const std::map<std::string, Value>& keywords;

  // Argument `index`, or the one of that name; nullptr: not given.
  const Value* find(size_t index, const char* key) const {
    if (index < arguments.size()) return &arguments[index];
    const auto found = keywords.find(key);
    return found == keywords.end() ? nullptr : &found->second;
  }
  const Value& at(size_t index, const char* key) const {
    if (const Value* v = find(index, key)) return *v;
    net.refuse(LATHE_FAILED, "in a module's description, " + name + "() lacks its argument '" + key + "'");
  }
  const Tensor& tensor(size_t index = 0) const { return tensor_of(net, at(index, "input")); }
  int64_t integer(size_t index, const char* key, int64_t fallback) const {
    const Value* v = find(index, key);
    return v ? integer_of(net, *v) : fallback;
  }
  // All arguments from `begin` on as integers; a list alone counts for its elements.
  std::vector<int64_t> rest(size_t begin) const {
    std::vector<int64_t> values;
    for (size_t i = begin; i < arguments.size(); ++i)
      for (const int64_t v : integers_of(net, arguments[i])) values.push_back(v);
    return values;
  }
  std::vector<int64_t> pair(size_t index, const char* key, std::vector<int64_t> fallback) const {
    const Value* v = find(index, key);
    if (!v || std::holds_alternative<std::monostate>(v->is)) return fallback;
    std::vector<int64_t> values = integers_of(net, *v);
    if (values.size() == 1) values.push_back(values[0]);
    if (values.size() != 2) net.refuse(LATHE_FAILED, "in a module's description, " + name + "() wants a number or two for '" + key + "'");
    return values;
  }
};

Value cat(const Call& c) { return c.net.concat(tensors_of(c.net, c.at(0, "tensors")), c.integer(1, "dim", 0)); }
Value stack(const Call& c) {
  std::vector<Tensor> parts = tensors_of(c.net, c.at(0, "tensors"));
  const int64_t dim = c.integer(1, "dim", 0);
  for (Tensor& t : parts) {
    std::vector<int64_t> shape = t.shape;
    const int64_t at = dim < 0 ? dim + t.rank() + 1 : dim;
    if (at < 0 || at > t.rank()) c.net.refuse(LATHE_FAILED, "in a module's description, stack() has an axis that does not fit");
    shape.insert(shape.begin() + at, 1);
    t = c.net.reshape(t, shape);
  }
  return c.net.concat(parts, dim);
}
Value list_of_tensors(std::vector<Tensor> tensors) {
  List items;
  for (Tensor& t : tensors) items.emplace_back(std::move(t));
  return Value::list(std::move(items));
}
Value chunk(const Call& c) {
  const Tensor& x = c.tensor();
  const int64_t count = c.integer(1, "chunks", 2), axis = c.net.axis(x, c.integer(2, "dim", 0)), size = x.shape[static_cast<size_t>(axis)];
  if (count < 1) c.net.refuse(LATHE_FAILED, "in a module's description, chunk() wants at least one part");
  std::vector<int64_t> sizes;
  const int64_t each = (size + count - 1) / count;
  for (int64_t at = 0; at < size; at += each) sizes.push_back(std::min(each, size - at));
  return list_of_tensors(c.net.split(x, sizes, axis));
}
Value split(const Call& c) {
  const Tensor& x = c.tensor();
  const int64_t axis = c.net.axis(x, c.integer(2, "dim", 0)), size = x.shape[static_cast<size_t>(axis)];
  std::vector<int64_t> sizes = integers_of(c.net, c.at(1, "sizes"));
  if (!std::holds_alternative<std::shared_ptr<const List>>(c.at(1, "sizes").is)) {  // a number: parts of that size
    const int64_t each = sizes[0];
    if (each < 1) c.net.refuse(LATHE_FAILED, "in a module's description, split() wants parts of at least 1");
    sizes.clear();
    for (int64_t at = 0; at < size; at += each) sizes.push_back(std::min(each, size - at));
  }
  return list_of_tensors(c.net.split(x, sizes, axis));
}
Value reshape(const Call& c) { return c.net.reshape(c.tensor(), c.rest(1)); }
Value permute(const Call& c) { return c.net.permute(c.tensor(), c.rest(1)); }
Value transpose(const Call& c) {
  const Tensor& x = c.tensor();
  std::vector<int64_t> order(x.shape.size());
  std::iota(order.begin(), order.end(), 0);
  std::swap(order[static_cast<size_t>(c.net.axis(x, c.integer(1, "dim0", 0)))], order[static_cast<size_t>(c.net.axis(x, c.integer(2, "dim1", 1)))]);
  return c.net.permute(x, order);
}
Value flatten(const Call& c) {
  const Tensor& x = c.tensor();
  const int64_t begin = c.net.axis(x, c.integer(1, "start_dim", 0)), end = c.net.axis(x, c.integer(2, "end_dim", -1));
  std::vector<int64_t> shape(x.shape.begin(), x.shape.begin() + begin);
  shape.push_back(-1);
  shape.insert(shape.end(), x.shape.begin() + end + 1, x.shape.end());
  return c.net.reshape(x, shape);
}
Value unsqueeze(const Call& c) {
  const Tensor& x = c.tensor();
  int64_t at = c.integer(1, "dim", 0);
  if (at < 0) at += x.rank() + 1;
  std::vector<int64_t> shape = x.shape;
  if (at < 0 || at > x.rank()) c.net.refuse(LATHE_FAILED, "in a module's description, unsqueeze() has an axis that does not fit");
  shape.insert(shape.begin() + at, 1);
  return c.net.reshape(x, shape);
}
Value squeeze(const Call& c) {
  const Tensor& x = c.tensor();
  const int64_t at = c.net.axis(x, c.integer(1, "dim", 0));
  std::vector<int64_t> shape = x.shape;
  if (shape[static_cast<size_t>(at)] != 1) return x;
  shape.erase(shape.begin() + at);
  return c.net.reshape(x, shape);
}
// every(x, dim, start, step): x[..., start::step, ...] along one axis.
Value every(const Call& c) { return c.net.slice(c.tensor(), c.integer(1, "dim", 0), c.integer(2, "start", 0), INT64_MAX, c.integer(3, "step", 1)); }
// narrow(x, dim, start, length)
Value narrow(const Call& c) {
  const int64_t start = c.integer(2, "start", 0);
  return c.net.slice(c.tensor(), c.integer(1, "dim", 0), start, start + c.integer(3, "length", 1));
}
Value softmax(const Call& c) { return c.net.softmax(c.tensor(), c.integer(1, "dim", -1)); }
Value mean(const Call& c) {
  return c.net.reduce("ReduceMean", c.tensor(), integers_of(c.net, c.at(1, "dim")), c.find(2, "keepdim") && truth_of(c.net, *c.find(2, "keepdim")));
}
Value sum(const Call& c) {  // of a list of tensors, or of a tensor along axes
  if (c.arguments.size() == 1 && std::holds_alternative<std::shared_ptr<const List>>(c.arguments[0].is)) {
    const std::vector<Tensor> parts = tensors_of(c.net, c.arguments[0]);
    if (parts.empty()) c.net.refuse(LATHE_FAILED, "in a module's description, sum() has nothing to add");
    Tensor total = parts[0];
    for (size_t i = 1; i < parts.size(); ++i) total = c.net.binary("Add", total, parts[i]);
    return total;
  }
  return c.net.reduce("ReduceSum", c.tensor(), integers_of(c.net, c.at(1, "dim")), c.find(2, "keepdim") && truth_of(c.net, *c.find(2, "keepdim")));
}
Value amax(const Call& c) {
  return c.net.reduce("ReduceMax", c.tensor(), integers_of(c.net, c.at(1, "dim")), c.find(2, "keepdim") && truth_of(c.net, *c.find(2, "keepdim")));
}
Value max_pool2d(const Call& c) {
  const auto kernel = c.pair(1, "kernel_size", {1, 1});
  return c.net.pool("MaxPool", c.tensor(), {kernel, c.pair(2, "stride", kernel), c.pair(3, "padding", {0, 0}), {1, 1}}, false);
}
Value avg_pool2d(const Call& c) {
  const auto kernel = c.pair(1, "kernel_size", {1, 1});
  return c.net.pool("AveragePool", c.tensor(), {kernel, c.pair(2, "stride", kernel), c.pair(3, "padding", {0, 0}), {1, 1}},
                    c.integer(4, "ceil_mode", 0) != 0, c.integer(5, "count_include_pad", 1) != 0);
}
Value global_average_pool(const Call& c) {
  const Tensor& x = c.tensor();
  if (x.rank() != 4) c.net.refuse(LATHE_FAILED, "in a module's description, global_average_pool() wants an image");
  return c.net.node("GlobalAveragePool", {x}, {x.shape[0], x.shape[1], 1, 1});
}
// interpolate(x, size=[h, w], scale_factor=n, mode='nearest', align_corners=False)
Value interpolate(const Call& c) {
  const Tensor& x = c.tensor();
  const Value *mode = c.find(3, "mode"), *size = c.find(1, "size"), *corners = c.find(4, "align_corners");
  std::vector<int64_t> wanted;
  if (size && !std::holds_alternative<std::monostate>(size->is)) {
    wanted = integers_of(c.net, *size);
  } else if (x.rank() == 4) {
    const double scale = number_of(c.net, c.at(2, "scale_factor"));
    for (size_t i = 2; i < 4; ++i) wanted.push_back(static_cast<int64_t>(std::floor(double(x.shape[i]) * scale)));
  }
  if (wanted.size() != 2) c.net.refuse(LATHE_FAILED, "in a module's description, interpolate() wants height and width");
  const auto* text = mode ? std::get_if<std::string>(&mode->is) : nullptr;
  return c.net.resize(x, wanted[0], wanted[1], text ? *text : "nearest", corners && truth_of(c.net, *corners));
}
// pad(x, [left, right, top, bottom], value=0)
Value pad(const Call& c) {
  const std::vector<int64_t> p = integers_of(c.net, c.at(1, "pad"));
  const Tensor& x = c.tensor();
  if (x.rank() != 4 || p.size() != 4) c.net.refuse(LATHE_FAILED, "in a module's description, pad() wants an image and four numbers");
  const Value* value = c.find(2, "value");
  return c.net.pad(x, {0, 0, p[2], p[0]}, {0, 0, p[3], p[1]}, value ? static_cast<float>(number_of(c.net, *value)) : 0.0f);
}
Value matmul(const Call& c) { return c.net.matmul(c.tensor(0), c.tensor(1)); }
Value silu(const Call& c) { return c.net.binary("Mul", c.tensor(), c.net.unary("Sigmoid", c.tensor())); }
Value maximum(const Call& c) { return c.net.binary("Max", c.tensor(0), c.tensor(1)); }
// layer_norm(x, weight, bias, eps) over the channels of an image [N, C, H, W].
Value channel_norm(const Call& c) {
  const Tensor x = c.net.permute(c.tensor(), {0, 2, 3, 1});
  const Value* eps = c.find(3, "eps");
  const Tensor y = c.net.node("LayerNormalization", {x, c.tensor(1), c.tensor(2)}, x.shape, [&](sdk::NodeData& n) {
    n.set("axis", -1);
    n.set("epsilon", eps ? static_cast<float>(number_of(c.net, *eps)) : 1e-5f);
  });
  return c.net.permute(y, {0, 3, 1, 2});
}
// normalize(x, dim): divided by its Euclidean norm along an axis (torch.nn.functional.normalize: a norm below 1e-12 counts as that).
Value normalize(const Call& c) {
  const Tensor norm = c.net.reduce("ReduceL2", c.tensor(), {c.integer(1, "dim", 1)}, true);
  return c.net.binary("Div", c.tensor(), c.net.binary("Max", norm, c.net.scalar(1e-12f)));
}
// clamp(x, min, max), either of them None
Value clamp(const Call& c) {
  Tensor x = c.tensor();
  for (const auto& [index, key, op_type] : {std::tuple{size_t(1), "min", "Max"}, std::tuple{size_t(2), "max", "Min"}}) {
    const Value* bound = c.find(index, key);
    if (bound && !std::holds_alternative<std::monostate>(bound->is))
      x = c.net.binary(op_type, x, c.net.scalar(static_cast<float>(number_of(c.net, *bound))));
  }
  return x;
}
Value power(const Call& c) {
  if (const auto* t = std::get_if<Tensor>(&c.at(0, "x").is))
    return c.net.binary("Pow", *t, c.net.scalar(static_cast<float>(number_of(c.net, c.at(1, "exponent")))));
  return std::pow(number_of(c.net, c.at(0, "x")), number_of(c.net, c.at(1, "exponent")));
}
// grid_sample(x, grid): x [N, C, H, W] at the places of grid [N, h, w, 2], -1 to 1 over the image, bilinear, zeros outside.
Value grid_sample(const Call& c) {
  const Tensor &x = c.tensor(), &grid = tensor_of(c.net, c.at(1, "grid"));
  if (x.rank() != 4 || grid.rank() != 4 || grid.shape[3] != 2 || grid.shape[0] != x.shape[0])
    c.net.refuse(LATHE_FAILED, "in a module's description, grid_sample() wants an image and a grid of places in it");
  return c.net.node("GridSample", {x, grid}, {x.shape[0], x.shape[1], grid.shape[1], grid.shape[2]}, [](sdk::NodeData& n) {
    n.set("mode", "bilinear");
    n.set("padding_mode", "zeros");
    n.set("align_corners", 0);
  });
}
// sine_positions(width, height, channels): [1, width * height, channels], the encoding of RT-DETR's encoder (Zhao et al., 2023; after Vaswani et al.,
// 2017): sines and cosines of the first, then of the second index of a grid of width x height places, a quarter of the channels each.
Value sine_positions(const Call& c) {
  const int64_t width = c.integer(0, "width", 0), height = c.integer(1, "height", 0), channels = c.integer(2, "channels", 0);
  const auto fits = [](int64_t n) { return n >= 1 && n <= 65536; };
  if (!fits(width) || !fits(height) || !fits(channels) || channels % 4 || width * height * channels > (int64_t(1) << 26))
    c.net.refuse(LATHE_FAILED, "in a module's description, sine_positions() wants a size and channels by fours");
  const int64_t quarter = channels / 4;
  std::vector<float> values;
  for (int64_t at = 0; at < width * height; ++at)
    for (const bool second : {false, true})
      for (const bool cosine : {false, true})
        for (int64_t k = 0; k < quarter; ++k) {
          const float omega = 1.0f / std::pow(10000.0f, static_cast<float>(k) / static_cast<float>(quarter));
          const float angle = static_cast<float>(second ? at % height : at / height) * omega;
          values.push_back(cosine ? std::cos(angle) : std::sin(angle));
        }
  return c.net.floats("positions", {1, width * height, channels}, values);
}
// layer('Conv2d', x): what the class of torch.nn of that name computes with the attributes of this module, for classes derived from it.
Value layer(const Call& c) {
  const auto* name = std::get_if<std::string>(&c.at(0, "name").is);
  Value result;
  const List inputs(c.arguments.begin() + 1, c.arguments.end());
  if (!name || !call_layer(c.trace, *name, c.self, inputs, result))
    c.net.refuse(LATHE_FAILED, "in a module's description, layer() names '" + (name ? *name : "") + "', which is no layer of torch.nn that is known");
  return result;
}
Value adaptive_avg_pool2d(const Call& c) {
  const auto size = c.pair(1, "output_size", {1, 1});
  return c.net.adaptive_pool("ReduceMean", c.tensor(), size[0], size[1]);
}
Value adaptive_max_pool2d(const Call& c) {
  const auto size = c.pair(1, "output_size", {1, 1});
  return c.net.adaptive_pool("ReduceMax", c.tensor(), size[0], size[1]);
}
Value minimum(const Call& c) { return c.net.binary("Min", c.tensor(0), c.tensor(1)); }
Value gelu(const Call& c) {
  const Tensor erf = c.net.unary("Erf", c.net.binary("Mul", c.tensor(), c.net.scalar(0.70710678118f)));
  return c.net.binary("Mul", c.net.binary("Mul", c.tensor(), c.net.binary("Add", erf, c.net.scalar(1))), c.net.scalar(0.5f));
}
Value has(const Call& c) {
  const auto* name = std::get_if<std::string>(&c.at(0, "name").is);
  const PickleId id = name ? c.self.attribute(*name) : no_pickle;
  return id != no_pickle && c.self.checkpoint().pickle()[id].kind != PickleValue::Kind::none;
}
Value get(const Call& c) {  // get('name', fallback)
  const auto* name = std::get_if<std::string>(&c.at(0, "name").is);
  Value value;
  if (name && c.self.attribute(*name) != no_pickle && attribute_of(c.net, c.self, *name, value)) return value;
  return c.at(1, "fallback");
}
Value length(const Call& c) {
  if (const auto* module = std::get_if<Module>(&c.at(0, "list").is)) return double(module->children().size());
  return double(list_of(c.net, c.at(0, "list")).size());
}
Value range(const Call& c) {
  const int64_t begin = c.arguments.size() > 1 ? integer_of(c.net, c.arguments[0]) : 0,
                end = integer_of(c.net, c.at(c.arguments.size() > 1 ? 1 : 0, "end"));
  if (end - begin > 4096) c.net.refuse(LATHE_FAILED, "in a module's description, range() is too long");
  List items;
  for (int64_t i = begin; i < end; ++i) items.emplace_back(double(i));
  return Value::list(std::move(items));
}
Value zip(const Call& c) {
  List rows;
  std::vector<List> columns;
  size_t count = SIZE_MAX;
  for (const Value& v : c.arguments) {
    List column;
    if (const auto* module = std::get_if<Module>(&v.is)) {
      for (auto& [name, child] : module->children()) column.emplace_back(child);
    } else {
      column = list_of(c.net, v);
    }
    count = std::min(count, column.size());
    columns.push_back(std::move(column));
  }
  for (size_t i = 0; !columns.empty() && i < count; ++i) {
    List row;
    for (const List& column : columns) row.push_back(column[i]);
    rows.push_back(Value::list(std::move(row)));
  }
  return Value::list(std::move(rows));
}
Value square_root(const Call& c) {
  if (const auto* t = std::get_if<Tensor>(&c.at(0, "x").is)) return c.net.unary("Sqrt", *t);
  return std::sqrt(number_of(c.net, c.at(0, "x")));
}

struct Entry {
  std::string_view name;
  Value (*run)(const Call&);
};
constexpr Entry functions[] = {
    {"cat", cat},
    {"stack", stack},
    {"chunk", chunk},
    {"split", split},
    {"reshape", reshape},
    {"view", reshape},
    {"permute", permute},
    {"transpose", transpose},
    {"flatten", flatten},
    {"unsqueeze", unsqueeze},
    {"squeeze", squeeze},
    {"every", every},
    {"narrow", narrow},
    {"softmax", softmax},
    {"mean", mean},
    {"sum", sum},
    {"amax", amax},
    {"max_pool2d", max_pool2d},
    {"avg_pool2d", avg_pool2d},
    {"global_average_pool", global_average_pool},
    {"interpolate", interpolate},
    {"pad", pad},
    {"matmul", matmul},
    {"silu", silu},
    {"gelu", gelu},
    {"normalize", normalize},
    {"clamp", clamp},
    {"pow", power},
    {"grid_sample", grid_sample},
    {"sine_positions", sine_positions},
    {"layer", layer},
    {"adaptive_avg_pool2d", adaptive_avg_pool2d},
    {"adaptive_max_pool2d", adaptive_max_pool2d},
    {"minimum", minimum},
    {"maximum", maximum},
    {"channel_norm", channel_norm},
    {"has", has},
    {"get", get},
    {"len", length},
    {"range", range},
    {"zip", zip},
    {"sqrt", square_root},
};
constexpr std::pair<std::string_view, const char*> elementwise[] = {
    {"relu", "Relu"}, {"sigmoid", "Sigmoid"},     {"tanh", "Tanh"},         {"exp", "Exp"}, {"log", "Log"}, {"abs", "Abs"},
    {"erf", "Erf"},   {"hardswish", "HardSwish"}, {"softplus", "Softplus"}, {"neg", "Neg"}, {"cos", "Cos"}, {"sin", "Sin"}};

}  // namespace

std::string function_names() {
  std::vector<std::string_view> names;
  for (const Entry& entry : functions) names.push_back(entry.name);
  for (const auto& [name, op_type] : elementwise) names.push_back(name);
  std::sort(names.begin(), names.end());
  std::string list;
  for (const std::string_view name : names) list += (list.empty() ? "" : ", ") + std::string(name);
  return list;
}

bool is_function(const std::string& name) {
  return std::any_of(std::begin(functions), std::end(functions), [&](const Entry& e) { return e.name == name; }) ||
         std::any_of(std::begin(elementwise), std::end(elementwise), [&](const auto& e) { return e.first == name; });
}

Value call_function(Trace& trace, const Module& self, const std::string& name, const List& arguments, const std::map<std::string, Value>& keywords) {
  const Call call{trace, trace.net, self, name, arguments, keywords};
  for (const Entry& entry : functions)
    if (entry.name == name) return entry.run(call);
  for (const auto& [function, op_type] : elementwise)
    if (function == name) return trace.net.unary(op_type, call.tensor());
  return {};
}

}  // namespace lathe::ultralytics
