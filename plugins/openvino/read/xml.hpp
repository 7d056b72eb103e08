// Reading the .xml and its .bin. The file is hostile until checked: every number, index, size and reference is.
#pragma once
#include <lathe/plugin.hpp>

#include "../model.hpp"
#include "lathe/mapped_file.hpp"

namespace lathe::openvino {

// A model file and its weights, mapped as long as this lives.
class ModelFile {
 public:
  // `path` names the .xml; the weights are the file of the same name that ends in .bin, where there are any constants.
  explicit ModelFile(const std::string& path);
  const Model& model() const { return model_; }
  std::string_view weights() const { return weights_ ? weights_->bytes() : std::string_view(); }
  const std::string& weights_path() const { return weights_path_; }

 private:
  sdk::MappedFile xml_;
  std::string weights_path_;
  std::unique_ptr<sdk::MappedFile> weights_;
  Model model_;
};

// The text alone, with these weights. Throws Failure with every problem found. `where` names the file in messages.
Model parse_model(std::string_view xml, std::string_view weights, const std::string& where);

// Whether the first bytes are those of an IR.
bool looks_like_ir(std::string_view head);

}  // namespace lathe::openvino
