/* lathe/passes.h - passes/1: a plugin that brings graph passes of its own. */
#ifndef LATHE_PASSES_H
#define LATHE_PASSES_H
#include "graph.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct lathe_edit_sink {
  void* context;
  /* Takes the whole list; may be called at most once per run. Everything is copied (tensor bytes too) before it returns. */
  lathe_code (*apply)(void* context, const lathe_edit* edits, size_t edit_count, size_t edit_stride);
} lathe_edit_sink;

typedef struct lathe_pass {
  uint32_t struct_size;
  uint32_t reserved;
  const char* name; /* static; lower case, words joined by '-'; unique among all passes: prefix it with the plugin's name */
  const char* help; /* static; one sentence */
  const lathe_option* options;
  size_t option_count, option_stride;
  const char* const* needs;  /* static, NULL-terminated names of facts that must hold before ("canonical", "static-shapes", ...), or NULL */
  const char* const* leaves; /* static, NULL-terminated names of facts it makes true, or NULL */
  const char* const* breaks; /* static, NULL-terminated names of facts that no longer hold after it, or NULL */
  /* Reads the graph and hands its changes to the sink; does not call it when there is nothing to change. */
  lathe_code (*run)(const lathe_host* host, const lathe_graph* graph, const lathe_setting* settings, size_t setting_count,
                    const lathe_edit_sink* sink);
} lathe_pass;

typedef struct lathe_passes {
  uint32_t struct_size;
  uint32_t reserved;
  const lathe_pass* passes;
  size_t pass_count, pass_stride;
} lathe_passes;

#ifdef __cplusplus
}
#endif
#endif
