// See predictor.hpp.
#include "core/predict/predictor.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/base/diagnostic.hpp"
#include "core/calibration/preprocessing.hpp"
#include "core/package/package.hpp"
#include "core/predict/suppress.hpp"

namespace lathe {
namespace {

[[noreturn]] void refuse(const std::string& artifact, const std::string& text, const std::string& found = {}) {
  Diagnostic d;
  d.text = text;
  d.location = artifact;
  d.found = found;
  d.hint = "`lathe run` gives any inputs to a model and writes its bare outputs";
  throw Error(Code::failed, std::move(d));
}

// From the input's pixels to the picture's.
void place(Detection& d, const Placement& placement, Surface picture) {
  const auto x = [&](float value) { return static_cast<float>(placement.picture_x(value)); };
  const auto y = [&](float value) { return static_cast<float>(placement.picture_y(value)); };
  const auto inside_x = [&](float value) { return std::clamp(x(value), 0.0f, static_cast<float>(picture.width)); };
  const auto inside_y = [&](float value) { return std::clamp(y(value), 0.0f, static_cast<float>(picture.height)); };
  if (d.rotated) {
    RotatedBox& box = *d.rotated;
    box = {x(box.x), y(box.y), static_cast<float>(box.width / placement.scale_x), static_cast<float>(box.height / placement.scale_y), box.angle};
    d.box = enclosing(box);
  } else {
    d.box = {inside_x(d.box.left), inside_y(d.box.top), inside_x(d.box.right), inside_y(d.box.bottom)};
  }
  for (Keypoint& point : d.keypoints) point.x = inside_x(point.x), point.y = inside_y(point.y);
}

// How YOLOv5's classifiers see pictures (its 7.0, utils/augmentations.py: CenterCrop, ToTensor, Normalize): the square in the middle, brought to the
// input's size without antialiasing, then ImageNet's mean and deviation.
Picture middle_square(const Picture& picture) {
  const int64_t side = std::min(picture.width, picture.height), left = (picture.width - side) / 2, top = (picture.height - side) / 2;
  Picture square{side, side, {}};
  for (int64_t y = top; y < top + side; ++y) {
    const auto row = picture.rgb.begin() + (y * picture.width + left) * 3;
    square.rgb.insert(square.rgb.end(), row, row + side * 3);
  }
  return square;
}

Tensor normalised(const Picture& picture, DataType type, const PictureLayout& layout) {
  Preprocessing p;
  p.type = type, p.layout = layout;
  for (size_t c = 0; c < imagenet_mean.size(); ++c) p.mean[c] = imagenet_mean[c], p.scale[c] = 1 / imagenet_deviation[c];
  return to_input(p, picture);
}

}  // namespace

std::vector<std::pair<int64_t, float>> surest_classes(const Tensor& tensor) {
  if (tensor.type != DataType::float32 || tensor.size() < 1 || tensor.dimensions.empty() || tensor.dimensions.back() != tensor.size())
    throw Error(Code::failed, "the classifier's output is no row of probabilities", "`lathe run` writes the bare output");
  std::vector<float> values(tensor.as<float>().begin(), tensor.as<float>().end());
  // Some networks (YOLOv5's classifiers, most of torchvision's) end before the softmax.
  double sum = 0;
  for (const float value : values) sum += value;
  const bool distribution = std::abs(sum - 1) < 1e-2 && std::all_of(values.begin(), values.end(), [](float v) { return v >= 0 && v <= 1; });
  if (!distribution) {
    const float largest = *std::max_element(values.begin(), values.end());
    double total = 0;
    for (float& value : values) total += value = std::exp(value - largest);
    for (float& value : values) value = static_cast<float>(value / total);
  }
  const auto sureness = [&](int64_t i) {  // what is no number comes last
    const float value = values[static_cast<size_t>(i)];
    return std::isnan(value) ? -INFINITY : value;
  };
  std::vector<int64_t> order(values.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    const float first = sureness(a), second = sureness(b);
    return first != second ? first > second : a < b;
  });
  std::vector<std::pair<int64_t, float>> list;
  for (size_t i = 0; i < std::min<size_t>(order.size(), 5); ++i) list.emplace_back(order[i], values[static_cast<size_t>(order[i])]);
  return list;
}

Predictor::Predictor(Plugins& plugins, const std::string& artifact, unsigned threads, std::string* stand_in, const StageSubstitute& substitute)
    : executable_(open_artifact(plugins, artifact, threads, false, stand_in, substitute)), contract_(read_contract(artifact)) {
  if (executable_->inputs().size() != 1)
    refuse(artifact, "this model takes no single picture", std::to_string(executable_->inputs().size()) + " inputs");
  const ValueType& type = executable_->inputs()[0].type;
  const std::optional<PictureLayout> layout = type.shape ? picture_layout(*type.shape) : std::nullopt;
  if (!layout || type.kind != ValueKind::tensor) refuse(artifact, "this model's input holds no picture", type.shape ? to_string(*type.shape) : "");
  if (const Dimension& batch = type.shape->front(); batch.constant() && batch.value != 1)
    refuse(artifact, "this model takes several pictures at once, and predictions are made one by one", to_string(*type.shape));
  const std::vector<TensorInfo>& outputs = executable_->outputs();
  const auto rank = [&](size_t i) { return i < outputs.size() && outputs[i].type.shape ? outputs[i].type.shape->size() : 0; };
  // A row of numbers and nothing else: a classifier whose classes have no names, as torchvision exports them.
  if (contract_.task == Task::unknown && outputs.size() == 1 && rank(0) == 2) contract_.task = Task::classify;
  if (contract_.task == Task::unknown && contract_.labels.empty())
    refuse(artifact, "this package says neither the model's task nor its classes, so what its outputs mean is not known");
  layout_ = *layout, type_ = type.element;
  if (type_ != DataType::float32 && type_ != DataType::float16 && type_ != DataType::uint8)
    refuse(artifact, "this model's input takes no pictures: they are floats or bytes", std::string(name(type_)));
  if (contract_.normalised_input && (layout_.channels != 3 || (type_ != DataType::float32 && type_ != DataType::float16)))
    refuse(artifact, "pictures normalised by ImageNet's mean and deviation want three channels of floats", std::string(name(type_)));
  // Models that came without a task (YOLOv5's ONNX export has classes only): a second output of rank 4 are prototypes.
  if (contract_.task == Task::unknown) contract_.task = rank(1) == 4 ? Task::segment : rank(0) == 2 ? Task::classify : Task::detect;
}

Prediction Predictor::predict(const Picture& picture, const PredictOptions& options) {
  // What the input leaves open is as in training, and as training had it where the package does not say either.
  constexpr int64_t usual = 640;
  const int64_t width = layout_.width > 0 ? layout_.width : contract_.width > 0 ? contract_.width : usual;
  const int64_t height = layout_.height > 0 ? layout_.height : contract_.height > 0 ? contract_.height : usual;
  if (contract_.normalised_input) {
    const Picture seen = resize(middle_square(picture), width, height);
    return interpret(executable_->run({normalised(seen, type_, layout_)}), {width, height}, {}, {picture.width, picture.height}, options);
  }
  Preprocessing p;
  p.type = type_, p.layout = layout_, p.fit = contract_.fit, p.bgr = contract_.bgr;
  if (contract_.normalisation)
    p.mean = contract_.normalisation->mean, p.scale = contract_.normalisation->scale;
  else
    p.scale.fill(1.0f / 255);
  const FittedPicture fitted = fit(p, picture, width, height);
  const std::vector<Datum> outputs = executable_->run({to_input(p, fitted.picture)});
  return interpret(outputs, {width, height}, fitted.placement, {picture.width, picture.height}, options);
}

Prediction Predictor::interpret(const std::vector<Datum>& outputs, Surface input, const Placement& placement, Surface picture,
                                const PredictOptions& options) const {
  Prediction prediction{picture.width, picture.height, {}, {}, {}};
  if (contract_.task == Task::classify) {
    prediction.classes = surest_classes(outputs.at(0).tensor);
    return prediction;
  }
  std::vector<NamedOutput> named;
  for (size_t i = 0; i < outputs.size(); ++i) named.push_back({executable_->outputs().at(i).name, outputs[i].tensor});
  Candidates candidates = decode(contract_, named, input.width, input.height, options.confidence, options.classes);
  std::vector<Detection>& found = candidates.detections;
  if (candidates.suppressed) {
    sort_by_score(found);
    if (found.size() > static_cast<size_t>(options.most)) found.resize(static_cast<size_t>(options.most));
  } else {
    found = suppress(std::move(found), {options.overlap, options.most, options.agnostic});
  }
  const auto prototypes =
      std::find_if(named.begin(), named.end(), [](const NamedOutput& o) { return o.name == "output1" || o.name == "prototypes"; });
  for (Detection& d : found) {
    if (contract_.task == Task::segment) {
      if (prototypes == named.end())
        throw Error(Code::failed, "the segmenter yields no prototypes, so there are no masks", "compile the model again");
      Mask mask = make_mask(d, prototypes->tensor, input, placement, picture);
      if (mask.area() == 0) continue;  // a box around nothing
      prediction.masks.push_back(std::move(mask));
    }
    place(d, placement, picture);
    prediction.detections.push_back(std::move(d));
  }
  return prediction;
}

}  // namespace lathe
