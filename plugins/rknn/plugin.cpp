// The plugin's parts: a backend that has rknn-toolkit2 convert models, and an inspector of .rknn files.
#include <lathe/plugin.hpp>

#include "backend.hpp"
#include "inspector.hpp"

LATHE_PLUGIN("rknn", "1.0.0", "The Lathe authors", "Has rknn-toolkit2 compile models for Rockchip's NPUs, and reads what it writes.",
             lathe::sdk::BackendPart<lathe::rknn::Backend>, lathe::sdk::InspectorPart<lathe::rknn::Inspector>)
