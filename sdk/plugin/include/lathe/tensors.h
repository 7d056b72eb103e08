/* lathe/tensors.h - tensors/1: a plugin that reads and writes tensor files. Used by run and verify for inputs and outputs. */
#ifndef LATHE_TENSORS_H
#define LATHE_TENSORS_H
#include "executor.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct lathe_tensor_read_request {
  uint32_t struct_size;
  int32_t kind; /* LATHE_KIND_... of the value that is wanted, for formats whose files do not say what they hold */
  lathe_string path;
} lathe_tensor_read_request;

/* Takes the file's value, once. */
typedef struct lathe_tensor_sink {
  void* context;
  /* Copies all of it. `name`: the value's own name in the file; may be empty. */
  lathe_code (*accept)(void* context, lathe_string name, const lathe_buffer* value);
} lathe_tensor_sink;

typedef struct lathe_tensor_write_request {
  uint32_t struct_size;
  uint32_t reserved;
  lathe_string name; /* the value's, for formats that keep one */
  const lathe_buffer* value;
  void* context; /* first argument of write */
  /* The file's bytes, from its beginning to its end, in any number of calls. */
  lathe_code (*write)(void* context, const void* bytes, size_t size);
} lathe_tensor_write_request;

typedef struct lathe_tensors {
  uint32_t struct_size;
  uint32_t reserved;
  const char* const* extensions; /* static, NULL-terminated, without dot; files are written under the first */
  /* How sure it is that it can read the file, 0 to 100. Looks at the first bytes (at most 4096). Reports nothing. */
  int32_t (*recognise)(const void* head, size_t head_size, uint64_t file_size, lathe_string path);
  lathe_code (*read)(const lathe_host* host, const lathe_tensor_read_request* request, const lathe_tensor_sink* sink);
  lathe_code (*write)(const lathe_host* host, const lathe_tensor_write_request* request); /* optional */
} lathe_tensors;

#ifdef __cplusplus
}
#endif
#endif
