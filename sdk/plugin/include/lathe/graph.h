/* lathe/graph.h - graph/1: one flat snapshot of a graph, and the list of edits that changes it.
 *
 * The host owns the graph. A plugin reads it as arrays with indices instead of pointers between elements, valid for the call; a
 * frontend fills the same structs to hand a new graph to the host (the SDK's GraphBuilder does it). The vocabulary is ONNX:
 * operator names, attribute names and the numbers of data types are those of onnx.proto (TensorProto.DataType). In every graph a
 * plugin is given by the host, operators are at ONE canonical opset (lathe_graph.opset); a frontend may hand over any opset that
 * it names there, and the host lifts it.
 *
 * Tensor bytes are never copied across: `data` points into a mapped file or an arena, little endian, packed, row major (4-bit types
 * two to a byte, low nibble first). A frontend's bytes must stay valid until the frontend's destroy(self).
 */
#ifndef LATHE_GRAPH_H
#define LATHE_GRAPH_H
#include "plugin.h"
#ifdef __cplusplus
extern "C" {
#endif

#define LATHE_NONE UINT32_MAX /* an absent optional input or output, a value without tensor or producer */

/* ONNX's TensorProto.DataType; 0 is "not known". */
enum {
  LATHE_FLOAT32 = 1,
  LATHE_UINT8 = 2,
  LATHE_INT8 = 3,
  LATHE_UINT16 = 4,
  LATHE_INT16 = 5,
  LATHE_INT32 = 6,
  LATHE_INT64 = 7,
  LATHE_STRING = 8,
  LATHE_BOOL = 9,
  LATHE_FLOAT16 = 10,
  LATHE_FLOAT64 = 11,
  LATHE_UINT32 = 12,
  LATHE_UINT64 = 13,
  LATHE_COMPLEX64 = 14,
  LATHE_COMPLEX128 = 15,
  LATHE_BFLOAT16 = 16,
  LATHE_FLOAT8E4M3FN = 17,
  LATHE_FLOAT8E4M3FNUZ = 18,
  LATHE_FLOAT8E5M2 = 19,
  LATHE_FLOAT8E5M2FNUZ = 20,
  LATHE_UINT4 = 21,
  LATHE_INT4 = 22,
  LATHE_FLOAT4E2M1 = 23,
  LATHE_FLOAT8E8M0 = 24,
  LATHE_UINT2 = 25,
  LATHE_INT2 = 26
};

/* What a value is: a tensor (the usual case), or an ONNX sequence or optional of tensors. */
enum { LATHE_KIND_TENSOR = 0, LATHE_KIND_SEQUENCE = 1, LATHE_KIND_OPTIONAL = 2, LATHE_KIND_OPTIONAL_SEQUENCE = 3 };

typedef struct lathe_dimension {
  int64_t value;       /* >= 0, or -1 when not a constant */
  lathe_string symbol; /* the symbol's name when value is -1; empty: nothing is known */
} lathe_dimension;

typedef struct lathe_tensor {
  uint32_t struct_size;
  int32_t type;
  const int64_t* dimensions;
  size_t rank;
  const void* data;            /* `size` bytes; NULL when strings is set or size is 0 */
  uint64_t size;               /* bytes */
  const lathe_string* strings; /* for LATHE_STRING: one per element, else NULL */
  lathe_string file;           /* where the bytes lie on disk, if in a file: absolute path, else empty */
  uint64_t offset;             /* their offset in that file */
} lathe_tensor;

typedef struct lathe_value {
  uint32_t struct_size;
  int32_t kind;                      /* LATHE_KIND_... */
  lathe_string name;                 /* unique in its graph */
  int32_t type;                      /* element type; 0: not known */
  int32_t rank;                      /* -1: not known */
  const lathe_dimension* dimensions; /* `rank` of them */
  uint32_t tensor;                   /* index into the snapshot's tensors when the value is a constant, else LATHE_NONE */
  uint32_t producer;                 /* index of the node that yields it, else LATHE_NONE (input, constant, captured); ignored on import */
} lathe_value;

enum {
  LATHE_ATTRIBUTE_INT = 1,
  LATHE_ATTRIBUTE_FLOAT,
  LATHE_ATTRIBUTE_STRING,
  LATHE_ATTRIBUTE_TENSOR,
  LATHE_ATTRIBUTE_GRAPH,
  LATHE_ATTRIBUTE_INTS,
  LATHE_ATTRIBUTE_FLOATS,
  LATHE_ATTRIBUTE_STRINGS,
  LATHE_ATTRIBUTE_TENSORS,
  LATHE_ATTRIBUTE_GRAPHS
};

/* One attribute. Lists are `count` long; single values have count 1 and stand in the same array fields. */
typedef struct lathe_attribute {
  uint32_t struct_size;
  int32_t kind;
  lathe_string name;
  size_t count;
  const int64_t* ints;
  const float* floats;
  const lathe_string* strings;
  const uint32_t* tensors; /* indices into the graph's tensors */
  const uint32_t* graphs;  /* indices into the graph's subgraphs */
} lathe_attribute;

typedef struct lathe_node {
  uint32_t struct_size;
  uint32_t reserved;
  lathe_string name;   /* as in the model; made up ("Conv_12") when the model gives none. Unique in its graph. */
  lathe_string domain; /* "" is ONNX's own */
  lathe_string op_type;
  const uint32_t* inputs; /* value indices; LATHE_NONE: absent */
  size_t input_count;
  const uint32_t* outputs; /* likewise */
  size_t output_count;
  const lathe_attribute* attributes;
  size_t attribute_count, attribute_stride;
} lathe_node;

/* A subgraph's value that is the enclosing graph's. */
typedef struct lathe_capture {
  uint32_t inner; /* value index in the subgraph */
  uint32_t outer; /* value index in the enclosing graph */
} lathe_capture;

typedef struct lathe_property {
  lathe_string key, value;
} lathe_property;

typedef struct lathe_opset {
  lathe_string domain;
  int64_t version;
} lathe_opset;

typedef struct lathe_graph {
  uint32_t struct_size;
  uint32_t reserved;
  lathe_string name;
  const lathe_value* values;
  size_t value_count, value_stride;
  const lathe_node* nodes; /* in topological order */
  size_t node_count, node_stride;
  const lathe_tensor* tensors;
  size_t tensor_count, tensor_stride;
  const struct lathe_graph* subgraphs; /* bodies of this graph's own nodes; theirs are in their own arrays */
  size_t subgraph_count, subgraph_stride;
  const uint32_t* inputs; /* value indices */
  size_t input_count;
  const uint32_t* outputs;
  size_t output_count;
  const lathe_capture* captures; /* empty in the outermost graph */
  size_t capture_count;
  const lathe_opset* opsets; /* outermost graph only */
  size_t opset_count;
  const lathe_property* properties; /* the model's metadata (names, stride, task, ...); outermost graph only */
  size_t property_count;
} lathe_graph;

/* Element `index` of an array whose elements are `stride` bytes apart. */
#define LATHE_AT(type, base, stride, index) ((const type*)((const char*)(base) + (size_t)(index) * (stride)))

enum {
  LATHE_EDIT_ADD_VALUE =
      1, /* `value` (and `tensor` when it is a constant; its index fields are ignored); its index is value_count + number of ADD_VALUEs before */
  LATHE_EDIT_ADD_NODE,      /* `node`; subgraphs are not possible here */
  LATHE_EDIT_REMOVE_NODE,   /* node index `target` */
  LATHE_EDIT_REPLACE_VALUE, /* every use of value `target`, graph outputs included, becomes value `with`; a graph output keeps its name */
  LATHE_EDIT_SET_ATTRIBUTE, /* node `target`, `attribute` replaces the one of that name or is added */
  LATHE_EDIT_SET_TYPE       /* value `target` takes type and dimensions of `value` */
};

/* One change. A pass hands over an array; the host applies all of it or, when the result is no valid graph, none and reports. */
typedef struct lathe_edit {
  uint32_t struct_size;
  int32_t kind;
  uint32_t target, with;
  const lathe_value* value;
  const lathe_tensor* tensor;
  const lathe_node* node;
  const lathe_attribute* attribute;
} lathe_edit;

#ifdef __cplusplus
}
#endif
#endif
