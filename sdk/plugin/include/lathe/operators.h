/* lathe/operators.h - operators/1: a plugin that brings operators of its own, in domains of its own.
 *
 * Of each operator it declares the signature as data, and how it is computed: by a kernel written against lathe/kernels/kernel.hpp, or by a
 * graph of known operators that takes the node's place when a model is imported. An operator with a kernel also brings its inference.
 * Kernels run in the reference engine, fold constants and verify; targets that generate code for the host's processor compile them in, as
 * bitcode that lathe_add_plugin(... KERNELS header) makes and lays beside the plugin ("operator-kernels/1" below).
 */
#ifndef LATHE_OPERATORS_H
#define LATHE_OPERATORS_H
#include "graph.h"
#ifdef __cplusplus
extern "C" {
#endif

enum { LATHE_FORMAL_REQUIRED = 0, LATHE_FORMAL_OPTIONAL = 1, LATHE_FORMAL_VARIADIC = 2 /* the last one, once or more often */ };

/* A formal input or output. */
typedef struct lathe_formal {
  uint32_t struct_size;
  int32_t kind;      /* LATHE_FORMAL_... */
  const char* name;  /* static */
  const char* types; /* static; a type variable of the operator ("T"), or one type as ONNX writes it ("tensor(int64)") */
} lathe_formal;

/* A type variable: inputs that name the same one have the same element type, one of `allowed`. */
typedef struct lathe_type_variable {
  uint32_t struct_size;
  uint32_t reserved;
  const char* name;       /* static */
  const int32_t* allowed; /* static; LATHE_FLOAT32, ... */
  size_t allowed_count;
} lathe_type_variable;

typedef struct lathe_formal_attribute {
  uint32_t struct_size;
  int32_t kind; /* LATHE_ATTRIBUTE_..., but for graphs */
  int32_t required;
  uint32_t reserved;
  const char* name;     /* static */
  const char* fallback; /* static; the default as text, for documentation, or NULL: kernel and inference hold it too */
} lathe_formal_attribute;

/* Where inference says what it found. */
typedef struct lathe_type_sink {
  void* context;
  /* Type and shape of output `index`. Of `value` struct_size, kind, type, rank and dimensions are read; rank -1 is not known, a dimension of
   * -1 without symbol gets a name of its own. An output that is not set stays unknown; absent ones may be set. */
  lathe_code (*set)(void* context, size_t index, const lathe_value* value);
} lathe_type_sink;

/* lathe::kernels::Call of lathe/kernels/kernel.hpp. Its layout belongs to the boundary like the structs here: LATHE_KERNEL_LAYOUT counts it. */
struct lathe_kernel_call;
#define LATHE_KERNEL_LAYOUT 1u
typedef void (*lathe_kernel)(const struct lathe_kernel_call* call);

typedef struct lathe_operator {
  uint32_t struct_size;
  uint32_t kernel_layout;  /* LATHE_KERNEL_LAYOUT of the headers it was built with; 0 without a kernel */
  const char* domain;      /* static; not ONNX's own ("", "ai.onnx...") and not "com.microsoft" */
  const char* name;        /* static; the op_type */
  const int64_t* versions; /* static; versions of the domain at which the signature changed, newest last; nodes are checked against the newest */
  size_t version_count;
  const lathe_formal* inputs;
  size_t input_count, input_stride;
  const lathe_formal* outputs;
  size_t output_count, output_stride;
  const lathe_type_variable* types;
  size_t type_count, type_stride;
  const lathe_formal_attribute* attributes;
  size_t attribute_count, attribute_stride;
  /* `graph` holds one node of this operator and the values around it: types and shapes as far as they are known, small constants with their
   * numbers. Counts, types and attributes were checked against the signature. What else is wrong is reported through host->report; node and
   * op_type are filled in. Deterministic; called often. NULL: only with `decompose`. */
  lathe_code (*infer)(const lathe_host* host, const lathe_graph* graph, const lathe_type_sink* sink);
  lathe_kernel kernel; /* NULL: only with `decompose` */
  lathe_kernel shape;  /* gives the outputs their shapes when the inputs are there (kernel.hpp, ShapeFunction); NULL: the kernel does it itself */
  /* Bytes of working memory the kernel wants, or NULL. */
  uint64_t (*scratch)(const struct lathe_kernel_call* call, uint32_t threads);
  /* A graph in ONNX's textual syntax, at the opset of lathe_graph, that does what the node does: its inputs are the formal inputs in their order
   * (absent ones left out), its outputs likewise. Handed to `write` in as many pieces as it likes. Called once per node, when a model is
   * imported; types and shapes are not known yet, attributes are. NULL: none. An operator has a kernel or a decomposition, not both. */
  lathe_code (*decompose)(const lathe_host* host, const lathe_graph* graph, void* context, void (*write)(void* context, lathe_string text));
  int32_t not_deterministic; /* non-zero: never folded or merged */
  uint32_t reserved;
} lathe_operator;

typedef struct lathe_operators {
  uint32_t struct_size;
  uint32_t reserved;
  const lathe_operator* operators;
  size_t operator_count, operator_stride;
} lathe_operators;

/* Service "operator-kernels/1" (host->service): the kernels of operators that other plugins brought, for targets that generate code. */
typedef struct lathe_operator_kernel {
  uint32_t struct_size;
  uint32_t kernel_layout;
  /* A folder with the file kernels-<family>.bc for each processor family that bitcode was made for (x86_64, aarch64, riscv64), or "" when the
   * plugin was built without clang. The bitcode holds `lathe_kernel_table`: rows {domain, op_type, kernel, shape function} of four pointers,
   * ended by nulls, and is freestanding but for the C math library. */
  lathe_string directory;
  lathe_kernel shape; /* as in lathe_operator, in this process: for asking what a node needs while it is compiled */
  uint64_t (*scratch)(const struct lathe_kernel_call* call, uint32_t threads);
} lathe_operator_kernel;

typedef struct lathe_operator_kernels {
  uint32_t struct_size;
  uint32_t reserved;
  void* context;
  /* Fills `kernel` (struct_size is set by the caller) and returns non-zero when a loaded plugin brings a kernel for that operator. */
  int32_t (*find)(void* context, lathe_string domain, lathe_string op_type, lathe_operator_kernel* kernel);
} lathe_operator_kernels;
#define LATHE_OPERATOR_KERNELS_SERVICE "operator-kernels/1"

#ifdef __cplusplus
}
#endif
#endif
