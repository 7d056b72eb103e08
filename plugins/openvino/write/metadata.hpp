// What the model says about itself, as the runtime's tools and Ultralytics read it.
#pragma once
#include <lathe/plugin.hpp>

#include "../model.hpp"

namespace lathe::openvino {

// rt_info of a model with these properties: model_info where it is a detector of Ultralytics.
std::vector<Info> model_info(const sdk::GraphView& graph);

// The text of metadata.yaml; empty where the model has no properties.
std::string metadata_yaml(const sdk::GraphView& graph);

}  // namespace lathe::openvino
