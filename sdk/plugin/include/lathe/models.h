/* lathe/models.h - service "models/1": a plugin has the graph it was given written as a model file of an open format. */
#ifndef LATHE_MODELS_H
#define LATHE_MODELS_H
#include "graph.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct lathe_models {
  uint32_t struct_size;
  uint32_t reserved;
  void* context;
  /* Writes `graph` to the file `path` (absolute, made anew) in the format of that extension ("onnx"), at the opsets the graph names.
   * LATHE_UNSUPPORTED when no installed plugin writes it. What went wrong was reported. */
  lathe_code (*write)(void* context, const lathe_graph* graph, lathe_string extension, lathe_string path);
} lathe_models;

#ifdef __cplusplus
}
#endif
#endif
