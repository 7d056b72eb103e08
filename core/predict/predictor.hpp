// Pictures in, detections out: prepares a picture for a compiled model, runs it, and says what its outputs mean on the picture.
#pragma once
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "core/package/package.hpp"
#include "core/plugin/plugins.hpp"
#include "core/predict/contract.hpp"
#include "core/predict/decode.hpp"
#include "core/predict/masks.hpp"

namespace lathe {

struct PredictOptions {
  float confidence = 0.25f, overlap = 0.7f;
  int64_t most = 300;
  std::set<int64_t> classes;  // empty: all
  bool agnostic = false;      // boxes of different classes suppress each other
};

struct Prediction {
  int64_t width = 0, height = 0;                   // of the picture
  std::vector<Detection> detections;               // in the picture's pixels, surest first
  std::vector<Mask> masks;                         // of a segmenter: one for each detection
  std::vector<std::pair<int64_t, float>> classes;  // of a classifier: class and probability, the five surest, surest first
};

// The five surest classes of a classifier's output, a row of probabilities or of scores before softmax. Throws Error(failed).
std::vector<std::pair<int64_t, float>> surest_classes(const Tensor& row);

class Predictor {
 public:
  // `artifact`, `stand_in`, `substitute`: as open_artifact takes them. Throws Error(failed) when its package does not say what its outputs mean, or
  // it takes no pictures.
  Predictor(Plugins& plugins, const std::string& artifact, unsigned threads, std::string* stand_in = nullptr, const StageSubstitute& substitute = {});

  const Contract& contract() const { return contract_; }

  // `source`: for sentences.
  Prediction predict(const Picture& picture, const PredictOptions& options);

  // What outputs mean that came from an input of the size `input`, on a picture of the size `picture`, which lies in the input as `placement` says.
  Prediction interpret(const std::vector<Datum>& outputs, Surface input, const Placement& placement, Surface picture,
                       const PredictOptions& options) const;

 private:
  std::unique_ptr<Executable> executable_;
  Contract contract_;
  PictureLayout layout_;
  DataType type_ = DataType::float32;
};

}  // namespace lathe
