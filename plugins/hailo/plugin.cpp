// The plugin's parts: a backend that prepares models for the Dataflow Compiler, drives it and judges what came out, and an inspector of HEF files.
#include <lathe/plugin.hpp>

#include "backend.hpp"
#include "inspector.hpp"

LATHE_PLUGIN("hailo", "1.0.0", "The Lathe authors", "Compiles for HAILO8 and HAILO8L through Hailo's Dataflow Compiler, and reads HEF files.",
             lathe::sdk::BackendPart<lathe::hailo::Backend>, lathe::sdk::InspectorPart<lathe::hailo::Inspector>)
