// The plugin's parts: a frontend that reads .tflite files, a backend that writes them, an executor that runs them in TensorFlow Lite where it is
// installed, and an inspector.
#include <lathe/plugin.hpp>

#include "backend.hpp"
#include "executor.hpp"
#include "frontend.hpp"
#include "inspector.hpp"

LATHE_PLUGIN("tflite", "1.0.0", "The Lathe authors", "Reads, writes and runs TensorFlow Lite models.",
             lathe::sdk::FrontendPart<lathe::tflite::Frontend>, lathe::sdk::BackendPart<lathe::tflite::Backend>,
             lathe::sdk::ExecutorPart<lathe::tflite::Executor>, lathe::sdk::InspectorPart<lathe::tflite::Inspector>)
