// Seeded inputs and the comparison.
#include "core/job/verification.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "core/base/diagnostic.hpp"
#include "core/ops/operator.hpp"
#include "core/reference/reference.hpp"
#include "lathe/kernels/types.hpp"

namespace lathe {
namespace {

// SplitMix64 (Steele, Lea, Flood 2014): the same sequence on every machine.
struct Random {
  uint64_t state;
  uint64_t next() {
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  double unit() { return double(next() >> 11) * 0x1p-53; }
};

uint64_t hash(std::string_view text) {  // FNV-1a
  uint64_t h = 0xcbf29ce484222325;
  for (unsigned char c : text) h = (h ^ c) * 0x100000001b3;
  return h;
}

template <class T>
void fill(Tensor& tensor, Random& random, bool whole) {
  for (T& x : tensor.as_mutable<T>()) x = static_cast<T>(whole ? double(random.next() & 1) : random.unit());
}

Tensor random_tensor(DataType type, std::vector<int64_t> dimensions, Random random, const std::string& input) {
  Tensor tensor = Tensor::allocate(type, std::move(dimensions));
  switch (type) {
    case DataType::float32:
      fill<float>(tensor, random, false);
      break;
    case DataType::float64:
      fill<double>(tensor, random, false);
      break;
    case DataType::float16:
      for (kernels::float16& x : tensor.as_mutable<kernels::float16>()) x = kernels::float16(float(random.unit()));
      break;
    case DataType::bfloat16:
      for (kernels::bfloat16& x : tensor.as_mutable<kernels::bfloat16>()) x = kernels::bfloat16(float(random.unit()));
      break;
    case DataType::uint8:
    case DataType::int8:
    case DataType::boolean:
      fill<uint8_t>(tensor, random, true);
      break;
    case DataType::uint16:
    case DataType::int16:
      fill<uint16_t>(tensor, random, true);
      break;
    case DataType::uint32:
    case DataType::int32:
      fill<uint32_t>(tensor, random, true);
      break;
    case DataType::uint64:
    case DataType::int64:
      fill<uint64_t>(tensor, random, true);
      break;
    case DataType::string: {
      std::vector<std::string> words(static_cast<size_t>(tensor.size()));
      for (std::string& word : words) word = static_cast<char>('0' + random.next() % 10);
      tensor.strings = std::make_shared<const std::vector<std::string>>(std::move(words));
      break;
    }
    default:
      throw Error(Code::unsupported, "no input can be made up for '" + input + "' of type " + std::string(name(type)),
                  "verify with 'lathe verify --input'");
  }
  return tensor;
}

// The elements as numbers; empty when the type has none.
template <class T>
std::vector<double> numbers(const Tensor& tensor) {
  std::vector<double> out;
  out.reserve(tensor.as<T>().size());
  for (const T& x : tensor.as<T>()) out.push_back(static_cast<double>(static_cast<std::conditional_t<kernels::is_half<T>, float, T>>(x)));
  return out;
}

std::vector<double> numbers(const Tensor& tensor) {
  switch (tensor.type) {
    case DataType::float32:
      return numbers<float>(tensor);
    case DataType::float64:
      return numbers<double>(tensor);
    case DataType::float16:
      return numbers<kernels::float16>(tensor);
    case DataType::bfloat16:
      return numbers<kernels::bfloat16>(tensor);
    case DataType::uint8:
    case DataType::boolean:
      return numbers<uint8_t>(tensor);
    case DataType::int8:
      return numbers<int8_t>(tensor);
    case DataType::uint16:
      return numbers<uint16_t>(tensor);
    case DataType::int16:
      return numbers<int16_t>(tensor);
    case DataType::uint32:
      return numbers<uint32_t>(tensor);
    case DataType::int32:
      return numbers<int32_t>(tensor);
    case DataType::uint64:
      return numbers<uint64_t>(tensor);
    case DataType::int64:
      return numbers<int64_t>(tensor);
    default:
      return {};
  }
}

bool floating(DataType type) {
  return type == DataType::float32 || type == DataType::float64 || type == DataType::float16 || type == DataType::bfloat16;
}

std::string place_of(size_t index, const std::vector<int64_t>& dimensions) {
  std::string text;
  for (size_t d = dimensions.size(); d-- > 0;) {
    size_t size = static_cast<size_t>(std::max<int64_t>(dimensions[d], 1));
    text = std::to_string(index % size) + (text.empty() ? "" : ",") + text;
    index /= size;
  }
  return "[" + text + "]";
}

std::string describe(const Tensor& tensor) {
  std::string text = std::string(name(tensor.type)) + "[";
  for (size_t i = 0; i < tensor.dimensions.size(); ++i) text += (i ? "," : "") + std::to_string(tensor.dimensions[i]);
  return text + "]";
}

std::string shown(double x) {
  char text[64];
  std::snprintf(text, sizeof text, "%.3g", x);
  return text;
}

// NaN when either is zero everywhere or holds a NaN.
double cosine_of(const std::vector<double>& a, const std::vector<double>& b) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) ab += a[i] * b[i], aa += a[i] * a[i], bb += b[i] * b[i];
  return ab / std::sqrt(aa * bb);
}

// A node that decodes pictures, here or in a body; nullptr: there is none.
const Node* picture_decoder(const Graph& graph) {
  for (const Node& node : graph.nodes) {
    if (node.op_type == "ImageDecoder" && node.domain.empty()) return &node;
    for (const Graph* body : subgraphs(node))
      if (const Node* found = picture_decoder(*body)) return found;
  }
  return nullptr;
}

bool has_open_dimension(const Graph& graph) {
  for (ValueId id : graph.inputs)
    if (!graph.value(id).type.static_shape()) return true;
  return false;
}

}  // namespace

Limits limits_for(const std::string& precision, const Graph& graph) {
  constexpr double least_cosine = 0.999;
  for (const Node& node : graph.nodes)
    if (node.op_type == "QuantizeLinear" || node.op_type == "DynamicQuantizeLinear") return {1e-4, 1e-7, least_cosine};
  if (precision == "float32") return {1e-4, 1e-7};
  if (precision == "float16" || precision == "bfloat16") return {1e-2, 1e-5};
  return {1e-4, 1e-7, least_cosine};
}

std::string_view name(Verification::State state) {
  static constexpr std::string_view names[] = {"off", "skipped", "agrees", "disagrees"};
  return names[static_cast<int>(state)];
}

OutputComparison compare_outputs(const std::string& name, const Tensor& reference, const Tensor& found, const Limits& limits) {
  OutputComparison c;
  c.name = name;
  if (reference.type != found.type || reference.dimensions != found.dimensions) {
    c.agrees = false;
    c.problem = "the reference yields " + describe(reference) + ", the artifact " + describe(found);
    return c;
  }
  std::vector<double> r = numbers(reference), x = numbers(found);
  if (r.empty()) {
    bool same = reference.type == DataType::string ? reference.strings && found.strings && *reference.strings == *found.strings : reference == found;
    if (!same) c.agrees = false, c.problem = "the bytes differ";
    return c;
  }
  bool real = floating(reference.type);
  for (double v : r)
    if (std::isfinite(v)) c.largest = std::max(c.largest, std::fabs(v));
  double limit = real ? limits.absolute + limits.relative * c.largest : 0;
  c.allowed = limit;
  double worst = -1;
  for (size_t i = 0; i < r.size(); ++i) {
    double difference = std::fabs(x[i] - r[i]);
    if (std::isnan(r[i]) && std::isnan(x[i])) difference = 0;
    if (x[i] == r[i]) difference = 0;  // infinities of one sign
    if (std::isnan(difference)) difference = INFINITY;
    if (difference > worst) worst = difference, c.place = place_of(i, reference.dimensions), c.expected = r[i], c.found = x[i];
  }
  c.difference = worst;
  c.agrees = worst <= limit;
  if (real && limits.cosine > 0 && !c.agrees) {
    const double cosine = cosine_of(r, x);
    c.agrees = cosine >= limits.cosine;
    char text[128];
    std::snprintf(text, sizeof text, "the cosine between the two is %.6f, and at least %.6f is wanted", cosine, limits.cosine);
    if (!c.agrees) c.problem = text;
  }
  // Quantised outputs: a tie that falls the other way is one step, and a few steps further on in the network; their zero point says nothing.
  const bool quantized = limits.cosine > 0 && (reference.type == DataType::int8 || reference.type == DataType::uint8);
  if (quantized && !c.agrees) {
    constexpr double steps = 2;
    const double middle = std::accumulate(r.begin(), r.end(), 0.0) / static_cast<double>(r.size());
    for (double& v : r) v -= middle;
    for (double& v : x) v -= middle;
    c.agrees = worst <= steps || cosine_of(r, x) >= limits.cosine;
  }
  return c;
}

namespace {

// Judges an output that is beyond the limits by what rounding alone moves: `moved` are other runs of the reference.
void judge_by_rounding(OutputComparison& c, const Tensor& reference, const Tensor& found, std::span<const Tensor* const> moved) {
  constexpr double times = 3;
  const std::vector<double> r = numbers(reference), x = numbers(found);
  const auto root_mean_square = [&](const std::vector<double>& other) {
    double squares = 0;
    for (size_t i = 0; i < r.size(); ++i)
      if (other[i] != r[i]) squares += (other[i] - r[i]) * (other[i] - r[i]);
    return std::sqrt(squares / double(r.size()));
  };
  double usual = 0;
  for (const Tensor* tensor : moved) {
    const std::vector<double> m = numbers(*tensor);
    if (m.size() != r.size()) return;
    for (size_t i = 0; i < r.size(); ++i)
      if (std::isfinite(m[i]) && std::isfinite(r[i])) c.rounding = std::max(c.rounding, std::fabs(m[i] - r[i]));
    usual = std::max(usual, root_mean_square(m));
  }
  if (!std::isfinite(usual) || !std::isfinite(c.difference)) return;
  c.allowed = std::max(c.allowed, times * c.rounding);
  c.agrees = c.difference <= c.allowed && root_mean_square(x) <= times * usual;
}

}  // namespace

OutputComparison compare_outputs(const std::string& name, const Datum& reference, const Datum& found, const Limits& limits) {
  if (reference.is_tensor() && found.is_tensor()) return compare_outputs(name, reference.tensor, found.tensor, limits);
  OutputComparison worst;
  worst.name = name;
  if (reference.kind != found.kind || reference.present != found.present || reference.elements.size() != found.elements.size()) {
    worst.agrees = false;
    worst.problem = "the reference yields " + describe(reference) + ", the artifact " + describe(found);
    return worst;
  }
  if (!reference.present) return worst;
  if (!reference.is_sequence()) return compare_outputs(name, reference.tensor, found.tensor, limits);
  for (size_t i = 0; i < reference.elements.size(); ++i) {
    OutputComparison one = compare_outputs(name, reference.elements[i], found.elements[i], limits);
    if (one.agrees && i > 0 && (!worst.agrees || one.difference <= worst.difference)) continue;
    one.place = "element " + std::to_string(i) + " " + one.place;
    worst = std::move(one);
  }
  return worst;
}

NamedData seeded_inputs(const Graph& graph, uint64_t seed, int64_t open) {
  NamedData inputs;
  if (const Node* decoder = picture_decoder(graph))
    throw Error(Code::unsupported, "no picture file can be made up for '" + decoder->name + "' (ImageDecoder)", "verify with 'lathe verify --input'");
  for (ValueId id : graph.inputs) {
    const Value& value = graph.value(id);
    if (value.constant) continue;
    if (!value.type.shape)
      throw Error(Code::unsupported, "no input can be made up for '" + value.name + "', whose rank is not known",
                  "verify with 'lathe verify --input'");
    std::vector<int64_t> dimensions;
    for (size_t i = 0; i < value.type.shape->size(); ++i) {
      const Dimension& d = (*value.type.shape)[i];
      dimensions.push_back(d.constant() ? d.value : i == 0 ? 1 : open);
    }
    const uint64_t state = hash(value.name) ^ (seed * 0x9e3779b97f4a7c15);
    const auto make = [&](uint64_t more) { return random_tensor(value.type.element, dimensions, Random{state + more}, value.name); };
    const bool sequence = value.type.kind == ValueKind::sequence || value.type.kind == ValueKind::optional_sequence;
    inputs[value.name] = converted(sequence ? Datum::sequence(value.type.element, {make(0), make(1)}) : Datum(make(0)), value.type);
  }
  return inputs;
}

std::string unpredictable(const Graph& graph) {
  for (const Node& node : graph.nodes) {
    const Operator* op = find_operator(node.domain, node.op_type);
    if (op && !op->deterministic && !node.has("seed"))
      return "'" + node.name + "' (" + node.op_type + ") draws other random numbers in every run, because it has no attribute 'seed'";
    for (const auto& [name, attribute] : node.attributes) {
      const auto* inner = std::get_if<Attribute::Subgraph>(&attribute.value);
      std::string reason = inner && *inner ? unpredictable(**inner) : "";
      if (!reason.empty()) return reason;
    }
  }
  return "";
}

Verification verify_artifact(const Graph& graph, Executable& artifact, const Limits& limits, bool full, unsigned threads,
                             const std::function<bool()>& cancelled) {
  struct Trial {
    uint64_t seed;
    int64_t open;
    bool zeros;
  };
  std::vector<Trial> trials = {{1, 32, false}};
  if (full) {
    trials.insert(trials.end(), {{2, 32, false}, {3, 32, false}, {4, 32, false}, {0, 32, true}});
    if (has_open_dimension(graph)) trials.insert(trials.end(), {{5, 64, false}, {6, 96, false}});
  }
  Verification worst;
  for (const Trial& trial : trials) {
    NamedData inputs = seeded_inputs(graph, trial.seed, trial.open);
    if (trial.zeros)
      for (auto& [key, datum] : inputs)
        if (datum.is_tensor() && datum.tensor.type != DataType::string) datum = Tensor::allocate(datum.tensor.type, datum.tensor.dimensions);
    Verification one = compare_on(graph, artifact, inputs, limits, threads, cancelled);
    if (worst.inputs == 0) {
      worst = std::move(one);
      continue;
    }
    ++worst.inputs;
    if (one.state == Verification::State::disagrees) worst.state = one.state;
    auto measure = [](const OutputComparison& o) { return o.problem.empty() ? o.difference / (o.largest + 1e-30) : INFINITY; };
    for (size_t i = 0; i < worst.outputs.size(); ++i) {
      OutputComparison &w = worst.outputs[i], &o = one.outputs[i];
      if (w.agrees != o.agrees ? w.agrees : measure(o) > measure(w)) w = std::move(o);
    }
  }
  return worst;
}

Verification compare_on(const Graph& graph, Executable& artifact, const NamedData& inputs, const Limits& limits, unsigned threads,
                        const std::function<bool()>& cancelled) {
  ReferenceOptions options;
  options.threads = threads;
  options.cancelled = cancelled;
  NamedData expected = run_reference(graph, inputs, options);
  std::vector<Datum> ordered;
  for (const TensorInfo& info : artifact.inputs()) {
    auto found = inputs.find(info.name);
    if (found == inputs.end()) throw Error(Code::internal, "the artifact has an input '" + info.name + "' that the model lacks");
    ordered.push_back(found->second);
  }
  std::vector<Datum> outputs = artifact.run(ordered);
  Verification verification;
  verification.limits = limits, verification.inputs = 1, verification.state = Verification::State::agrees;
  std::vector<NamedData> moved;  // other runs of the reference, made where one is wanted
  for (ValueId id : graph.outputs) {
    const std::string& name = graph.value(id).name;
    size_t at = 0;
    while (at < artifact.outputs().size() && artifact.outputs()[at].name != name) ++at;
    OutputComparison c;
    if (at >= outputs.size()) {
      c.name = name, c.agrees = false, c.problem = "the artifact has no such output";
    } else {
      const Datum &wanted = expected.at(name), &found = outputs[at];
      c = compare_outputs(name, wanted, found, limits);
      const bool by_value = limits.rounding && limits.cosine <= 0 && wanted.is_tensor() && wanted.tensor.type == DataType::float32;
      if (!c.agrees && c.problem.empty() && by_value) {
        for (uint64_t seed = 1; moved.size() < 2; ++seed) {
          options.moved_sums = seed;
          moved.push_back(run_reference(graph, inputs, options));
        }
        const Tensor* const tensors[] = {&moved[0].at(name).tensor, &moved[1].at(name).tensor};
        judge_by_rounding(c, wanted.tensor, found.tensor, tensors);
      }
    }
    if (!c.agrees) verification.state = Verification::State::disagrees;
    verification.outputs.push_back(std::move(c));
  }
  return verification;
}

std::optional<TensorRange> range_of(const Tensor& tensor) {
  std::vector<double> all = numbers(tensor);
  TensorRange range{INFINITY, -INFINITY, 0};
  size_t count = 0;
  for (double x : all) {
    if (std::isnan(x)) continue;
    range.lowest = std::min(range.lowest, x), range.highest = std::max(range.highest, x), range.mean += x;
    ++count;
  }
  if (!count) return std::nullopt;
  range.mean /= double(count);
  return range;
}

std::vector<Diagnostic> describe_rounding(const Verification& verification) {
  std::vector<Diagnostic> list;
  for (const OutputComparison& o : verification.outputs) {
    if (!o.agrees || o.rounding <= 0) continue;
    Diagnostic d;
    d.severity = Severity::note;
    d.location = o.name;
    d.text = "rounding alone moves output '" + o.name + "' by up to " + shown(o.rounding) +
             " on the made-up input, so the artifact's difference of " + shown(o.difference) + " says little";
    d.hint = "look closer with 'lathe verify --input' and a picture of yours";
    list.push_back(std::move(d));
  }
  return list;
}

std::vector<Diagnostic> describe_disagreement(const Verification& verification) {
  std::vector<Diagnostic> list;
  for (const OutputComparison& o : verification.outputs) {
    if (o.agrees) continue;
    Diagnostic d;
    d.location = o.name;
    if (!o.problem.empty()) {
      d.text = "output '" + o.name + "' is not what the reference engine yields: " + o.problem;
    } else {
      d.text = "output '" + o.name + "' differs from the reference engine by " + shown(o.difference) + " at " + o.place + ", and at most " +
               shown(o.allowed) + " is allowed";
      if (o.rounding > 0) d.text += " (rounding alone moves it by up to " + shown(o.rounding) + ")";
      char number[64];
      std::snprintf(number, sizeof number, "%.9g", o.expected), d.expected = number;
      std::snprintf(number, sizeof number, "%.9g", o.found), d.found = number;
    }
    list.push_back(std::move(d));
  }
  if (!list.empty())
    list.back().hint =
        "an integer output may differ by a tie; otherwise this is a defect of the target: report it with the model, or look closer with --verify off "
        "and 'lathe verify'";
  return list;
}

}  // namespace lathe
