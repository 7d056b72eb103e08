// Runs an artifact for this processor family and talks over pipes: the executor starts it under an emulator when the machine is of another
// family. C library only. All numbers are little endian, as both sides are.
//
//   runner ARTIFACT THREADS PROFILE
//   ->  u32 code, u32 length, text                                   after loading and after every command; code 0 has no text
//   <-  u32 1, then per input:  u64 rank, i64 dimensions[], u64 bytes, data
//   ->  per output, after code 0:  u64 rank, i64 dimensions[], u64 bytes, data
//   <-  u32 2   ->  after code 0: u64 scratch bytes, u64 kernels, then per kernel u64 runs, u64 nanoseconds
#include <lathe/runtime.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

namespace {

bool read_all(void* bytes, size_t size) {
  char* to = static_cast<char*>(bytes);
  while (size > 0) {
    const ssize_t n = read(0, to, size);
    if (n <= 0) return false;
    to += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

bool write_all(const void* bytes, size_t size) {
  const char* from = static_cast<const char*>(bytes);
  while (size > 0) {
    const ssize_t n = write(1, from, size);
    if (n <= 0) return false;
    from += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

bool answer(int32_t code, const char* text) {
  const uint32_t head[2] = {static_cast<uint32_t>(code), static_cast<uint32_t>(code ? strlen(text) : 0)};
  return write_all(head, sizeof head) && write_all(text, head[1]);
}

constexpr uint64_t most_rank = 64;

struct Block {
  uint64_t rank;
  int64_t dimensions[most_rank];
  uint64_t bytes;
  void* data;
};

bool read_block(Block* block) {
  if (!read_all(&block->rank, sizeof block->rank) || block->rank > most_rank) return false;
  if (!read_all(block->dimensions, block->rank * sizeof(int64_t)) || !read_all(&block->bytes, sizeof block->bytes)) return false;
  free(block->data);
  block->data = malloc(block->bytes ? block->bytes : 1);
  return block->data && read_all(block->data, block->bytes);
}

void* keep_output(void* context, uint32_t output, int32_t, const int64_t* dimensions, uint64_t rank, uint64_t bytes) {
  Block* block = static_cast<Block*>(context) + output;
  if (rank > most_rank) return nullptr;
  block->rank = rank;
  memcpy(block->dimensions, dimensions, rank * sizeof(int64_t));
  block->bytes = bytes;
  free(block->data);
  block->data = nullptr;
  return posix_memalign(&block->data, 64, bytes ? bytes : 1) == 0 ? block->data : nullptr;
}

bool run(lathe_model* model, const lathe_artifact& table, Block* inputs, Block* outputs, lathe_model_tensor* tensors) {
  for (uint32_t i = 0; i < table.input_count; ++i) {
    if (!read_block(&inputs[i])) return false;
    tensors[i] = {sizeof(lathe_model_tensor),
                  table.inputs[i].type,
                  inputs[i].rank,
                  inputs[i].dimensions,
                  inputs[i].data,
                  inputs[i].bytes,
                  LATHE_ARTIFACT_TENSOR,
                  0,
                  nullptr,
                  0};
  }
  lathe_model_run_request request{};
  request.struct_size = sizeof request;
  request.inputs = tensors;
  request.input_count = table.input_count;
  request.context = outputs;
  request.allocate = keep_output;
  const int32_t code = lathe_model_run(model, &request);
  if (!answer(code, lathe_model_error(model))) return false;
  for (uint32_t i = 0; code == LATHE_RUNTIME_OK && i < table.output_count; ++i) {
    const Block& b = outputs[i];
    if (!write_all(&b.rank, sizeof b.rank) || !write_all(b.dimensions, b.rank * sizeof(int64_t)) || !write_all(&b.bytes, sizeof b.bytes) ||
        !write_all(b.data, b.bytes))
      return false;
  }
  return true;
}

bool profile(lathe_model* model, const lathe_artifact& table) {
  const uint64_t head[2] = {lathe_model_scratch_bytes(model), table.kernel_count};
  if (!answer(0, "") || !write_all(head, sizeof head)) return false;
  for (uint32_t i = 0; i < table.kernel_count; ++i) {
    uint64_t times[2];
    lathe_model_profile(model, i, &times[0], &times[1]);
    if (!write_all(times, sizeof times)) return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    fputs("usage: runner ARTIFACT THREADS PROFILE\n", stderr);
    return 2;
  }
  lathe_model_options options{};
  options.struct_size = sizeof options;
  options.threads = static_cast<uint32_t>(strtoul(argv[2], nullptr, 10));
  options.profile = argv[3][0] == '1';
  lathe_model* model = nullptr;
  const int32_t code = lathe_model_open(argv[1], &options, &model);
  if (!answer(code, lathe_model_error(model)) || code != LATHE_RUNTIME_OK) return 1;
  const lathe_artifact& table = *lathe_model_describe(model);
  Block* inputs = static_cast<Block*>(calloc(table.input_count + size_t{1}, sizeof(Block)));
  Block* outputs = static_cast<Block*>(calloc(table.output_count + size_t{1}, sizeof(Block)));
  auto* tensors = static_cast<lathe_model_tensor*>(calloc(table.input_count + size_t{1}, sizeof(lathe_model_tensor)));
  uint32_t command = 0;
  bool sound = inputs && outputs && tensors;
  while (sound && read_all(&command, sizeof command)) {
    if (command == 1)
      sound = run(model, table, inputs, outputs, tensors);
    else if (command == 2)
      sound = profile(model, table);
    else
      sound = false;
  }
  _exit(sound ? 0 : 1);
}
