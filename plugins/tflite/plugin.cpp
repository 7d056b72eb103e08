// The plugin's parts: a backend that writes .tflite files and an executor that runs them in TensorFlow Lite where it is installed.
#include <lathe/plugin.hpp>

#include "backend.hpp"
#include "executor.hpp"

LATHE_PLUGIN("tflite", "1.0.0", "The Lathe authors", "Reads, writes and runs TensorFlow Lite models.",
             lathe::sdk::BackendPart<lathe::tflite::Backend>, lathe::sdk::ExecutorPart<lathe::tflite::Executor>)
