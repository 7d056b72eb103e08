// The main program of `--emit executable`: a model, its weights and the runtime in one static file. C library only.
//
//   ./model INPUT... [-o FOLDER] [-t THREADS]
//
// One INPUT per input of the model, in its order: .npy, or any other name for raw bytes. Outputs are written as FOLDER/<name>.npy; FOLDER is
// made when it does not exist.
#include <errno.h>
#include <fcntl.h>
#include <lathe/runtime.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

extern "C" const lathe_artifact lathe_artifact_1;

namespace {

// NumPy's names for ONNX's types, by TensorProto.DataType; null: NumPy has none.
const char* const numpy_types[] = {nullptr, "<f4", "|u1", "|i1", "<u2", "<i2", "<i4", "<i8", nullptr, "|b1", "<f2", "<f8", "<u4", "<u8"};
const char* numpy_type(int32_t type) {
  return type >= 0 && static_cast<size_t>(type) < sizeof numpy_types / sizeof *numpy_types ? numpy_types[type] : nullptr;
}

struct File {
  char* bytes = nullptr;
  size_t size = 0;
};

bool read_file(const char* path, File* file) {
  const int f = open(path, O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (f < 0 || fstat(f, &status) != 0) {
    fprintf(stderr, "error: cannot read '%s': %s\n", path, strerror(errno));
    return false;
  }
  file->size = static_cast<size_t>(status.st_size);
  void* mapped = file->size ? mmap(nullptr, file->size, PROT_READ, MAP_PRIVATE, f, 0) : nullptr;
  close(f);
  if (mapped == MAP_FAILED) {
    fprintf(stderr, "error: cannot read '%s': %s\n", path, strerror(errno));
    return false;
  }
  file->bytes = static_cast<char*>(mapped);
  return true;
}

bool contains(const char* header, size_t size, const char* text) { return memmem(header, size, text, strlen(text)) != nullptr; }

constexpr uint64_t most_rank = 64;

// Raw bytes have no shape of their own, so the model's must be fixed.
bool has_fixed_shape(const char* path, const lathe_artifact_tensor& declared) {
  bool fixed = declared.rank >= 0 && declared.kind == LATHE_ARTIFACT_TENSOR;
  for (int32_t d = 0; fixed && d < declared.rank; ++d) fixed = declared.dimensions[d] >= 0;
  if (!fixed) fprintf(stderr, "error: input '%s' has no fixed shape, so '%s' has to be a .npy file\n", declared.name, path);
  return fixed;
}

// The numbers between the brackets of 'shape': (1, 3, 640, 640).
bool read_shape(const char* header, size_t size, lathe_model_tensor* tensor) {
  const char* at = static_cast<const char*>(memmem(header, size, "'shape': (", 10));
  auto* dimensions = static_cast<int64_t*>(calloc(most_rank, sizeof(int64_t)));
  if (!at || !dimensions) return false;
  const char* end = header + size;
  tensor->rank = 0;
  tensor->dimensions = dimensions;
  for (at += 10; at < end && *at != ')'; ++at) {
    if (*at == ',' || *at == ' ') continue;
    if (*at < '0' || *at > '9' || tensor->rank == most_rank) return false;
    int64_t& d = dimensions[tensor->rank++];
    for (; at < end && *at >= '0' && *at <= '9'; ++at) d = d * 10 + (*at - '0');
    --at;
  }
  return at < end;
}

// One input from a .npy file (NumPy's format description, versions 1 to 3) or raw bytes.
bool read_input(const char* path, const lathe_artifact_tensor& declared, lathe_model_tensor* tensor) {
  File file;
  if (!read_file(path, &file)) return false;
  *tensor = {sizeof *tensor, declared.type, 0, declared.dimensions, file.bytes, file.size, LATHE_ARTIFACT_TENSOR, 0, nullptr, 0};
  if (declared.rank >= 0) tensor->rank = static_cast<uint64_t>(declared.rank);
  const size_t length = strlen(path);
  if (length < 4 || strcmp(path + length - 4, ".npy") != 0) return has_fixed_shape(path, declared);
  if (file.size < 12 || memcmp(file.bytes, "\x93NUMPY", 6) != 0) {
    fprintf(stderr, "error: '%s' is no .npy file\n", path);
    return false;
  }
  const unsigned char* u = reinterpret_cast<const unsigned char*>(file.bytes);
  const bool first = u[6] == 1;
  const size_t begin = first ? 10 : 12;
  const size_t header = first ? u[8] | u[9] << 8 : u[8] | u[9] << 8 | u[10] << 16 | static_cast<size_t>(u[11]) << 24;
  const char* type = numpy_type(declared.type);
  char quoted[16];
  snprintf(quoted, sizeof quoted, "'%s'", type ? type : "");
  if (header > file.size - begin || !contains(file.bytes + begin, header, quoted) ||
      !contains(file.bytes + begin, header, "'fortran_order': False")) {
    fprintf(stderr, "error: '%s' does not hold row-major numbers of the type that input '%s' wants (%s)\n", path, declared.name,
            type ? type : "none that NumPy has");
    return false;
  }
  if (!read_shape(file.bytes + begin, header, tensor)) {
    fprintf(stderr, "error: '%s' does not say its shape as NumPy does\n", path);
    return false;
  }
  tensor->data = file.bytes + begin + header;
  tensor->bytes = file.size - begin - header;
  return true;
}

struct Output {
  int64_t* dimensions;
  uint64_t rank, bytes;
  void* data;
};

void* keep_output(void* context, uint32_t output, int32_t, const int64_t* dimensions, uint64_t rank, uint64_t bytes) {
  Output* o = static_cast<Output*>(context) + output;
  o->dimensions = static_cast<int64_t*>(malloc((rank + 1) * sizeof(int64_t)));
  if (!o->dimensions || posix_memalign(&o->data, 64, bytes ? bytes : 1) != 0) return nullptr;
  memcpy(o->dimensions, dimensions, rank * sizeof(int64_t));
  o->rank = rank;
  o->bytes = bytes;
  return o->data;
}

bool write_output(const char* folder, const lathe_artifact_tensor& declared, const Output& output) {
  char path[4096];
  const int used = snprintf(path, sizeof path - 8, "%s/", folder);
  if (used < 0 || static_cast<size_t>(used) + strlen(declared.name) >= sizeof path - 8) return false;
  char* end = path + used;
  for (const char* c = declared.name; *c; ++c) *end++ = *c == '/' || *c == '\\' || *c == ':' || static_cast<unsigned char>(*c) < 32 ? '_' : *c;
  const char* type = numpy_type(declared.type);
  strcpy(end, type ? ".npy" : ".bin");
  FILE* file = fopen(path, "wb");
  bool sound = file != nullptr;
  if (sound && type) {
    char shape[1024];
    size_t at = 0;
    shape[0] = 0;
    for (uint64_t i = 0; i < output.rank && at + 24 < sizeof shape; ++i)
      at += static_cast<size_t>(snprintf(shape + at, sizeof shape - at, "%lld, ", static_cast<long long>(output.dimensions[i])));
    char header[1536];
    const int n = snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", type, shape);
    const size_t padded = (10 + static_cast<size_t>(n) + 1 + 63) / 64 * 64 - 10;
    const unsigned char magic[10] = {
        0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, static_cast<unsigned char>(padded & 255), static_cast<unsigned char>(padded >> 8)};
    sound = fwrite(magic, 1, sizeof magic, file) == sizeof magic && fprintf(file, "%-*s\n", static_cast<int>(padded - 1), header) > 0;
  }
  sound = sound && fwrite(output.data, 1, output.bytes, file) == output.bytes;
  if (file && fclose(file) != 0) sound = false;
  if (sound)
    printf("%s\n", path);
  else
    fprintf(stderr, "error: cannot write '%s': %s\n", path, strerror(errno));
  return sound;
}

// The weights follow the program in its own file.
const void* own_weights() {
  File file;
  if (!read_file("/proc/self/exe", &file)) return nullptr;
  lathe_artifact_trailer trailer;
  memcpy(&trailer, file.bytes + file.size - sizeof trailer, sizeof trailer);
  if (memcmp(trailer.magic, "LATHEwt1", 8) != 0 || trailer.weights_bytes != lathe_artifact_1.weights_bytes || trailer.weights_offset % 4096 != 0 ||
      trailer.weights_offset > file.size || trailer.weights_bytes > file.size - trailer.weights_offset) {
    fputs("error: this program's file is damaged: its weights are not where they should be (was it stripped?)\n", stderr);
    return nullptr;
  }
  return file.bytes + trailer.weights_offset;
}

int usage(const char* program) {
  fprintf(stderr, "usage: %s INPUT... [-o FOLDER] [-t THREADS]\ninputs, .npy or raw bytes:\n", program);
  for (uint32_t i = 0; i < lathe_artifact_1.input_count; ++i) {
    const lathe_artifact_tensor& t = lathe_artifact_1.inputs[i];
    fprintf(stderr, "  %s", t.name);
    for (int32_t d = 0; d < t.rank; ++d) {
      const char* name = t.symbols && t.symbols[d] ? t.symbols[d] : "?";
      if (t.dimensions[d] < 0)
        fprintf(stderr, "%s%s", d ? "x" : " ", name);
      else
        fprintf(stderr, "%s%lld", d ? "x" : " ", static_cast<long long>(t.dimensions[d]));
    }
    fprintf(stderr, " %s\n", numpy_type(t.type) ? numpy_type(t.type) : "(raw)");
  }
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  const lathe_artifact& table = lathe_artifact_1;
  const char* folder = ".";
  lathe_model_options options{};
  options.struct_size = sizeof options;
  auto* inputs = static_cast<lathe_model_tensor*>(calloc(table.input_count + size_t{1}, sizeof(lathe_model_tensor)));
  auto* outputs = static_cast<Output*>(calloc(table.output_count + size_t{1}, sizeof(Output)));
  if (!inputs || !outputs) return 1;
  uint32_t given = 0;
  for (int i = 1; i < argc; ++i) {
    const bool valued = i + 1 < argc;
    if (strcmp(argv[i], "-o") == 0 && valued)
      folder = argv[++i];
    else if (strcmp(argv[i], "-t") == 0 && valued)
      options.threads = static_cast<uint32_t>(strtoul(argv[++i], nullptr, 10));
    else if (argv[i][0] == '-' || given == table.input_count)
      return usage(argv[0]);
    else if (!read_input(argv[i], table.inputs[given], &inputs[given]))
      return 1;
    else
      ++given;
  }
  if (given != table.input_count) return usage(argv[0]);
  if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
    fprintf(stderr, "error: cannot make the folder '%s': %s\n", folder, strerror(errno));
    return 1;
  }
  const void* weights = own_weights();
  if (!weights) return 1;
  lathe_model* model = nullptr;
  int32_t code = lathe_model_open_linked(&table, weights, &options, &model);
  lathe_model_run_request request{};
  request.struct_size = sizeof request;
  request.inputs = inputs;
  request.input_count = given;
  request.context = outputs;
  request.allocate = keep_output;
  if (code == LATHE_RUNTIME_OK) code = lathe_model_run(model, &request);
  if (code != LATHE_RUNTIME_OK) {
    fprintf(stderr, "error: %s\n", lathe_model_error(model));
    return 1;
  }
  for (uint32_t i = 0; i < table.output_count; ++i)
    if (!write_output(folder, table.outputs[i], outputs[i])) return 1;
  lathe_model_close(model);
  return 0;
}
