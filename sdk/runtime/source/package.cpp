// Packages: reading the model JSON, opening the stages, handing tensors from one to the next.
#include "package.hpp"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "image.hpp"
#include "json.hpp"

namespace lathe::runtime {
namespace {

constexpr uint32_t most_stages = 64, most_tensors = 4096, longest_path = 4096;
constexpr uint64_t largest_document = 16u << 20;

// A tensor of the model during a run.
struct Slot {
  char* name = nullptr;
  int32_t type = 0;
  int32_t kind = 0, declared_rank = 0;
  lathe_model_tensor value{};     // in this run; of tensors data, shape and bytes, else the person's
  int64_t* dimensions = nullptr;  // room for most_dimensions
  void* own = nullptr;
  uint64_t own_bytes = 0;
  uint32_t output = UINT32_MAX;  // which output of the model it is
  bool given = false;            // has bytes in this run
};

struct Stage {
  lathe_model* model = nullptr;
  uint32_t* inputs = nullptr;   // slot per input
  uint32_t* outputs = nullptr;  // slot per output
  lathe_model_tensor* tensors = nullptr;
};

}  // namespace

struct Package {
  Stage stages[most_stages];
  uint32_t stage_count = 0;
  Slot slots[most_tensors];
  uint32_t slot_count = 0;
  uint32_t* input_slots = nullptr;
  uint32_t* output_slots = nullptr;
  lathe_artifact_tensor* tensors = nullptr;  // inputs, then outputs
  lathe_artifact_kernel* kernels = nullptr;
  lathe_artifact table{};
};

namespace {

// What the callbacks of one stage's run need.
struct Allocation {
  Package* package;
  const Stage* stage;
  const lathe_model_run_request* request;
};

uint32_t find_slot(const Package& package, const char* name) {
  for (uint32_t i = 0; i < package.slot_count; ++i)
    if (strcmp(package.slots[i].name, name) == 0) return i;
  return UINT32_MAX;
}

// The slot of that name, made when there is none; UINT32_MAX: no memory or too many.
uint32_t make_slot(Package* package, const char* name, const lathe_artifact_tensor& declared) {
  const uint32_t known = find_slot(*package, name);
  if (known != UINT32_MAX) return known;
  if (package->slot_count == most_tensors) return UINT32_MAX;
  Slot& slot = package->slots[package->slot_count];
  slot.name = strdup(name);
  slot.type = declared.type;
  slot.kind = declared.kind;
  slot.declared_rank = declared.rank;
  slot.dimensions = static_cast<int64_t*>(calloc(most_dimensions, sizeof(int64_t)));
  if (!slot.name || !slot.dimensions) return UINT32_MAX;
  return package->slot_count++;
}

char* read_text(const char* path, size_t* size) {
  FILE* file = fopen(path, "rbe");
  if (!file) return nullptr;
  struct stat status;
  char* text = nullptr;
  if (fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode) && static_cast<uint64_t>(status.st_size) <= largest_document)
    text = static_cast<char*>(malloc(static_cast<size_t>(status.st_size) + 1));
  if (text) {
    *size = fread(text, 1, static_cast<size_t>(status.st_size), file);
    text[*size] = 0;
    if (strlen(text) != *size) {
      free(text);
      text = nullptr;
    }
  }
  fclose(file);
  return text;
}

bool describes_models(const char* name) {
  const size_t length = strlen(name);
  return length > 5 && strcmp(name + length - 5, ".json") == 0 && strcmp(name, "manifest.json") != 0 && strncmp(name, "labels_", 7) != 0;
}

// The folder's model JSON: the one called as the folder, or the only one.
bool find_document(const char* folder, char* path, size_t size) {
  char* real = realpath(folder, nullptr);
  if (real) {
    const char* name = strrchr(real, '/');
    const int length = snprintf(path, size, "%s/%s.json", folder, name ? name + 1 : real);
    free(real);
    struct stat status;
    if (length > 0 && static_cast<size_t>(length) < size && stat(path, &status) == 0) return true;
  }
  DIR* entries = opendir(folder);
  if (!entries) return false;
  uint32_t found = 0;
  while (const dirent* entry = readdir(entries))
    if (describes_models(entry->d_name) && snprintf(path, size, "%s/%s", folder, entry->d_name) < static_cast<int>(size)) ++found;
  closedir(entries);
  return found == 1;
}

// Which slot each of a stage's tensors is, by the document's bindings.
bool bind(Package* package, Json bindings, const lathe_artifact_tensor* tensors, uint32_t count, uint32_t* slots, const char* document,
          Message* message) {
  for (uint32_t i = 0; i < count; ++i) {
    slots[i] = UINT32_MAX;
    for (Json b = first(bindings); b && slots[i] == UINT32_MAX; b = next(b)) {
      char name[1024], tensor[1024];
      if (!text(member(b, "name"), name, sizeof name) || strcmp(name, tensors[i].name) != 0) continue;
      if (text(member(b, "tensor"), tensor, sizeof tensor)) slots[i] = make_slot(package, tensor, tensors[i]);
    }
    if (slots[i] == UINT32_MAX) {
      say(message, "'%s' does not say which tensor of the model the artifact's '%s' is: compile the model again", document, tensors[i].name);
      return false;
    }
    const Slot& slot = package->slots[slots[i]];
    if (slot.type != tensors[i].type || slot.kind != tensors[i].kind ||
        (slot.declared_rank != tensors[i].rank && slot.declared_rank >= 0 && tensors[i].rank >= 0)) {
      say(message, "'%s' binds '%s' to tensors of different type or rank: compile the model again", document, slot.name);
      return false;
    }
  }
  return true;
}

int32_t open_stage(Package* package, Json description, const char* folder, const char* document, const lathe_model_options& options,
                   Message* message) {
  char file[1024], target[256] = "", path[longest_path];
  text(member(description, "target"), target, sizeof target);
  if (!text(member(description, "artifact"), file, sizeof file) || !*file || strchr(file, '/') || strcmp(file, "..") == 0) {
    say(message, "'%s' names no plain file as a stage's artifact", document);
    return LATHE_RUNTIME_FAILED;
  }
  if (package->stage_count == most_stages || snprintf(path, sizeof path, "%s/%s", folder, file) >= static_cast<int>(sizeof path)) {
    say(message, "'%s' has more than %u stages, or its path is too long", document, most_stages);
    return LATHE_RUNTIME_FAILED;
  }
  Stage& stage = package->stages[package->stage_count++];
  const int32_t code = lathe_model_open(path, &options, &stage.model);
  if (code != LATHE_RUNTIME_OK) {
    say(message, "stage %u, for %s, cannot be run by this library: %s", package->stage_count, *target ? target : "an unnamed target",
        lathe_model_error(stage.model));
    return code;
  }
  const lathe_artifact& table = *lathe_model_describe(stage.model);
  stage.inputs = static_cast<uint32_t*>(calloc(table.input_count + uint64_t{1}, sizeof(uint32_t)));
  stage.outputs = static_cast<uint32_t*>(calloc(table.output_count + uint64_t{1}, sizeof(uint32_t)));
  stage.tensors = static_cast<lathe_model_tensor*>(calloc(table.input_count + uint64_t{1}, sizeof(lathe_model_tensor)));
  if (!stage.inputs || !stage.outputs || !stage.tensors) {
    say(message, "there is no memory for the package's bookkeeping");
    return LATHE_RUNTIME_FAILED;
  }
  const bool bound = bind(package, member(description, "inputs"), table.inputs, table.input_count, stage.inputs, document, message) &&
                     bind(package, member(description, "outputs"), table.outputs, table.output_count, stage.outputs, document, message);
  return bound ? LATHE_RUNTIME_OK : LATHE_RUNTIME_FAILED;
}

// The declaration of a tensor of the model, from the first stage that has it on that side.
const lathe_artifact_tensor* declaration(const Package& package, uint32_t slot, bool input) {
  for (uint32_t s = 0; s < package.stage_count; ++s) {
    const Stage& stage = package.stages[s];
    const lathe_artifact& table = *lathe_model_describe(stage.model);
    const uint32_t count = input ? table.input_count : table.output_count;
    for (uint32_t i = 0; i < count; ++i)
      if ((input ? stage.inputs : stage.outputs)[i] == slot) return &(input ? table.inputs : table.outputs)[i];
  }
  return nullptr;
}

// Slots and declarations of the model's inputs or outputs, in the document's order.
bool list_tensors(Package* package, Json list, bool input, uint32_t** slots, lathe_artifact_tensor* tensors, uint32_t* count, const char* document,
                  Message* message) {
  uint32_t n = 0;
  for (Json t = first(list); t; t = next(t)) ++n;
  if (n > most_tensors) {
    say(message, "'%s' lists more than %u inputs or outputs", document, most_tensors);
    return false;
  }
  *slots = static_cast<uint32_t*>(calloc(n + uint64_t{1}, sizeof(uint32_t)));
  if (!*slots) return false;
  for (Json t = first(list); t; t = next(t)) {
    char name[1024];
    const uint32_t slot = text(member(t, "name"), name, sizeof name) ? find_slot(*package, name) : UINT32_MAX;
    const lathe_artifact_tensor* declared = slot == UINT32_MAX ? nullptr : declaration(*package, slot, input);
    if (!declared) {
      say(message, "'%s' lists an %s that no stage of the package has: compile the model again", document, input ? "input" : "output");
      return false;
    }
    (*slots)[*count] = slot;
    tensors[*count] = *declared;
    tensors[*count].name = package->slots[slot].name;
    if (!input) package->slots[slot].output = *count;
    ++*count;
  }
  return true;
}

int32_t read_document(Package* package, Json root, const char* folder, const char* document, const lathe_model_options& options, Message* message) {
  const Json key = member(root, "lathe");
  int64_t format = 0;
  if (!number(member(key, "format"), &format) || format != 1) {
    say(message, key ? "'%s' has a format that this runtime does not know" : "'%s' describes no package of Lathe: it has no key 'lathe'", document);
    return LATHE_RUNTIME_FAILED;
  }
  for (Json stage = first(member(key, "stages")); stage; stage = next(stage)) {
    const int32_t code = open_stage(package, stage, folder, document, options, message);
    if (code != LATHE_RUNTIME_OK) return code;
  }
  lathe_artifact& table = package->table;
  uint64_t kernels = 0;
  for (uint32_t s = 0; s < package->stage_count; ++s) kernels += lathe_model_describe(package->stages[s].model)->kernel_count;
  package->tensors = static_cast<lathe_artifact_tensor*>(calloc(2 * uint64_t{most_tensors} + 1, sizeof(lathe_artifact_tensor)));
  package->kernels = static_cast<lathe_artifact_kernel*>(calloc(kernels + 1, sizeof(lathe_artifact_kernel)));
  if (!package->tensors || !package->kernels || package->stage_count == 0) {
    say(message, package->stage_count ? "there is no memory for the package's bookkeeping" : "'%s' has no stages", document);
    return LATHE_RUNTIME_FAILED;
  }
  table = *lathe_model_describe(package->stages[0].model);
  table.input_count = table.output_count = table.kernel_count = 0;
  table.weights_bytes = 0;
  memset(table.weights_check, 0, sizeof table.weights_check);
  table.inputs = package->tensors;
  table.outputs = package->tensors + most_tensors;
  table.kernels = package->kernels;
  for (uint32_t s = 0; s < package->stage_count; ++s) {
    const lathe_artifact& part = *lathe_model_describe(package->stages[s].model);
    for (uint32_t k = 0; k < part.kernel_count; ++k) package->kernels[table.kernel_count++] = part.kernels[k];
    table.weights_bytes += part.weights_bytes;
  }
  const bool listed =
      list_tensors(package, member(key, "inputs"), true, &package->input_slots, package->tensors, &table.input_count, document, message) &&
      list_tensors(package, member(key, "outputs"), false, &package->output_slots, package->tensors + most_tensors, &table.output_count, document,
                   message);
  return listed ? LATHE_RUNTIME_OK : LATHE_RUNTIME_FAILED;
}

// Bytes for a stage's output: the person's when it is an output of the model, else the slot's own, kept from run to run.
void* allocate(void* context, uint32_t output, int32_t type, const int64_t* dimensions, uint64_t rank, uint64_t bytes) {
  const Allocation& allocation = *static_cast<const Allocation*>(context);
  Slot& slot = allocation.package->slots[allocation.stage->outputs[output]];
  if (rank > most_dimensions) return nullptr;
  void* data = nullptr;
  const lathe_model_run_request& request = *allocation.request;
  if (slot.output != UINT32_MAX) {
    if (request.outputs && request.outputs[slot.output].data) {
      if (request.outputs[slot.output].bytes != bytes || request.outputs[slot.output].type != type) return nullptr;
      data = request.outputs[slot.output].data;
    } else if (request.allocate) {
      data = request.allocate(request.context, slot.output, type, dimensions, rank, bytes);
    }
  } else {
    if (bytes > slot.own_bytes || !slot.own) {
      free(slot.own);
      slot.own = nullptr;
      slot.own_bytes = 0;
      if (posix_memalign(&slot.own, 64, bytes ? bytes : 64) != 0) return nullptr;
      slot.own_bytes = bytes;
    }
    data = slot.own;
  }
  if (rank) memcpy(slot.dimensions, dimensions, rank * sizeof(int64_t));
  slot.value = {sizeof slot.value, type, rank, slot.dimensions, data, bytes, LATHE_ARTIFACT_TENSOR, 0, nullptr, 0};
  slot.given = data != nullptr;
  return data;
}

// An output that is no tensor of numbers goes to the person; a later stage cannot have it.
int32_t put(void* context, uint32_t output, const lathe_model_tensor* value) {
  const Allocation& allocation = *static_cast<const Allocation*>(context);
  const Slot& slot = allocation.package->slots[allocation.stage->outputs[output]];
  const lathe_model_run_request& request = *allocation.request;
  return slot.output != UINT32_MAX && request.put ? request.put(request.context, slot.output, value) : 1;
}

const char* decode(void* context, const void* file, uint64_t size, void* target, uint8_t* (*allocate)(void* target, int64_t height, int64_t width)) {
  const lathe_model_run_request& request = *static_cast<const Allocation*>(context)->request;
  return request.decode_picture(request.context, file, size, target, allocate);
}

int32_t cancelled(void* context) {
  const lathe_model_run_request& request = *static_cast<const Allocation*>(context)->request;
  return request.cancelled(request.context);
}

}  // namespace

bool is_folder(const char* path) {
  struct stat status;
  return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

Package* open_package(const char* folder, const lathe_model_options& options, int32_t* code, Message* message) {
  *code = LATHE_RUNTIME_FAILED;
  char document[longest_path];
  if (!find_document(folder, document, sizeof document)) {
    say(message, "'%s' is no package: it holds no model JSON, or several", folder);
    return nullptr;
  }
  size_t size = 0;
  char* text = read_text(document, &size);
  const Json root = text ? parse_json(text, size) : Json{};
  Package* package = nullptr;
  if (!root) {
    say(message, "'%s' is no readable JSON", document);
  } else if (void* memory = calloc(1, sizeof(Package))) {
    package = static_cast<Package*>(memory);
    for (Slot& slot : package->slots) slot.output = UINT32_MAX;
    *code = read_document(package, root, folder, document, options, message);
  } else {
    say(message, "there is no memory for the package's bookkeeping");
  }
  free(text);
  if (*code != LATHE_RUNTIME_OK) {
    close_package(package);
    return nullptr;
  }
  return package;
}

void close_package(Package* package) {
  if (!package) return;
  for (Stage& stage : package->stages) {
    lathe_model_close(stage.model);
    free(stage.inputs);
    free(stage.outputs);
    free(stage.tensors);
  }
  for (Slot& slot : package->slots) {
    free(slot.name);
    free(slot.dimensions);
    free(slot.own);
  }
  free(package->input_slots);
  free(package->output_slots);
  free(package->tensors);
  free(package->kernels);
  free(package);
}

const lathe_artifact* package_table(const Package* package) { return &package->table; }

int32_t run_package(Package* package, const lathe_model_run_request& request, Message* message) {
  const lathe_artifact& table = package->table;
  if (request.input_count != table.input_count || (table.input_count && !request.inputs) ||
      (request.outputs && request.output_count != table.output_count)) {
    say(message, "the model has %u inputs and %u outputs; %u and %u are given", table.input_count, table.output_count, request.input_count,
        request.output_count);
    return LATHE_RUNTIME_USAGE;
  }
  for (uint32_t i = 0; i < package->slot_count; ++i) package->slots[i].given = false;
  for (uint32_t i = 0; i < table.input_count; ++i) {
    Slot& slot = package->slots[package->input_slots[i]];
    const lathe_model_tensor& given = request.inputs[i];
    if (given.kind != slot.kind || given.type != slot.type || given.rank > most_dimensions ||
        (slot.kind == LATHE_ARTIFACT_TENSOR && slot.declared_rank >= 0 && given.rank != static_cast<uint64_t>(slot.declared_rank))) {
      say(message, "input '%s' has data type %d and rank %llu; expected data type %d and rank %d (types by ONNX's TensorProto.DataType)", slot.name,
          given.type, static_cast<unsigned long long>(given.rank), slot.type, slot.declared_rank);
      return LATHE_RUNTIME_USAGE;
    }
    slot.value = given;
    slot.given = true;
  }
  for (uint32_t s = 0; s < package->stage_count; ++s) {
    const Stage& stage = package->stages[s];
    const lathe_artifact& part = *lathe_model_describe(stage.model);
    for (uint32_t i = 0; i < part.input_count; ++i) {
      const Slot& slot = package->slots[stage.inputs[i]];
      if (!slot.given) {
        say(message, "stage %u of the package wants tensor '%s' before anything yields it: compile the model again", s + 1, slot.name);
        return LATHE_RUNTIME_FAILED;
      }
      stage.tensors[i] = slot.value;
    }
    Allocation allocation{package, &stage, &request};
    lathe_model_run_request run{};
    run.struct_size = sizeof run;
    run.inputs = stage.tensors;
    run.input_count = part.input_count;
    run.output_count = part.output_count;
    run.context = &allocation;
    run.allocate = allocate;
    run.put = put;
    if (request.decode_picture) run.decode_picture = decode;
    if (request.cancelled) run.cancelled = cancelled;
    const int32_t code = lathe_model_run(stage.model, &run);
    if (code != LATHE_RUNTIME_OK) {
      say(message, "%s", lathe_model_error(stage.model));
      return code;
    }
  }
  return LATHE_RUNTIME_OK;
}

int32_t set_package_threads(Package* package, uint32_t threads, Message* message) {
  for (uint32_t s = 0; s < package->stage_count; ++s) {
    const int32_t code = lathe_model_set_threads(package->stages[s].model, threads);
    if (code != LATHE_RUNTIME_OK) {
      say(message, "%s", lathe_model_error(package->stages[s].model));
      return code;
    }
  }
  return LATHE_RUNTIME_OK;
}

uint32_t package_threads(const Package* package) { return lathe_model_threads(package->stages[0].model); }

int32_t package_profile(const Package* package, uint32_t kernel, uint64_t* runs, uint64_t* nanoseconds) {
  for (uint32_t s = 0; s < package->stage_count; ++s) {
    const uint32_t count = lathe_model_describe(package->stages[s].model)->kernel_count;
    if (kernel < count) return lathe_model_profile(package->stages[s].model, kernel, runs, nanoseconds);
    kernel -= count;
  }
  return LATHE_RUNTIME_USAGE;
}

uint64_t package_scratch_bytes(const Package* package) {
  uint64_t sum = 0;
  for (uint32_t s = 0; s < package->stage_count; ++s) sum += lathe_model_scratch_bytes(package->stages[s].model);
  for (uint32_t i = 0; i < package->slot_count; ++i) sum += package->slots[i].own_bytes;
  return sum;
}

}  // namespace lathe::runtime
