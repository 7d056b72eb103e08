/* lathe/plugin.h - the boundary between Lathe and a plugin. C99, freestanding headers only.
 *
 * A plugin is a shared library that exports ONE symbol, lathe_plugin_query. It returns a static, size-prefixed table; the table
 * hands out optional parts by id ("frontend/1", "backend/1", ...), each declared in a header of its own beside this one.
 * The host passes its own table of services to whatever it creates.
 *
 * Rules that hold for every struct and function of the boundary:
 *  - A field exists if and only if struct_size covers it AND it is not NULL: ask with LATHE_HAS. Never compare sizes for equality.
 *  - Structs and enumerations only grow at their end. What was optional stays optional. Arrays of structs carry a stride.
 *  - Strings are borrowed UTF-8, valid for the call, unless a comment says "static".
 *  - Whoever allocates frees. Nothing is freed across the boundary; bytes leave a plugin through a callback.
 *  - A function fails by returning a code other than LATHE_OK after reporting why through host->report. A failure without a
 *    report is itself reported as a defect of the plugin. No exception, longjmp or exit() may leave a plugin.
 *  - Threads: lathe_plugin_query and part() may be called from any thread. One `self` is used by one thread at a time; different
 *    `self`s may be used in parallel. The host's functions may be called from any thread.
 *  - A plugin is never unloaded: static storage lives until the process ends. A job runs in a process of its own.
 */
#ifndef LATHE_PLUGIN_H
#define LATHE_PLUGIN_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

#define LATHE_ABI_MAJOR 1u
#ifndef LATHE_ABI_MINOR /* overridable only to test version skew */
#define LATHE_ABI_MINOR 0u
#endif

/* True when the instance `pointer` of `type` is large enough to hold `field` and the field is set. */
#define LATHE_HAS(pointer, type, field) ((pointer)->struct_size >= offsetof(type, field) + sizeof((pointer)->field) && (pointer)->field)

/* The symbol's visibility; lathe_add_plugin() hides everything else. */
#define LATHE_EXPORT __attribute__((visibility("default")))

typedef struct lathe_string {
  const char* data; /* UTF-8, not terminated; may be NULL when size is 0 */
  size_t size;
} lathe_string;

/* Result codes; the numbers are the exit codes of the `lathe` program. */
typedef int32_t lathe_code;
enum {
  LATHE_OK = 0,
  LATHE_FAILED = 1,      /* the input is bad, a file cannot be read or written, a tool failed */
  LATHE_USAGE = 2,       /* an option or argument is wrong */
  LATHE_UNSUPPORTED = 3, /* a tool is absent, or this target cannot take this model */
  LATHE_DISAGREES = 4,   /* numbers are beyond their limits */
  LATHE_INTERNAL = 5,    /* a defect of the plugin or of Lathe */
  LATHE_BUDGET = 6,      /* time or memory ran out */
  LATHE_CANCELLED = 130  /* host->cancelled() said so */
};

enum { LATHE_NOTE = 0, LATHE_WARNING = 1, LATHE_ERROR = 2 };

/* One thing to tell the person, in parts so that it can be printed as a sentence and as JSON. Only `text` is required. */
typedef struct lathe_diagnostic {
  uint32_t struct_size;
  int32_t severity;      /* LATHE_NOTE, LATHE_WARNING, LATHE_ERROR */
  lathe_string text;     /* what is wrong, one sentence, no trailing newline */
  lathe_string node;     /* the node's own name in the model */
  lathe_string op_type;  /* its operator */
  lathe_string location; /* a file, or "file:line:column", or a tensor's name */
  lathe_string expected;
  lathe_string found;
  lathe_string hint; /* the next step for the person */
} lathe_diagnostic;

/* Core -> plugin. Lives as long as whatever it was given to. Every function is thread-safe. */
typedef struct lathe_host {
  uint32_t struct_size, abi_major, abi_minor, reserved;
  void* context; /* first argument of every function below */
  /* Copies the diagnostic at once. */
  void (*report)(void* context, const lathe_diagnostic* diagnostic);
  /* A line for the job's log, shown with --log-level debug. */
  void (*log)(void* context, lathe_string text);
  /* Long work says what it is doing and how far it is (0..1, or negative when unknown). Cheap; call it freely. */
  void (*progress)(void* context, lathe_string what, double fraction);
  /* Non-zero once the person interrupted: return LATHE_CANCELLED soon. */
  int32_t (*cancelled)(void* context);
  /* A service by id, or NULL when this host does not offer it: "models/1" (models.h). */
  const void* (*service)(void* context, const char* id);
  /* Absolute path of the plugin's own library file; its data files lie beside it. Terminated. */
  const char* plugin_path;
  /* How many threads the plugin may use; at least 1. */
  uint32_t threads;
} lathe_host;

enum { LATHE_OPTION_BOOL = 0, LATHE_OPTION_INT = 1, LATHE_OPTION_FLOAT = 2, LATHE_OPTION_STRING = 3, LATHE_OPTION_CHOICE = 4, LATHE_OPTION_PATH = 5 };

/* An option that a part understands. Declared data: the command line, YAML, --help, completion and error messages derive from it. */
typedef struct lathe_option {
  uint32_t struct_size;
  int32_t type;               /* LATHE_OPTION_... */
  const char* name;           /* static, lower case, words joined by '-' */
  const char* fallback;       /* static; the value when nothing is given, as text */
  const char* const* choices; /* static, NULL-terminated; for LATHE_OPTION_CHOICE, else NULL */
  const char* help;           /* static, one sentence */
  const char* flag;           /* static; an LLVM-style flag that sets it on --target ("mcpu"), or NULL */
} lathe_option;

/* An option's value as the host resolved and checked it. Every declared option arrives, in declaration order. */
typedef struct lathe_setting {
  lathe_string name;
  lathe_string value; /* canonical text: "true"/"false" for bool; decimal for int; given or fallback for the others */
  int32_t given;      /* non-zero if the person set it */
} lathe_setting;

/* Plugin -> core. Static storage. */
typedef struct lathe_plugin {
  uint32_t struct_size, abi_major, abi_minor, reserved;
  const char* name;        /* static; lower case [a-z0-9_]; the file is <name>.so and the manifest <name>.plugin.yaml */
  const char* version;     /* static; semantic version of the plugin */
  const char* vendor;      /* static */
  const char* description; /* static; one sentence */
  const char* build;       /* static; "compiler; C++ library; sanitizer or none", filled by LATHE_BUILD in the C++ header */
  /* The part with that id, static, or NULL. The ids of 1.0: "frontend/1" (frontend.h), "passes/1" (passes.h), "backend/1"
   * (backend.h), "executor/1" (executor.h), "inspector/1" (inspector.h), "tensors/1" (tensors.h). "operators/1" is reserved for a
   * vendor's own operators; a plugin answers NULL for ids it does not know. */
  const void* (*part)(const char* id);
} lathe_plugin;

/* The one exported symbol. NULL: this plugin cannot serve a host of that major. */
typedef const lathe_plugin* (*lathe_plugin_query_function)(uint32_t host_abi_major, const void* reserved);
#define LATHE_PLUGIN_QUERY_SYMBOL "lathe_plugin_query"

#ifdef __cplusplus
}
#endif
#endif
