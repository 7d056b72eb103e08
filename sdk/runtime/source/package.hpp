// A package folder as one model: its stages' artifacts are opened one by one, and a run hands each stage the tensors of the model that
// its bindings name. Every stage must be a native artifact; a stage for another runtime is refused by name.
#pragma once
#include <lathe/runtime.h>

#include "image.hpp"

namespace lathe::runtime {

struct Package;

bool is_folder(const char* path);

// Reads <folder>'s model JSON and opens the stages. NULL: failed, `message` says why and *code is LATHE_RUNTIME_...
Package* open_package(const char* folder, const lathe_model_options& options, int32_t* code, Message* message);
void close_package(Package* package);  // NULL is fine

// The package as one table: inputs and outputs of the model, kernels of all stages in order; prepare and run are NULL.
const lathe_artifact* package_table(const Package* package);
int32_t run_package(Package* package, const lathe_model_run_request& request, Message* message);
int32_t set_package_threads(Package* package, uint32_t threads, Message* message);
uint32_t package_threads(const Package* package);
int32_t package_profile(const Package* package, uint32_t kernel, uint64_t* runs, uint64_t* nanoseconds);
uint64_t package_scratch_bytes(const Package* package);

}  // namespace lathe::runtime
