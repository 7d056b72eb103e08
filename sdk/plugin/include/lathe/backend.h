/* lathe/backend.h - backend/1: a plugin that compiles graphs for a target.
 *
 * What it is capable of is declared statically; what it takes of a given graph it claims node by node, with a reason for each node
 * it does not take. The host cuts the graph into convex regions, and each region it won is handed to compile() as a graph of its own.
 */
#ifndef LATHE_BACKEND_H
#define LATHE_BACKEND_H
#include "calibration.h"
#include "graph.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct lathe_device {
  uint32_t struct_size;
  uint32_t reserved;
  const char* name;              /* static; as the vendor spells it, compared without case */
  const char* description;       /* static */
  const char* const* precisions; /* static, NULL-terminated, best first: "float32", "float16", "bfloat16", "int8", "mixed" */
  /* What the device holds at once, for an estimate before a long compile; 0: no such limit is known. */
  uint64_t weight_bytes;  /* weights, one byte each */
  uint64_t feature_bytes; /* feature maps that live at the same time, one byte an element */
} lathe_device;

enum {
  LATHE_BACKEND_RUNS_ON_HOST = 1,      /* artifacts for the host's own processor run on this machine */
  LATHE_BACKEND_STATIC_SHAPES = 2,     /* every dimension must be a constant */
  LATHE_BACKEND_NEEDS_CALIBRATION = 4, /* compile() wants calibration data */
  LATHE_BACKEND_QUANTISES_ITSELF = 8,  /* takes the float graph for int8 */
  LATHE_BACKEND_REST_ON_HOST = 16,     /* what it does not take is compiled for the processor beside the device, without being asked for */
  LATHE_BACKEND_CUTS_HEADS = 32        /* a detection head's decoding is left to that processor; it sees the graph up to the last convolutions */
};

typedef struct lathe_compile_request {
  uint32_t struct_size;
  uint32_t reserved;
  lathe_string device;    /* one of the declared names */
  lathe_string precision; /* one of that device's; never "auto" */
  lathe_string emit;      /* one of lathe_backend.emits */
  lathe_string stem;      /* file name stem for the artifact, without extension */
  const lathe_setting* settings;
  size_t setting_count;
  /* Both live as long as `self`. */
  const lathe_preprocessing* preprocessing; /* NULL: the model takes no pictures, or nobody said how */
  const lathe_calibration* calibration;     /* NULL: none was given */
} lathe_compile_request;

typedef struct lathe_verdict {
  uint32_t struct_size;
  uint32_t node;       /* index */
  int32_t taken;       /* non-zero: this backend compiles it */
  uint32_t region;     /* nodes with the same number other than LATHE_NONE are taken together or not at all */
  lathe_string reason; /* why not, one sentence for the person; empty when taken */
} lathe_verdict;

typedef struct lathe_verdict_sink {
  void* context;
  void (*verdict)(void* context, const lathe_verdict* verdict); /* nodes without verdict count as not taken */
} lathe_verdict_sink;

/* Where a backend's files go. The folder is private to this compile and is thrown away when it fails. */
typedef struct lathe_output {
  void* context;
  const char* directory; /* absolute path, terminated: for tools that write files themselves */
  /* Starts a file (a plain name, no folder) or, with the same name, continues it. Reports and fails when the disk is full. */
  lathe_code (*write)(void* context, lathe_string name, const void* bytes, size_t size);
  /* Names the file that a runtime loads. Exactly once per compile. */
  lathe_code (*artifact)(void* context, lathe_string name);
  /* The artifact calls the graph's tensor `tensor` by another name. Optional. */
  lathe_code (*bind)(void* context, lathe_string tensor, lathe_string artifact_tensor);
} lathe_output;

typedef struct lathe_backend {
  uint32_t struct_size;
  uint32_t flags;             /* LATHE_BACKEND_... */
  const char* runtime;        /* static; the runtime's name as its vendor spells it, "ACMERT" */
  const char* const* aliases; /* static, NULL-terminated other names for --target, or NULL */
  const lathe_device* devices;
  size_t device_count, device_stride;
  const lathe_option* options;
  size_t option_count, option_stride;
  const char* const* emits;            /* static, NULL-terminated; what --emit may ask; the first is what a package holds: "library" */
  int64_t opset_lowest, opset_highest; /* ONNX opsets it accepts: graphs are handed over at the highest; 0, 0: the canonical one */
  /* Sets *self and returns LATHE_OK, or reports and returns why not: LATHE_USAGE for an option's value that makes no sense. */
  lathe_code (*create)(const lathe_host* host, const lathe_compile_request* request, void** self);
  void (*destroy)(void* self);
  /* The device that `--target NAME` without device means for these options (a triple may decide). Static string; optional. */
  const char* (*default_device)(const lathe_setting* settings, size_t setting_count);
  /* One verdict per node. Quick: seconds at most, nothing is compiled. */
  lathe_code (*claim)(void* self, const lathe_graph* graph, const lathe_verdict_sink* sink);
  /* Compiles a graph all of whose nodes were claimed. */
  lathe_code (*compile)(void* self, const lathe_graph* graph, const lathe_output* output);
  /* Everything that the compiled file depends on besides model and options (a tool's version, the host's CPU), for manifest and cache. Optional. */
  lathe_code (*fingerprint)(void* self, void* context, void (*fact)(void* context, lathe_string key, lathe_string value));
  /* Prints what `-KEY=help` asks for ("mcpu"): lines through `line`. Optional. */
  lathe_code (*list_choices)(const lathe_host* host, lathe_string option, void* context, void (*line)(void* context, lathe_string text));
  /* Calibration samples: fewer than the first is refused, fewer than the second warned about. 0: no such number. */
  uint32_t calibration_lowest, calibration_wanted;
} lathe_backend;

#ifdef __cplusplus
}
#endif
#endif
