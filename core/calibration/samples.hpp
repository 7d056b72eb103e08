// Calibration data as the model's inputs: opened once, read sample by sample, so that a set of any size needs the memory of one sample.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "core/calibration/preprocessing.hpp"
#include "core/calibration/sources.hpp"
#include "core/files/tensor_files.hpp"
#include "core/ir/datum.hpp"

namespace lathe {

// The inputs of a graph that are no constants, in its order.
std::vector<NamedType> inputs_of(const Graph& graph);

class CalibrationSet {
 public:
  // Opens the files; decodes no pictures. `inputs` are the model's. Throws Error: a file that changed since it was hashed, arrays of another shape or
  // type than the model's inputs, pictures for a model that takes none or more than a picture.
  CalibrationSet(CalibrationSource source, std::vector<NamedType> inputs, std::optional<Preprocessing> preprocessing, unsigned threads);

  size_t count() const { return samples_.size(); }
  const CalibrationSource& from() const { return source_; }
  const std::vector<NamedType>& inputs() const { return inputs_; }
  const std::optional<Preprocessing>& preprocessing() const { return preprocessing_; }
  // Whether read_picture() has something to read: pictures, bytes of 0..255, or random ones.
  bool has_pictures() const;
  // Arrays whose numbers lie for the picture input as they are, so that nothing here knows how they were made.
  bool has_finished_pictures() const;

  // Thread-safe. Throws Error(failed).
  Tensor read(size_t sample, size_t input) const;
  NamedData read(size_t sample) const;
  // Fitted, in the contract's order of channels, before mean and scale.
  Picture read_picture(size_t sample) const;
  // The file a sample comes from, absolute; empty for random ones. `fingerprint` is equal for two samples of the same content.
  const std::string& file(size_t sample) const;
  std::string fingerprint(size_t sample) const;

  // Keeps the samples whose place in `wanted` is true.
  void keep(const std::vector<bool>& wanted);

 private:
  // One input's samples in one file, one after the other.
  struct Array {
    DataType type = DataType::none;
    Bytes bytes;
    uint64_t item_bytes = 0;
    size_t count = 0;
    bool pixels = false;        // bytes of 0..255 that mean and scale are still to be applied to
    bool other_layout = false;  // channels last where the input has them first, or the reverse
  };
  struct Sample {
    size_t file = 0, item = 0;
  };

  void open_arrays(unsigned threads);
  Array fit_array(Bytes bytes, DataType type, const std::vector<int64_t>& dimensions, const NamedType& input, const std::string& file) const;
  Tensor from_array(const Array& array, size_t item, const NamedType& input) const;
  Picture random_picture(size_t sample) const;
  size_t picture_input() const;  // its number; inputs().size() when there is none

  CalibrationSource source_;
  std::vector<NamedType> inputs_;
  std::optional<Preprocessing> preprocessing_;
  std::vector<std::vector<Array>> arrays_;  // per file, per input
  std::vector<Sample> samples_;
};

}  // namespace lathe
