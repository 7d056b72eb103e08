/* lathe/executor.h - executor/1: a plugin that runs artifacts. Used by run, bench, verify, calibration. */
#ifndef LATHE_EXECUTOR_H
#define LATHE_EXECUTOR_H
#include "graph.h"
#ifdef __cplusplus
extern "C" {
#endif

/* A value for one run: a tensor's bytes, packed and row major; or a sequence, or an optional, made of such. */
typedef struct lathe_buffer {
  uint32_t struct_size;
  int32_t type;
  const int64_t* dimensions;
  size_t rank;
  void* data;                          /* inputs are only read; of LATHE_STRING tensors: an array of lathe_string */
  uint64_t size;                       /* bytes at data */
  const char* device;                  /* NULL: host memory; else a device of this executor */
  int32_t kind;                        /* LATHE_KIND_... */
  int32_t present;                     /* of optionals: 0 when there is nothing in it; 1 for everything else */
  const struct lathe_buffer* elements; /* of sequences: one tensor each; `type` is theirs, data, dimensions and rank are unused */
  size_t element_count, element_stride;
} lathe_buffer;

/* Outputs leave through it: the executor asks for each tensor's bytes once, with the shape this run gives it, and fills them. */
typedef struct lathe_buffer_sink {
  void* context;
  void* (*allocate)(void* context, uint32_t output, int32_t type, const int64_t* dimensions, size_t rank,
                    uint64_t size); /* 64-byte aligned; NULL: failed */
  /* In place of allocate for outputs whose memory the executor owns: strings, sequences and optionals. Copies all of it. */
  lathe_code (*put)(void* context, uint32_t output, const lathe_buffer* value);
} lathe_buffer_sink;

typedef struct lathe_load_request {
  uint32_t struct_size;
  uint32_t threads; /* at least 1 */
  lathe_string path;
  int32_t profile; /* non-zero: run() collects times per kernel */
} lathe_load_request;

typedef struct lathe_interface {
  uint32_t struct_size;
  uint32_t reserved;
  const lathe_value* inputs; /* name, type, dimensions; in the order run() wants them */
  size_t input_count, input_stride;
  const lathe_value* outputs;
  size_t output_count, output_stride;
} lathe_interface;

/* One kernel's share of the runs so far. */
typedef struct lathe_kernel_time {
  uint32_t struct_size;
  uint32_t reserved;
  lathe_string kernel; /* what it does: "conv2d 3x3 s2" */
  lathe_string nodes;  /* the nodes it stands for, joined by ',' */
  lathe_string origin; /* where it came from: "emitter", "bitcode", or the executor's own word */
  uint64_t runs, nanoseconds;
  uint64_t flops, bytes; /* per run; 0: not known */
} lathe_kernel_time;

typedef struct lathe_executor {
  uint32_t struct_size;
  uint32_t reserved;
  const char* const* extensions; /* static, NULL-terminated, without dot */
  /* How sure it is that it can run the file, 0 to 100. Looks at the first bytes (at most 4096). Reports nothing. */
  int32_t (*recognise)(const void* head, size_t head_size, uint64_t file_size, lathe_string path);
  /* Sets *self and returns LATHE_OK, or reports and returns why not: LATHE_UNSUPPORTED for an artifact of another processor. */
  lathe_code (*load)(const lathe_host* host, const lathe_load_request* request, void** self);
  void (*unload)(void* self);
  const lathe_interface* (*describe)(void* self); /* valid until unload */
  lathe_code (*run)(void* self, const lathe_buffer* inputs, size_t input_count, const lathe_buffer_sink* sink);
  /* One call of `row` per kernel. Optional. */
  lathe_code (*profile)(void* self, void* context, void (*row)(void* context, const lathe_kernel_time* row));
  uint64_t (*peak_bytes)(void* self); /* memory the artifact needs beyond its file: scratch and copies. Optional. */
  /* Whether an artifact like this, if made, could run on this machine: a sentence why not, static, or NULL. Optional. */
  const char* (*obstacle)(lathe_string path);
} lathe_executor;

/* Service "pictures/1" (host->service): decodes pictures for executors whose artifacts hold ONNX's ImageDecoder. */
typedef struct lathe_pictures {
  uint32_t struct_size;
  uint32_t reserved;
  void* context;
  /* Once the picture's size is known, calls allocate(target, height, width) and writes height * width * 3 bytes of red, green and blue there, rows
   * from the top; NULL from allocate: there is no memory. Returns NULL, or a sentence on why it could not, which lives until the same thread's
   * next call. */
  const char* (*decode)(void* context, const void* file, uint64_t size, void* target,
                        uint8_t* (*allocate)(void* target, int64_t height, int64_t width));
} lathe_pictures;
#define LATHE_PICTURES_SERVICE "pictures/1"

#ifdef __cplusplus
}
#endif
#endif
