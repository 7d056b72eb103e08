// The C API of lathe/runtime.h: opening, checking, running.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <lathe/runtime.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "features.hpp"
#include "image.hpp"
#include "package.hpp"
#include "sha256.hpp"
#include "threads.hpp"

using namespace lathe::runtime;

struct lathe_model {
  Message error{};
  bool ready = false;     // opened, described
  bool runnable = false;  // its code is loaded
  int file = -1;          // kept open: the loader knows the code by its path under /proc/self/fd, which must stay this file's
  uint8_t* bytes = nullptr;
  uint64_t size = 0;
  void* library = nullptr;
  Description description;
  lathe_artifact linked{};                // for code that is linked in: a copy without functions
  const lathe_artifact* table = nullptr;  // what describe() gives
  const lathe_artifact* code = nullptr;   // the live table
  const void* weights = nullptr;

  ThreadPool* pool = nullptr;
  lathe_artifact_threads threads{};
  uint64_t runs = 0;
  uint64_t* nanoseconds = nullptr;  // one per kernel when profiling

  void* scratch = nullptr;
  uint64_t scratch_bytes = 0, scratch_needed = 0;
  // One block of numbers: per input its dimensions (those last prepared for), then per output; and arrays of pointers to them. Tensors of unknown
  // rank have none.
  int64_t* numbers = nullptr;
  int64_t** shapes = nullptr;  // inputs, then outputs
  void** data = nullptr;       // outputs
  bool prepared = false;

  Package* package = nullptr;  // set: this model is a package's stages, and of the above only error, ready and table are used

  lathe_model() = default;
  lathe_model(const lathe_model&) = delete;
  lathe_model& operator=(const lathe_model&) = delete;
  ~lathe_model() {
    close_package(package);
    destroy_pool(pool);
    free(nanoseconds);
    free(scratch);
    free(numbers);
    free(shapes);
    free(data);
    if (library) dlclose(library);
    if (bytes) munmap(bytes, size);
    if (file >= 0) close(file);
  }
};

namespace {

constexpr uint32_t most_threads = 1024;

uint64_t now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1000000000u + static_cast<uint64_t>(t.tv_nsec);
}

// Placement without the C++ library: the handle is malloc'ed and filled in.
struct Place {
  void* memory;
};
}  // namespace
inline void* operator new(size_t, const Place& place) noexcept { return place.memory; }
namespace {

lathe_model* make_model() {
  void* memory = malloc(sizeof(lathe_model));
  return memory ? new (Place{memory}) lathe_model : nullptr;
}

lathe_model_options complete(const lathe_model_options* given) {
  lathe_model_options options{};
  if (given) memcpy(&options, given, given->struct_size < sizeof options ? given->struct_size : sizeof options);
  return options;
}

int32_t start_threads(lathe_model* model, uint32_t count) {
  if (count == 0) count = available_processors();
  if (count > most_threads) {
    say(&model->error, "%u threads are asked for; at most %u are possible", count, most_threads);
    return LATHE_RUNTIME_USAGE;
  }
  ThreadPool* pool = make_pool(count);
  if (!pool) {
    say(&model->error, "the system did not give %u threads", count);
    return LATHE_RUNTIME_FAILED;
  }
  destroy_pool(model->pool);
  model->pool = pool;
  model->threads = {pool, count, 0, parallel_for};
  model->prepared = false;  // scratch depends on the number of workers
  return LATHE_RUNTIME_OK;
}

// The dimensions that are kept for an input or output.
uint64_t known_rank(const lathe_artifact_tensor& t) { return t.rank < 0 ? 0 : static_cast<uint64_t>(t.rank); }

// The last part of opening, once table and code are known.
int32_t finish(lathe_model* model, const lathe_model_options& options) {
  const lathe_artifact& table = *model->table;
  uint64_t ranks = 0, tensors = uint64_t{table.input_count} + table.output_count;
  for (uint64_t i = 0; i < tensors; ++i) {
    const lathe_artifact_tensor& t = i < table.input_count ? table.inputs[i] : table.outputs[i - table.input_count];
    ranks += known_rank(t);
  }
  model->numbers = static_cast<int64_t*>(calloc(ranks + 1, sizeof(int64_t)));
  model->shapes = static_cast<int64_t**>(calloc(tensors + 1, sizeof(int64_t*)));
  model->data = static_cast<void**>(calloc(tensors + 1, sizeof(void*)));
  if (options.profile) model->nanoseconds = static_cast<uint64_t*>(calloc(table.kernel_count + uint64_t{1}, sizeof(uint64_t)));
  if (!model->numbers || !model->shapes || !model->data || (options.profile && !model->nanoseconds)) {
    say(&model->error, "there is no memory for the model's bookkeeping");
    return LATHE_RUNTIME_FAILED;
  }
  ranks = 0;
  for (uint64_t i = 0; i < tensors; ++i) {
    const lathe_artifact_tensor& t = i < table.input_count ? table.inputs[i] : table.outputs[i - table.input_count];
    model->shapes[i] = model->numbers + ranks;
    ranks += known_rank(t);
  }
  if (options.check_weights) {
    uint8_t digest[32];
    sha256(model->weights, table.weights_bytes, digest);
    if (memcmp(digest, table.weights_check, sizeof digest) != 0) {
      say(&model->error, "the weights are damaged: their SHA-256 is not the one that was recorded when the model was compiled");
      return LATHE_RUNTIME_FAILED;
    }
  }
  if (!options.describe_only) {
    const int32_t code = start_threads(model, options.threads);
    if (code != LATHE_RUNTIME_OK) return code;
    model->runnable = true;
  }
  model->ready = true;
  return LATHE_RUNTIME_OK;
}

// Everything that must hold before the artifact's code may run here.
int32_t check_processor(lathe_model* model, uint16_t machine, const char* features, const char* name) {
  if (machine != host_machine()) {
    say(&model->error, "'%s' is for %s and this machine is %s: compile the model for this machine", name, machine_name(machine),
        machine_name(host_machine()));
    return LATHE_RUNTIME_UNSUPPORTED;
  }
  char missing[64];
  if (missing_feature(features, missing, sizeof missing)) {
    say(&model->error,
        "'%s' needs the processor feature %s, which this processor lacks: compile the model with -mcpu=native on this machine, or with -mattr=-%s",
        name, missing, missing);
    return LATHE_RUNTIME_UNSUPPORTED;
  }
  return LATHE_RUNTIME_OK;
}

// From an open file, which the model owns already.
int32_t open_file(lathe_model* model, const char* name, const lathe_model_options& options) {
  struct stat status;
  if (fstat(model->file, &status) != 0 || !S_ISREG(status.st_mode)) {
    say(&model->error, "'%s' is no regular file", name);
    return LATHE_RUNTIME_FAILED;
  }
  model->size = static_cast<uint64_t>(status.st_size);
  if (model->size < 64 + sizeof(lathe_artifact_trailer)) {
    say(&model->error, "'%s' is no native artifact: it has only %llu bytes", name, static_cast<unsigned long long>(model->size));
    return LATHE_RUNTIME_FAILED;
  }
  void* mapped = mmap(nullptr, model->size, PROT_READ, MAP_PRIVATE, model->file, 0);
  if (mapped == MAP_FAILED) {
    say(&model->error, "'%s' cannot be mapped into memory: %s", name, strerror(errno));
    return LATHE_RUNTIME_FAILED;
  }
  model->bytes = static_cast<uint8_t*>(mapped);
  if (!read_description(model->bytes, model->size, name, &model->description, &model->error)) return LATHE_RUNTIME_FAILED;
  model->table = &model->description.table;
  model->weights = model->description.weights;
  if (options.describe_only) return finish(model, options);

  const int32_t fits = check_processor(model, model->description.machine, model->table->features, name);
  if (fits != LATHE_RUNTIME_OK) return fits;
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", model->file);
  model->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!model->library) {
    say(&model->error, "the system's loader refuses '%s': %s", name, dlerror());
    return LATHE_RUNTIME_FAILED;
  }
  model->code = static_cast<const lathe_artifact*>(dlsym(model->library, LATHE_ARTIFACT_SYMBOL));
  if (!model->code || memcmp(model->code->weights_check, model->table->weights_check, 32) != 0 || !model->code->prepare || !model->code->run) {
    say(&model->error, "'%s' is damaged: the loaded table is not the one in the file", name);
    return LATHE_RUNTIME_FAILED;
  }
  return finish(model, options);
}

int32_t reserve_scratch(lathe_model* model, uint64_t bytes) {
  if (bytes <= model->scratch_bytes) return LATHE_RUNTIME_OK;
  constexpr uint64_t huge_page = uint64_t{2} << 20;
  free(model->scratch);
  model->scratch = nullptr;
  model->scratch_bytes = 0;
  const bool large = bytes >= 2 * huge_page;
  if (posix_memalign(&model->scratch, large ? huge_page : 64, bytes) != 0) {
    model->scratch = nullptr;
    say(&model->error, "there are no %llu bytes of working memory", static_cast<unsigned long long>(bytes));
    return LATHE_RUNTIME_FAILED;
  }
  if (large) madvise(model->scratch, bytes / huge_page * huge_page, MADV_HUGEPAGE);
  model->scratch_bytes = bytes;
  return LATHE_RUNTIME_OK;
}

// Brings output shapes and scratch size up to date with the inputs' shapes.
int32_t prepare(lathe_model* model, const lathe_model_tensor* inputs) {
  lathe_artifact_plan plan{};
  plan.struct_size = sizeof plan;
  plan.output_dimensions = model->shapes + model->table->input_count;
  model->prepared = model->code->prepare(inputs, model->threads.count, &plan) == LATHE_ARTIFACT_DONE;
  if (!model->prepared) {
    say(&model->error, "the model does not take inputs of these shapes");
    return LATHE_RUNTIME_USAGE;
  }
  model->scratch_needed = plan.scratch_bytes;
  return LATHE_RUNTIME_OK;
}

// Text of a shape: "1x3x640x640"; "?" or the name of a dimension that is not fixed.
void print_shape(char* text, size_t size, const int64_t* dimensions, uint64_t rank, const char* const* symbols = nullptr) {
  size_t used = 0;
  text[0] = 0;
  for (uint64_t i = 0; i < rank && used + 1 < size; ++i) {
    const char* separator = i ? "x" : "";
    const int n = dimensions[i] < 0 ? snprintf(text + used, size - used, "%s%s", separator, symbols && symbols[i] ? symbols[i] : "?")
                                    : snprintf(text + used, size - used, "%s%lld", separator, static_cast<long long>(dimensions[i]));
    if (n > 0) used += static_cast<size_t>(n);
  }
  if (rank == 0) snprintf(text, size, "scalar");
}

bool shape_fits(const lathe_artifact_tensor& declared, const int64_t* dimensions, uint64_t rank) {
  if (declared.rank >= 0 && rank != static_cast<uint64_t>(declared.rank)) return false;
  if (rank > most_dimensions) return false;
  for (uint64_t i = 0; i < rank; ++i)
    if (dimensions[i] < 0 || (declared.rank >= 0 && declared.dimensions[i] >= 0 && declared.dimensions[i] != dimensions[i])) return false;
  return true;
}

int32_t refuse_shape(lathe_model* model, const lathe_artifact_tensor& declared, const int64_t* dimensions, uint64_t rank) {
  char expected[128] = "at most 64 dimensions", found[128];
  if (declared.rank >= 0) print_shape(expected, sizeof expected, declared.dimensions, static_cast<uint64_t>(declared.rank), declared.symbols);
  print_shape(found, sizeof found, dimensions, rank < most_dimensions ? rank : most_dimensions);
  say(&model->error, "input '%s' has shape %s; expected %s", declared.name, found, expected);
  return LATHE_RUNTIME_USAGE;
}

// Whether dimensions of the same name have the same size in all inputs.
int32_t check_symbols(lathe_model* model, const lathe_model_tensor* inputs) {
  const lathe_artifact& table = *model->table;
  for (uint32_t i = 0; i < table.input_count; ++i)
    for (int32_t d = 0; table.inputs[i].symbols && d < table.inputs[i].rank; ++d) {
      const char* symbol = table.inputs[i].symbols[d];
      if (!symbol || table.inputs[i].kind != LATHE_ARTIFACT_TENSOR) continue;
      for (uint32_t k = 0; k <= i; ++k)
        for (int32_t e = 0; table.inputs[k].symbols && e < table.inputs[k].rank; ++e) {
          const char* other = table.inputs[k].symbols[e];
          if (!other || table.inputs[k].kind != LATHE_ARTIFACT_TENSOR || strcmp(symbol, other) != 0 ||
              inputs[k].dimensions[e] == inputs[i].dimensions[d])
            continue;
          say(&model->error, "dimension '%s' is %lld in input '%s' and %lld in input '%s'", symbol, static_cast<long long>(inputs[k].dimensions[e]),
              table.inputs[k].name, static_cast<long long>(inputs[i].dimensions[d]), table.inputs[i].name);
          return LATHE_RUNTIME_USAGE;
        }
    }
  return LATHE_RUNTIME_OK;
}

// Takes over one input's shape and says whether it differs from the last run's.
bool take_shape(int64_t* kept, const int64_t* dimensions, uint64_t rank) {
  if (rank == 0 || memcmp(kept, dimensions, rank * sizeof(int64_t)) == 0) return false;
  memcpy(kept, dimensions, rank * sizeof(int64_t));
  return true;
}

constexpr int32_t type_string = 8;

int32_t check_tensor(lathe_model* model, const lathe_artifact_tensor& declared, const lathe_model_tensor& t) {
  if (t.type != declared.type) {
    say(&model->error, "input '%s' has data type %d; expected %d (the numbers are those of ONNX's TensorProto.DataType)", declared.name, t.type,
        declared.type);
    return LATHE_RUNTIME_USAGE;
  }
  if (!shape_fits(declared, t.dimensions, t.rank)) return refuse_shape(model, declared, t.dimensions, t.rank);
  uint64_t bytes = lathe_tensor_bytes(t.type, t.dimensions, t.rank);
  if (t.type == type_string) bytes = lathe_tensor_bytes(15, t.dimensions, t.rank);  // a string's address and size are as large as a complex128
  if (t.bytes != bytes || (bytes && !t.data)) {
    say(&model->error, "input '%s' has %llu bytes; expected %llu", declared.name, static_cast<unsigned long long>(t.data ? t.bytes : 0),
        static_cast<unsigned long long>(bytes));
    return LATHE_RUNTIME_USAGE;
  }
  return LATHE_RUNTIME_OK;
}

int32_t check_inputs(lathe_model* model, const lathe_model_run_request& request) {
  const lathe_artifact& table = *model->table;
  if (request.input_count != table.input_count || (request.input_count && !request.inputs)) {
    say(&model->error, "the model has %u inputs and %u are given", table.input_count, request.inputs ? request.input_count : 0);
    return LATHE_RUNTIME_USAGE;
  }
  for (uint32_t i = 0; i < table.input_count; ++i) {
    const lathe_model_tensor& t = request.inputs[i];
    const lathe_artifact_tensor& declared = table.inputs[i];
    if (t.kind != declared.kind) {
      static const char* const kinds[] = {"tensor", "sequence", "optional tensor", "optional sequence"};
      say(&model->error, "input '%s' is no %s", declared.name, kinds[declared.kind & 3]);
      return LATHE_RUNTIME_USAGE;
    }
    if (t.kind == LATHE_ARTIFACT_TENSOR) {
      const int32_t code = check_tensor(model, declared, t);
      if (code != LATHE_RUNTIME_OK) return code;
      if (take_shape(model->shapes[i], t.dimensions, known_rank(declared))) model->prepared = false;
      continue;
    }
    if (t.absent && t.kind != LATHE_ARTIFACT_SEQUENCE) continue;
    const bool single = t.kind == LATHE_ARTIFACT_OPTIONAL;
    for (uint64_t k = 0; k < (single ? 1 : t.element_count); ++k) {
      const int32_t code = check_tensor(model, declared, single ? t : t.elements[k]);
      if (code != LATHE_RUNTIME_OK) return code;
    }
  }
  return check_symbols(model, request.inputs);
}

int32_t place_outputs(lathe_model* model, const lathe_model_run_request& request) {
  const lathe_artifact& table = *model->table;
  if (request.outputs && request.output_count != table.output_count) {
    say(&model->error, "the model has %u outputs and %u are given", table.output_count, request.output_count);
    return LATHE_RUNTIME_USAGE;
  }
  for (uint32_t i = 0; i < table.output_count; ++i) {
    const lathe_artifact_tensor& declared = table.outputs[i];
    const int64_t* shape = model->shapes[table.input_count + i];
    const bool tensor = declared.kind == LATHE_ARTIFACT_TENSOR && declared.rank >= 0;
    const uint64_t rank = known_rank(declared), bytes = tensor ? lathe_tensor_bytes(declared.type, shape, rank) : UINT64_MAX;
    void*& data = model->data[i];
    data = nullptr;
    if (bytes == UINT64_MAX) continue;  // only the run knows
    if (request.outputs && request.outputs[i].data) {
      const lathe_model_tensor& given = request.outputs[i];
      if (given.type != declared.type || given.bytes != bytes) {
        say(&model->error, "output '%s' was given %llu bytes of data type %d; expected %llu bytes of data type %d", declared.name,
            static_cast<unsigned long long>(given.bytes), given.type, static_cast<unsigned long long>(bytes), declared.type);
        return LATHE_RUNTIME_USAGE;
      }
      data = given.data;
    } else {
      if (request.allocate) data = request.allocate(request.context, i, declared.type, shape, rank, bytes);
      if (!data) {
        say(&model->error,
            request.allocate ? "the %llu bytes of output '%s' could not be allocated" : "no memory (%llu bytes) was given for output '%s'",
            static_cast<unsigned long long>(bytes), declared.name);
        return request.allocate ? LATHE_RUNTIME_FAILED : LATHE_RUNTIME_USAGE;
      }
    }
  }
  return LATHE_RUNTIME_OK;
}

// What the artifact calls back into while it runs.
struct Caller {
  lathe_model* model;
  const lathe_model_run_request* request;
};

void* allocate_late(void* context, uint32_t output, const int64_t* dimensions, uint64_t rank, uint64_t bytes) {
  const Caller& caller = *static_cast<Caller*>(context);
  const lathe_artifact_tensor& declared = caller.model->table->outputs[output];
  const lathe_model_run_request& request = *caller.request;
  char shape[128];
  print_shape(shape, sizeof shape, dimensions, rank);
  if (request.outputs && request.outputs[output].data) {
    const lathe_model_tensor& given = request.outputs[output];
    if (given.type == declared.type && given.bytes == bytes) return given.data;
    say(&caller.model->error, "output '%s' has shape %s in this run, which takes %llu bytes; %llu were given", declared.name, shape,
        static_cast<unsigned long long>(bytes), static_cast<unsigned long long>(given.bytes));
    return nullptr;
  }
  void* memory = request.allocate ? request.allocate(request.context, output, declared.type, dimensions, rank, bytes) : nullptr;
  if (!memory)
    say(&caller.model->error, request.allocate ? "output '%s' of shape %s could not be allocated" : "no memory was given for output '%s' of shape %s",
        declared.name, shape);
  return memory;
}

int32_t put_late(void* context, uint32_t output, const lathe_artifact_value* value) {
  const Caller& caller = *static_cast<Caller*>(context);
  if (caller.request->put && caller.request->put(caller.request->context, output, value) == 0) return 0;
  say(&caller.model->error, "output '%s' is no tensor of numbers, and nothing was given to take it", caller.model->table->outputs[output].name);
  return 1;
}

const char* decode_late(void* context, const void* file, uint64_t size, void* target,
                        uint8_t* (*allocate)(void* target, int64_t height, int64_t width)) {
  const lathe_model_run_request& request = *static_cast<Caller*>(context)->request;
  return request.decode_picture(request.context, file, size, target, allocate);
}

int32_t ask_cancelled(void* context) {
  const lathe_model_run_request& request = *static_cast<Caller*>(context)->request;
  return request.cancelled(request.context);
}

void note_failure(void* context, uint32_t kernel, const char* sentence) {
  lathe_model* model = static_cast<Caller*>(context)->model;
  if (kernel < model->table->kernel_count)
    say(&model->error, "node '%s' (%s): %s", model->table->kernels[kernel].nodes, model->table->kernels[kernel].name, sentence);
}

}  // namespace

extern "C" {

int32_t lathe_model_open(const char* path, const lathe_model_options* options, lathe_model** out) {
  lathe_model* model = *out = make_model();
  if (!model) return LATHE_RUNTIME_FAILED;
  if (is_folder(path)) {
    int32_t code = LATHE_RUNTIME_OK;
    model->package = open_package(path, complete(options), &code, &model->error);
    if (model->package) model->table = package_table(model->package);
    model->ready = model->package != nullptr;
    return code;
  }
  model->file = open(path, O_RDONLY | O_CLOEXEC);
  if (model->file < 0) {
    say(&model->error, "cannot open '%s': %s", path, strerror(errno));
    return LATHE_RUNTIME_FAILED;
  }
  return open_file(model, path, complete(options));
}

int32_t lathe_model_open_memory(const void* bytes, uint64_t size, const lathe_model_options* options, lathe_model** out) {
  lathe_model* model = *out = make_model();
  if (!model) return LATHE_RUNTIME_FAILED;
  model->file = memfd_create("lathe-artifact", MFD_CLOEXEC);
  const char* from = static_cast<const char*>(bytes);
  uint64_t written = 0;
  while (model->file >= 0 && written < size) {
    const ssize_t n = write(model->file, from + written, size - written < (1u << 30) ? size - written : (1u << 30));
    if (n <= 0) break;
    written += static_cast<uint64_t>(n);
  }
  if (model->file < 0 || written != size) {
    say(&model->error, "there is no memory file of %llu bytes: %s", static_cast<unsigned long long>(size), strerror(errno));
    return LATHE_RUNTIME_FAILED;
  }
  return open_file(model, "artifact in memory", complete(options));
}

int32_t lathe_model_open_linked(const lathe_artifact* table, const void* weights, const lathe_model_options* options, lathe_model** out) {
  lathe_model* model = *out = make_model();
  if (!model) return LATHE_RUNTIME_FAILED;
  if (table->major != LATHE_ARTIFACT_MAJOR || table->struct_size < sizeof(lathe_artifact)) {
    say(&model->error, "the linked artifact has format %u and this runtime reads format %u", table->major, LATHE_ARTIFACT_MAJOR);
    return LATHE_RUNTIME_UNSUPPORTED;
  }
  model->linked = *table;
  model->linked.prepare = nullptr;
  model->linked.run = nullptr;
  model->table = &model->linked;
  model->code = table;
  model->weights = weights;
  const int32_t fits = check_processor(model, host_machine(), table->features, "the linked artifact");
  return fits != LATHE_RUNTIME_OK ? fits : finish(model, complete(options));
}

void lathe_model_close(lathe_model* model) {
  if (!model) return;
  model->~lathe_model();
  free(model);
}

const char* lathe_model_error(const lathe_model* model) { return model ? model->error.text : "there is no memory for a model"; }
const lathe_artifact* lathe_model_describe(const lathe_model* model) { return model && model->ready ? model->table : nullptr; }

const lathe_artifact_tensor* lathe_model_input(const lathe_model* model, uint32_t index) {
  return model && model->ready && index < model->table->input_count ? &model->table->inputs[index] : nullptr;
}

const lathe_artifact_tensor* lathe_model_output(const lathe_model* model, uint32_t index) {
  return model && model->ready && index < model->table->output_count ? &model->table->outputs[index] : nullptr;
}

int32_t lathe_model_output_dimensions(lathe_model* model, const int64_t* const* input_dimensions, int64_t* const* dimensions) {
  if (model->package) {
    // What the tables say: a stage's shapes may depend on what an earlier one yields.
    for (uint32_t i = 0; i < model->table->output_count; ++i)
      if (model->table->outputs[i].rank > 0)
        memcpy(dimensions[i], model->table->outputs[i].dimensions, static_cast<uint64_t>(model->table->outputs[i].rank) * sizeof(int64_t));
    return LATHE_RUNTIME_OK;
  }
  if (!model->runnable) {
    say(&model->error, "the model was opened to be described only, or opening it failed");
    return LATHE_RUNTIME_USAGE;
  }
  const lathe_artifact& table = *model->table;
  for (uint32_t i = 0; i < table.input_count; ++i) {
    if (table.inputs[i].rank < 0 || table.inputs[i].kind != LATHE_ARTIFACT_TENSOR) {
      say(&model->error, "input '%s' is no tensor of known rank, so the outputs' shapes cannot be asked ahead of the run", table.inputs[i].name);
      return LATHE_RUNTIME_USAGE;
    }
    const uint64_t rank = known_rank(table.inputs[i]);
    if (!shape_fits(table.inputs[i], input_dimensions[i], rank)) return refuse_shape(model, table.inputs[i], input_dimensions[i], rank);
    if (take_shape(model->shapes[i], input_dimensions[i], rank)) model->prepared = false;
  }
  if (!model->prepared) {
    auto* inputs = static_cast<lathe_model_tensor*>(calloc(table.input_count + uint64_t{1}, sizeof(lathe_model_tensor)));
    if (!inputs) {
      say(&model->error, "there is no memory for the model's bookkeeping");
      return LATHE_RUNTIME_FAILED;
    }
    for (uint32_t i = 0; i < table.input_count; ++i) {
      inputs[i].rank = known_rank(table.inputs[i]);
      inputs[i].dimensions = input_dimensions[i];
    }
    int32_t code = check_symbols(model, inputs);
    if (code == LATHE_RUNTIME_OK) code = prepare(model, inputs);
    free(inputs);
    if (code != LATHE_RUNTIME_OK) return code;
  }
  for (uint32_t i = 0; i < table.output_count; ++i)
    if (table.outputs[i].rank > 0)
      memcpy(dimensions[i], model->shapes[table.input_count + i], static_cast<uint64_t>(table.outputs[i].rank) * sizeof(int64_t));
  return LATHE_RUNTIME_OK;
}

int32_t lathe_model_run(lathe_model* model, const lathe_model_run_request* given) {
  model->error.text[0] = 0;
  lathe_model_run_request complete_request{};
  memcpy(&complete_request, given, given->struct_size < sizeof complete_request ? given->struct_size : sizeof complete_request);
  const lathe_model_run_request* request = &complete_request;
  if (model->package) return run_package(model->package, *request, &model->error);
  if (!model->runnable) {
    say(&model->error, "the model was opened to be described only, or opening it failed");
    return LATHE_RUNTIME_USAGE;
  }
  int32_t code = check_inputs(model, *request);
  if (code == LATHE_RUNTIME_OK && !model->prepared) code = prepare(model, request->inputs);
  if (code == LATHE_RUNTIME_OK) code = reserve_scratch(model, model->scratch_needed);
  if (code == LATHE_RUNTIME_OK) code = place_outputs(model, *request);
  if (code != LATHE_RUNTIME_OK) return code;
  Caller caller{model, request};
  lathe_artifact_run run{};
  run.struct_size = sizeof run;
  run.inputs = request->inputs;
  run.outputs = model->data;
  run.context = &caller;
  run.allocate = allocate_late;
  run.put = put_late;
  run.fail = note_failure;
  run.scratch = model->scratch;
  run.weights = model->weights;
  run.threads = &model->threads;
  run.nanoseconds = model->nanoseconds;
  run.clock = now;
  if (request->decode_picture) run.decode_picture = decode_late;
  if (request->cancelled) run.cancelled = ask_cancelled;
  // The artifact's callbacks have said more, where there is more to say.
  const auto otherwise = [&](const char* sentence) {
    if (!model->error.text[0]) say(&model->error, "%s", sentence);
  };
  switch (model->code->run(&run)) {
    case LATHE_ARTIFACT_DONE:
      ++model->runs;
      return LATHE_RUNTIME_OK;
    case LATHE_ARTIFACT_NO_MEMORY:
      otherwise("an output or a tensor in between could not be allocated");
      return LATHE_RUNTIME_FAILED;
    case LATHE_ARTIFACT_BAD_DATA:
      otherwise("a value in the inputs is out of bounds, such as an index beyond the tensor it points into");
      return LATHE_RUNTIME_DATA;
    case LATHE_ARTIFACT_CANCELLED:
      say(&model->error, "the run was cancelled");
      return LATHE_RUNTIME_CANCELLED;
    default:
      otherwise("the model does not take inputs of these shapes");
      return LATHE_RUNTIME_USAGE;
  }
}

uint32_t lathe_model_threads(const lathe_model* model) { return model->package ? package_threads(model->package) : model->threads.count; }

int32_t lathe_model_set_threads(lathe_model* model, uint32_t threads) {
  if (model->package) return set_package_threads(model->package, threads, &model->error);
  if (!model->runnable) {
    say(&model->error, "the model was opened to be described only, or opening it failed");
    return LATHE_RUNTIME_USAGE;
  }
  return start_threads(model, threads);
}

int32_t lathe_model_profile(const lathe_model* model, uint32_t index, uint64_t* runs, uint64_t* nanoseconds) {
  *runs = *nanoseconds = 0;
  if (model->package) return package_profile(model->package, index, runs, nanoseconds);
  if (!model->ready || index >= model->table->kernel_count) return LATHE_RUNTIME_USAGE;
  if (model->nanoseconds) {
    *runs = model->runs;
    *nanoseconds = model->nanoseconds[index];
  }
  return LATHE_RUNTIME_OK;
}

uint64_t lathe_model_scratch_bytes(const lathe_model* model) {
  if (model->package) return package_scratch_bytes(model->package);
  return model->scratch_bytes > model->scratch_needed ? model->scratch_bytes : model->scratch_needed;
}

uint64_t lathe_tensor_bytes(int32_t type, const int64_t* dimensions, uint64_t rank) {
  // Bits of an element by ONNX's type number, 0: none or not of a fixed size.
  static const uint8_t bits[] = {0, 32, 8, 8, 16, 16, 32, 64, 0, 8, 16, 64, 32, 64, 64, 128, 16, 8, 8, 8, 8, 4, 4, 4, 8, 2, 2};
  if (type < 0 || static_cast<size_t>(type) >= sizeof bits || bits[type] == 0) return UINT64_MAX;
  uint64_t count = 1;
  bool overflow = false;
  for (uint64_t i = 0; i < rank; ++i) {
    if (dimensions[i] < 0) return UINT64_MAX;
    overflow |= __builtin_mul_overflow(count, static_cast<uint64_t>(dimensions[i]), &count);
  }
  uint64_t all = 0;
  overflow |= __builtin_mul_overflow(count, static_cast<uint64_t>(bits[type]), &all) || all > UINT64_MAX - 8;
  return overflow ? UINT64_MAX : (all + 7) / 8;
}
}
