// The plugin's parts: a backend that has MemryX's Neural Compiler compile models, and an inspector of .dfp files.
#include <lathe/plugin.hpp>

#include "backend.hpp"
#include "inspector.hpp"

LATHE_PLUGIN("memryx", "1.0.0", "The Lathe authors", "Has MemryX's Neural Compiler compile models for the MX3, and reads what it writes.",
             lathe::sdk::BackendPart<lathe::memryx::Backend>, lathe::sdk::InspectorPart<lathe::memryx::Inspector>)
