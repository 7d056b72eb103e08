// Runs a subcommand that loads plugin code in a child process: whatever the plugin does to the process becomes a sentence.
#pragma once
#include <functional>
#include <string>

namespace lathe::cli {

struct Context;

// What the child is busy with, for the sentence when it dies: "running the artifact 'x.so'".
void doing(const std::string& what);

// Runs `body` in a child and returns its exit code, or 5 with a sentence when it was killed or ended itself, or 130 when interrupted. In
// the child, standard output of plugins goes to standard error; context.results still is the person's standard output.
int run_guarded(Context& context, const std::function<int()>& body);

}  // namespace lathe::cli
