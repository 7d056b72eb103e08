// The plugin's parts: an inspector of .rknn files.
#include <lathe/plugin.hpp>

#include "inspector.hpp"

LATHE_PLUGIN("rknn", "1.0.0", "The Lathe authors", "Has rknn-toolkit2 compile models for Rockchip's NPUs, and reads what it writes.",
             lathe::sdk::InspectorPart<lathe::rknn::Inspector>)
