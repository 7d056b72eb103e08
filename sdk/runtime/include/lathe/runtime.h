/* lathe/runtime.h - load and run native artifacts. C99; the library behind it needs nothing but libc.
 *
 * A model is opened from a file, from memory, or from code that is linked into the program. Before any instruction of the artifact runs
 * its header is checked: format, table, weights, processor and processor features. The weights are mapped, never copied.
 *
 *     lathe_model* model;
 *     if (lathe_model_open("yolov8n.so", NULL, &model) != LATHE_RUNTIME_OK) puts(lathe_model_error(model));
 *     lathe_model_tensor input = {sizeof input, 1, 4, (const int64_t[]){1, 3, 640, 640}, pixels, 1 * 3 * 640 * 640 * 4, 0, 0, NULL, 0};
 *     lathe_model_tensor output = {sizeof output, 1, 3, (const int64_t[]){1, 84, 8400}, boxes, 84 * 8400 * 4, 0, 0, NULL, 0};
 *     lathe_model_run_request run = {sizeof run, 0, &input, &output, 1, 1, NULL, NULL, NULL, NULL, NULL};
 *     if (lathe_model_run(model, &run) != LATHE_RUNTIME_OK) puts(lathe_model_error(model));
 *     lathe_model_close(model);
 *
 * Errors: every function that can fail returns a code and leaves one sentence in the model, for lathe_model_error(). Nothing here exits,
 * aborts, prints or throws. Threads: one model is used by one thread at a time; different models may be used in parallel. Structs carry
 * their size and only grow at the end.
 */
#ifndef LATHE_RUNTIME_H
#define LATHE_RUNTIME_H
#include "artifact.h"
#ifdef __cplusplus
extern "C" {
#endif

#define LATHE_RUNTIME_API __attribute__((visibility("default")))

enum {
  LATHE_RUNTIME_OK = 0,
  LATHE_RUNTIME_FAILED = 1,      /* the file cannot be read or is no artifact; memory or threads ran out */
  LATHE_RUNTIME_USAGE = 2,       /* an argument is wrong: a shape, a type, a size, an index */
  LATHE_RUNTIME_UNSUPPORTED = 3, /* the artifact is for another processor, lacks a feature here, or is newer than this runtime */
  LATHE_RUNTIME_DATA = 4,        /* the run met a value that is out of bounds, such as an index, or tensors whose shapes do not fit each other */
  LATHE_RUNTIME_CANCELLED = 5    /* the request's `cancelled` ended the run */
};

typedef struct lathe_model lathe_model;

typedef struct lathe_model_options {
  uint32_t struct_size;
  uint32_t threads;      /* the calling thread counts as one; 0: as many as processors are at hand */
  int32_t profile;       /* non-zero: run() collects times per kernel */
  int32_t check_weights; /* non-zero: compare the weights with their SHA-256, which reads all of them */
  int32_t describe_only; /* non-zero: read what the artifact needs and has, for any processor; run() is refused */
} lathe_model_options;

/* A tensor, a sequence of tensors or an optional: see lathe/artifact.h. For a plain tensor, struct_size to bytes are all there is to fill in; types
 * are ONNX's TensorProto.DataType numbers. */
typedef lathe_artifact_value lathe_model_tensor;

typedef struct lathe_model_run_request {
  uint32_t struct_size;
  uint32_t reserved;
  const lathe_model_tensor* inputs;  /* in the order of lathe_model_input() */
  const lathe_model_tensor* outputs; /* NULL, or one per output, in whose `data`, where not NULL, the output is written */
  uint32_t input_count, output_count;
  /* Asked once for each output that has no `data` above, with the shape that this run gives it. 64-byte aligned memory is fastest; NULL: the run
   * fails. */
  void* context;
  void* (*allocate)(void* context, uint32_t output, int32_t type, const int64_t* dimensions, uint64_t rank, uint64_t bytes);
  /* In place of `allocate` for outputs that are no tensor of numbers: strings, sequences, optionals. Copies what it wants to keep. Non-zero: the run
   * fails. NULL: models with such outputs cannot be run. */
  int32_t (*put)(void* context, uint32_t output, const lathe_model_tensor* value);
  /* Decodes pictures for models that do so themselves (ImageDecoder); the runtime brings no decoders. NULL: a run that comes to one fails. */
  lathe_decode_picture decode_picture;
  /* Asked before every step and every turn of a loop; non-zero ends the run. NULL: nobody asks. */
  int32_t (*cancelled)(void* context);
} lathe_model_run_request;

/* Opens an artifact, or a package folder all of whose stages are native artifacts: they run one after the other as one model.
 * `options` may be NULL: as many threads as processors, no profile. *model is set even when opening failed, to a handle
 * that knows only its error and has to be closed; it is NULL when there was no memory even for that. */
LATHE_RUNTIME_API int32_t lathe_model_open(const char* path, const lathe_model_options* options, lathe_model** model);
/* The same from bytes, which may go when the function returns (they are copied once). */
LATHE_RUNTIME_API int32_t lathe_model_open_memory(const void* bytes, uint64_t size, const lathe_model_options* options, lathe_model** model);
/* The same for an artifact that is linked into the program; table and weights outlive the model. */
LATHE_RUNTIME_API int32_t lathe_model_open_linked(const lathe_artifact* table, const void* weights, const lathe_model_options* options,
                                                  lathe_model** model);
LATHE_RUNTIME_API void lathe_model_close(lathe_model* model); /* NULL is fine */

/* What went wrong last, one sentence that names the model's node where there is one, "" when nothing did. Valid until the next call with this model.
 */
LATHE_RUNTIME_API const char* lathe_model_error(const lathe_model* model);

/* The artifact's table as it was read and checked: inputs, outputs, kernels, processor. `prepare` and `run` are NULL in it. Valid until
 * close; NULL when opening failed. */
LATHE_RUNTIME_API const lathe_artifact* lathe_model_describe(const lathe_model* model);
LATHE_RUNTIME_API const lathe_artifact_tensor* lathe_model_input(const lathe_model* model, uint32_t index);  /* NULL: no such input */
LATHE_RUNTIME_API const lathe_artifact_tensor* lathe_model_output(const lathe_model* model, uint32_t index); /* NULL: no such output */

/* The shapes that the outputs get for these input shapes (one array per input, of the input's rank). dimensions[i] has room for the
 * rank of output i; -1 is written where only the run knows. For models all of whose inputs are tensors of known rank. */
LATHE_RUNTIME_API int32_t lathe_model_output_dimensions(lathe_model* model, const int64_t* const* input_dimensions, int64_t* const* dimensions);

LATHE_RUNTIME_API int32_t lathe_model_run(lathe_model* model, const lathe_model_run_request* request);

LATHE_RUNTIME_API uint32_t lathe_model_threads(const lathe_model* model);
LATHE_RUNTIME_API int32_t lathe_model_set_threads(lathe_model* model, uint32_t threads); /* 0: as many as processors */

/* Time spent so far in kernel `index` of describe()->kernels, over `*runs` runs; zeros without options.profile. */
LATHE_RUNTIME_API int32_t lathe_model_profile(const lathe_model* model, uint32_t index, uint64_t* runs, uint64_t* nanoseconds);
LATHE_RUNTIME_API uint64_t lathe_model_scratch_bytes(const lathe_model* model); /* memory held beyond the file, so far */

/* Bytes of one packed tensor of that type and shape; UINT64_MAX when a dimension is negative, the type unknown or the product too large. */
LATHE_RUNTIME_API uint64_t lathe_tensor_bytes(int32_t type, const int64_t* dimensions, uint64_t rank);

#ifdef __cplusplus
}
#endif
#endif
