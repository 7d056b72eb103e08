// The reader of image.hpp: ELF-64 little endian (System V ABI, gABI 4.1), the dynamic symbol table, and the table behind one symbol of it.
// Relative relocations are applied in the file by the linker, so that a pointer's bytes in the file are its address.
#include "image.hpp"

#include <elf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

namespace lathe::runtime {
namespace {

struct Image {
  const uint8_t* bytes;
  uint64_t size;
  const Elf64_Ehdr* header;
  const Elf64_Phdr* segments;

  // The file's bytes for a range of addresses, or null when they are not all in one segment's file part, or not aligned.
  const uint8_t* at(uint64_t address, uint64_t count, uint64_t alignment = 1, uint64_t* remaining = nullptr) const {
    for (int i = 0; i < header->e_phnum; ++i) {
      const Elf64_Phdr& s = segments[i];
      if (s.p_type != PT_LOAD || address < s.p_vaddr || address - s.p_vaddr >= s.p_filesz) continue;
      const uint64_t inside = address - s.p_vaddr, left = s.p_filesz - inside;
      if (s.p_offset > size || s.p_filesz > size - s.p_offset || count > left) return nullptr;
      const uint8_t* p = bytes + s.p_offset + inside;
      if (reinterpret_cast<uintptr_t>(p) % alignment != 0) return nullptr;
      if (remaining) *remaining = left;
      return p;
    }
    return nullptr;
  }
  template <class T>
  const T* array(uint64_t address, uint64_t count) const {
    if (count > size / sizeof(T)) return nullptr;
    return reinterpret_cast<const T*>(at(address, count * sizeof(T), alignof(T)));
  }
  const char* text(const void* pointer) const {
    uint64_t remaining = 0;
    const uint8_t* p = at(reinterpret_cast<uintptr_t>(pointer), 1, 1, &remaining);
    return p && memchr(p, 0, remaining) ? reinterpret_cast<const char*>(p) : nullptr;
  }
};

uint64_t symbol_address(const Image& image, const char* name) {
  uint64_t symbols = 0, strings = 0, strings_size = 0, hash = 0;
  for (int i = 0; i < image.header->e_phnum; ++i) {
    const Elf64_Phdr& s = image.segments[i];
    if (s.p_type != PT_DYNAMIC) continue;
    const uint64_t count = s.p_filesz / sizeof(Elf64_Dyn);
    const Elf64_Dyn* entries = image.array<Elf64_Dyn>(s.p_vaddr, count);
    for (uint64_t e = 0; entries && e < count && entries[e].d_tag != DT_NULL; ++e) {
      if (entries[e].d_tag == DT_SYMTAB) symbols = entries[e].d_un.d_ptr;
      if (entries[e].d_tag == DT_STRTAB) strings = entries[e].d_un.d_ptr;
      if (entries[e].d_tag == DT_STRSZ) strings_size = entries[e].d_un.d_val;
      if (entries[e].d_tag == DT_HASH) hash = entries[e].d_un.d_ptr;
    }
  }
  const uint32_t* header = image.array<uint32_t>(hash, 2);  // buckets, chains; there is one chain entry per symbol
  if (!header) return 0;
  const Elf64_Sym* table = image.array<Elf64_Sym>(symbols, header[1]);
  const uint8_t* text = image.at(strings, strings_size);
  const size_t length = strlen(name) + 1;
  for (uint32_t i = 0; table && text && i < header[1]; ++i) {
    if (table[i].st_name >= strings_size || strings_size - table[i].st_name < length) continue;
    if (memcmp(text + table[i].st_name, name, length) == 0 && table[i].st_shndx != SHN_UNDEF) return table[i].st_value;
  }
  return 0;
}

// `symbols` are where names of dimensions go, behind those that are there.
bool read_tensors(const Image& image, const lathe_artifact_tensor* source, uint32_t count, lathe_artifact_tensor* out, const char** symbols) {
  const lathe_artifact_tensor* tensors = image.array<lathe_artifact_tensor>(reinterpret_cast<uintptr_t>(source), count);
  if (!tensors) return count == 0;
  for (uint32_t i = 0; i < count; ++i) {
    out[i] = tensors[i];
    out[i].name = image.text(tensors[i].name);
    out[i].symbols = nullptr;
    if (!out[i].name || tensors[i].rank < -1 || tensors[i].rank > most_dimensions) return false;
    if (tensors[i].rank <= 0) continue;
    const auto rank = static_cast<uint64_t>(tensors[i].rank);
    out[i].dimensions = image.array<int64_t>(reinterpret_cast<uintptr_t>(tensors[i].dimensions), rank);
    if (!out[i].dimensions) return false;
    if (!tensors[i].symbols) continue;
    const char* const* names = image.array<const char*>(reinterpret_cast<uintptr_t>(tensors[i].symbols), rank);
    if (!names) return false;
    out[i].symbols = symbols + i * most_dimensions;
    for (uint64_t d = 0; d < rank; ++d) {
      symbols[i * most_dimensions + d] = names[d] ? image.text(names[d]) : nullptr;
      if (names[d] && !symbols[i * most_dimensions + d]) return false;
    }
  }
  return true;
}

bool read_kernels(const Image& image, const lathe_artifact_kernel* source, uint32_t count, lathe_artifact_kernel* out) {
  const lathe_artifact_kernel* kernels = image.array<lathe_artifact_kernel>(reinterpret_cast<uintptr_t>(source), count);
  if (!kernels) return count == 0;
  for (uint32_t i = 0; i < count; ++i) {
    out[i] = kernels[i];
    out[i].name = image.text(kernels[i].name);
    out[i].nodes = image.text(kernels[i].nodes);
    out[i].origin = image.text(kernels[i].origin);
    if (!out[i].name || !out[i].nodes || !out[i].origin) return false;
  }
  return true;
}

}  // namespace

void say(Message* message, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message->text, sizeof message->text, format, arguments);
  va_end(arguments);
}

Description::~Description() {
  free(tensors);
  free(kernels);
  free(symbols);
}

bool read_description(const uint8_t* bytes, uint64_t size, const char* name, Description* description, Message* message) {
  Image image{bytes, size, reinterpret_cast<const Elf64_Ehdr*>(bytes), nullptr};
  if (size < sizeof(Elf64_Ehdr) || memcmp(bytes, ELFMAG, SELFMAG) != 0 || bytes[EI_CLASS] != ELFCLASS64 || bytes[EI_DATA] != ELFDATA2LSB) {
    say(message, "'%s' is no native artifact: it does not begin with the header of a 64-bit little-endian ELF file", name);
    return false;
  }
  lathe_artifact_trailer trailer;
  memcpy(&trailer, bytes + size - sizeof trailer, sizeof trailer);
  if (memcmp(trailer.magic, "LATHEwt1", 8) != 0) {
    say(message, "'%s' is no native artifact, or its end is cut off: an ELF file whose last 32 bytes are not an artifact's trailer", name);
    return false;
  }
  const uint64_t content = size - sizeof trailer;
  if (trailer.weights_offset % 4096 != 0 || trailer.weights_offset > content || trailer.weights_bytes > content - trailer.weights_offset) {
    say(message, "'%s' is damaged: its trailer places %llu bytes of weights at offset %llu of a file of %llu bytes", name,
        static_cast<unsigned long long>(trailer.weights_bytes), static_cast<unsigned long long>(trailer.weights_offset),
        static_cast<unsigned long long>(size));
    return false;
  }
  const Elf64_Ehdr& header = *image.header;
  if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phoff % 8 != 0 || header.e_phoff > size ||
      header.e_phnum > (size - header.e_phoff) / sizeof(Elf64_Phdr)) {
    say(message, "'%s' is damaged: its program headers lie outside the file", name);
    return false;
  }
  image.segments = reinterpret_cast<const Elf64_Phdr*>(bytes + header.e_phoff);
  const lathe_artifact* table = image.array<lathe_artifact>(symbol_address(image, LATHE_ARTIFACT_SYMBOL), 1);
  if (!table) {
    say(message, "'%s' is no native artifact: it has no symbol %s", name, LATHE_ARTIFACT_SYMBOL);
    return false;
  }
  if (table->major != LATHE_ARTIFACT_MAJOR || table->struct_size < sizeof(lathe_artifact)) {
    say(message,
        "'%s' has artifact format %u and this runtime reads format %u: compile the model again, or use the runtime of the Lathe that compiled it",
        name, table->major, LATHE_ARTIFACT_MAJOR);
    return false;
  }
  lathe_artifact& copy = description->table;
  copy = *table;
  copy.prepare = nullptr;
  copy.run = nullptr;
  copy.producer = image.text(table->producer);
  copy.triple = image.text(table->triple);
  copy.cpu = image.text(table->cpu);
  copy.features = image.text(table->features);
  bool sound = copy.producer && copy.triple && copy.cpu && copy.features && table->weights_bytes == trailer.weights_bytes;
  // An array of counts beyond the file's size cannot be in it.
  const uint64_t tensors = static_cast<uint64_t>(copy.input_count) + copy.output_count;
  sound = sound && tensors <= size / sizeof(lathe_artifact_tensor) && copy.kernel_count <= size / sizeof(lathe_artifact_kernel);
  if (sound) {
    description->tensors = static_cast<lathe_artifact_tensor*>(calloc(tensors + 1, sizeof(lathe_artifact_tensor)));
    description->kernels = static_cast<lathe_artifact_kernel*>(calloc(copy.kernel_count + uint64_t{1}, sizeof(lathe_artifact_kernel)));
    description->symbols = static_cast<const char**>(calloc((tensors + 1) * most_dimensions, sizeof(const char*)));
    if (!description->tensors || !description->kernels || !description->symbols) {
      say(message, "there is no memory to read the header of '%s'", name);
      return false;
    }
    sound = read_tensors(image, table->inputs, copy.input_count, description->tensors, description->symbols) &&
            read_tensors(image, table->outputs, copy.output_count, description->tensors + copy.input_count,
                         description->symbols + copy.input_count * uint64_t{most_dimensions}) &&
            read_kernels(image, table->kernels, copy.kernel_count, description->kernels);
  }
  if (!sound) {
    say(message, "'%s' is damaged: its table points outside the file", name);
    return false;
  }
  copy.inputs = description->tensors;
  copy.outputs = description->tensors + copy.input_count;
  copy.kernels = description->kernels;
  description->machine = header.e_machine;
  description->weights = bytes + trailer.weights_offset;
  return true;
}

}  // namespace lathe::runtime
