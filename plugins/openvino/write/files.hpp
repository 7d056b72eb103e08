// A model as the text of the .xml and the bytes of the .bin.
#pragma once
#include "../model.hpp"

namespace lathe::openvino {

struct Files {
  std::string xml;
  std::string bin;
};

// Constants with the same bytes share one place in the .bin. The same model gives the same bytes.
Files write_files(const Model& model);

}  // namespace lathe::openvino
