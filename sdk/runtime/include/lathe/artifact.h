/* lathe/artifact.h - what a native artifact (the library, object or executable a code-generating target writes) and the runtime
 * agree on. C99.
 *
 * The artifact depends on nothing but libc. It exports one DATA symbol, a table, so that a runtime can read what the artifact needs
 * (processor, features, memory) before any of its instructions run. A shared library is followed, in the same file, by its weights:
 * they begin at a page boundary, are mapped on their own, and no relocation points into them; the file ends in a lathe_artifact_trailer
 * that says where. Objects, static libraries and executables carry the weights the same way in a section or a file of their own.
 */
#ifndef LATHE_ARTIFACT_H
#define LATHE_ARTIFACT_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

#define LATHE_ARTIFACT_MAJOR 1u
#define LATHE_ARTIFACT_SYMBOL "lathe_artifact_1"

/* What an input or output is (the numbers of lathe/graph.h's LATHE_KIND_...). */
enum {
  LATHE_ARTIFACT_TENSOR = 0,
  LATHE_ARTIFACT_SEQUENCE = 1,
  LATHE_ARTIFACT_OPTIONAL = 2,
  LATHE_ARTIFACT_OPTIONAL_SEQUENCE = 3 /* an optional sequence */
};

/* One input or output, or what the elements of a sequence or optional are. Types are ONNX's TensorProto.DataType numbers. */
typedef struct lathe_artifact_tensor {
  const char* name;
  int32_t type;
  int32_t rank;               /* -1: known to the run only */
  const int64_t* dimensions;  /* -1: known to prepare() or to the run only */
  const char* const* symbols; /* per dimension: the name of one that is not fixed, where it has one (equal names are equal dimensions), else NULL */
  int32_t kind;               /* LATHE_ARTIFACT_... */
  int32_t reserved;
} lathe_artifact_tensor;

/* An element of a string tensor: UTF-8, not terminated. */
typedef struct lathe_artifact_string {
  const char* data;
  uint64_t size;
} lathe_artifact_string;

/* A value for one run: a tensor's bytes, packed and row major (types smaller than a byte several to a byte, the first in the low bits); or a
 * sequence of tensors; or an optional, which is a tensor or a sequence, or absent. */
typedef struct lathe_artifact_value {
  uint32_t struct_size;
  int32_t type;
  uint64_t rank;
  const int64_t* dimensions;
  void* data;                                  /* inputs are only read; of string tensors an array of lathe_artifact_string */
  uint64_t bytes;                              /* at data */
  int32_t kind;                                /* LATHE_ARTIFACT_... */
  int32_t absent;                              /* of optionals: non-zero when there is nothing in it */
  const struct lathe_artifact_value* elements; /* of sequences: tensors of `type` */
  uint64_t element_count;
} lathe_artifact_value;

/* One generated kernel, for profiles. */
typedef struct lathe_artifact_kernel {
  const char* name;   /* "conv2d 3x3 s1 64->64" */
  const char* nodes;  /* names of the model's nodes it computes, joined by ',' */
  const char* origin; /* "emitter" or "bitcode" */
  uint64_t flops;     /* per run, 0: not known */
  uint64_t bytes;     /* read and written per run */
} lathe_artifact_kernel;

/* Threads lent by the runtime. parallel_for calls body(argument, task, worker) for each task in 0..tasks-1 and returns when all are
 * done; worker is in 0..count-1 and no two calls at one time have the same. Not reentrant: a body never calls parallel_for. */
typedef struct lathe_artifact_threads {
  void* context;
  uint32_t count;
  uint32_t reserved;
  void (*parallel_for)(void* context, uint32_t tasks, void (*body)(void* argument, uint32_t task, uint32_t worker), void* argument);
} lathe_artifact_threads;

/* What prepare() and run() return. */
enum {
  LATHE_ARTIFACT_DONE = 0,
  LATHE_ARTIFACT_BAD_SHAPE = 1, /* inputs that do not fit the model, or were not prepared for */
  LATHE_ARTIFACT_NO_MEMORY = 2, /* an output or a tensor in between could not be allocated */
  LATHE_ARTIFACT_BAD_DATA = 3,  /* a value is out of bounds, or shapes do not fit each other; `fail` was called */
  LATHE_ARTIFACT_CANCELLED = 4  /* `cancelled` said so */
};

/* Decodes a picture file. Once its size is known it calls allocate(target, height, width) and writes height * width * 3 bytes of red, green and blue
 * there, rows from the top; NULL from allocate: there is no memory. Returns NULL, or a sentence on why it could not, which lives until the same
 * thread's next call. */
typedef const char* (*lathe_decode_picture)(void* context, const void* file, uint64_t size, void* target,
                                            uint8_t* (*allocate)(void* target, int64_t height, int64_t width));

typedef struct lathe_artifact_run {
  uint32_t struct_size;
  uint32_t reserved;
  const lathe_artifact_value* inputs; /* their data 64-byte aligned or not */
  void* const* outputs;               /* bytes for each output whose shape prepare() knew; NULL where the next two are to be asked */
  void* context;
  /* Bytes for an output tensor, with the shape that this run gives it. NULL: the run fails with LATHE_ARTIFACT_NO_MEMORY. */
  void* (*allocate)(void* context, uint32_t output, const int64_t* dimensions, uint64_t rank, uint64_t bytes);
  /* Takes a copy of an output that is no tensor, or one of strings. Non-zero: the run fails likewise. */
  int32_t (*put)(void* context, uint32_t output, const lathe_artifact_value* value);
  /* Says why the run fails, before it returns: which entry of `kernels` it was, and a static sentence. May be NULL. */
  void (*fail)(void* context, uint32_t kernel, const char* sentence);
  void* scratch;       /* prepare()'s scratch_bytes, 64-byte aligned, not shared with another run at the same time */
  const void* weights; /* base address of the mapped weights, page aligned */
  const lathe_artifact_threads* threads;
  uint64_t* nanoseconds;   /* NULL, or one counter per kernel to which the run adds its time */
  uint64_t (*clock)(void); /* nanoseconds now; needed when `nanoseconds` is set */
  /* Fields from here on are there when struct_size covers them. */
  lathe_decode_picture decode_picture; /* for ImageDecoder, with `context`; NULL: a run that comes to one fails */
  int32_t (*cancelled)(void* context); /* non-zero: the run shall end now. Asked before every step and every turn of a loop. May be NULL. */
} lathe_artifact_run;

typedef struct lathe_artifact_plan {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t scratch_bytes;
  int64_t* const* output_dimensions; /* out: one array of `rank` per output, -1 where only the run knows; none is written for rank -1 */
} lathe_artifact_plan;

typedef struct lathe_artifact {
  uint32_t struct_size, major, minor, reserved;
  const char* producer; /* "lathe 0.1.0 llvm ..." */
  const char* triple;   /* "x86_64-pc-linux-gnu" */
  const char* cpu;      /* what it was tuned for */
  const char* features; /* processor features its code uses, LLVM's names joined by ',': "avx2,fma" */
  const lathe_artifact_tensor* inputs;
  const lathe_artifact_tensor* outputs;
  const lathe_artifact_kernel* kernels;
  uint32_t input_count, output_count, kernel_count, reserved2;
  uint64_t weights_bytes;
  uint8_t weights_check[32]; /* SHA-256 of the weights; checked on request, not on every load */
  /* Whether the inputs' shapes fit the model, as far as that is known (LATHE_ARTIFACT_BAD_SHAPE), and what the run will need. Reads the inputs'
   * ranks and dimensions only. `worker_count` is threads->count of the runs. */
  int32_t (*prepare)(const lathe_artifact_value* inputs, uint32_t worker_count, const lathe_artifact_plan* plan);
  int32_t (*run)(const lathe_artifact_run* run); /* LATHE_ARTIFACT_... */
} lathe_artifact;

/* The last 32 bytes of a shared-library artifact, little endian. */
typedef struct lathe_artifact_trailer {
  uint64_t weights_offset; /* a multiple of 4096 */
  uint64_t weights_bytes;
  uint64_t reserved;
  char magic[8]; /* "LATHEwt1" */
} lathe_artifact_trailer;

#ifdef __cplusplus
}
#endif
#endif
