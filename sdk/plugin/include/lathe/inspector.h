/* lathe/inspector.h - inspector/1: a plugin that recognises files and says what is in them (`lathe inspect`). */
#ifndef LATHE_INSPECTOR_H
#define LATHE_INSPECTOR_H
#include "plugin.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct lathe_inspector {
  uint32_t struct_size;
  uint32_t reserved;
  /* How sure it is that it knows the file, 0 to 100. Looks at the first bytes (at most 4096). Reports nothing. */
  int32_t (*recognise)(const void* head, size_t head_size, uint64_t file_size, lathe_string path);
  /* Writes ONE JSON object that describes the file, in any number of calls of `write`. "format" (a string) and "summary" (an
   * array of [label, text] pairs, printed as a table) are expected in it; all other keys are the plugin's own. */
  lathe_code (*inspect)(const lathe_host* host, lathe_string path, void* context, void (*write)(void* context, lathe_string json));
} lathe_inspector;

#ifdef __cplusplus
}
#endif
#endif
