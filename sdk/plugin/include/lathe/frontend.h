/* lathe/frontend.h - frontend/1: a plugin that reads model files. */
#ifndef LATHE_FRONTEND_H
#define LATHE_FRONTEND_H
#include "graph.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct lathe_import_request {
  uint32_t struct_size;
  uint32_t reserved;
  lathe_string path; /* absolute path of the model file */
  /* The frontend's options. Options named `width` and `height` also get the picture's size that the person asked for with --width, --height or
   * --shape: a frontend whose graph depends on the size of its input declares them. */
  const lathe_setting* settings;
  size_t setting_count;
} lathe_import_request;

/* Where a frontend puts the graph it read. The host copies everything but tensor bytes before accept() returns. */
typedef struct lathe_graph_sink {
  void* context;
  lathe_code (*accept)(void* context, const lathe_graph* graph);
} lathe_graph_sink;

typedef struct lathe_frontend {
  uint32_t struct_size;
  uint32_t reserved;
  const char* format;            /* static; what it reads, for people: "ONNX" */
  const char* const* extensions; /* static, NULL-terminated, without dot: "onnx" */
  const lathe_option* options;
  size_t option_count, option_stride;
  /* How sure it is that the file is its own, 0 (no) to 100: looks at the first bytes (at most 4096) and the path. Reports nothing. */
  int32_t (*recognise)(const void* head, size_t head_size, uint64_t file_size, lathe_string path);
  lathe_code (*create)(const lathe_host* host, void** self); /* sets *self and returns LATHE_OK, or reports and returns why not */
  void (*destroy)(void* self);                               /* the graph's tensor bytes may go now */
  /* Reads the file and calls sink->accept exactly once. The file is hostile until checked. Reports every problem found. */
  lathe_code (*import_model)(void* self, const lathe_import_request* request, const lathe_graph_sink* sink);
} lathe_frontend;

#ifdef __cplusplus
}
#endif
#endif
