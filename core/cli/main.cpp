// The `lathe` program: global flags, the subcommands, and the way errors reach the person and the shell.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/cli/context.hpp"
#include "core/cli/guard.hpp"
#include "core/job/diagnostic_json.hpp"

namespace {
using namespace lathe;
using namespace lathe::cli;

void add_global_flags(CLI::App& program, Context& context) {
  program.add_flag("--json", context.json, "Print one JSON document on standard output");
  program.add_flag("-q,--quiet", context.quiet, "Only errors on standard error");
  program.add_option("--log-level", context.log_level, "How much to tell: error, warning, info, debug")
      ->check(CLI::IsMember({"error", "warning", "info", "debug"}));
  program.add_flag("--no-color", context.no_color, "No colour (also: set NO_COLOR)");
  program.add_option("--plugin", context.plugins, "A plugin to use before all others: a library, a manifest or a folder")
      ->type_name("PATH")
      ->allow_extra_args(false);
}

int report(const Context& context, const Error& error) {
  for (const Diagnostic& d : error.diagnostics) context.say(d);
  if (context.json) context.print_json({{"error", {{"code", static_cast<int>(error.code)}, {"diagnostics", to_json(error.diagnostics)}}}});
  return static_cast<int>(error.code);
}

int run(const Context& context, const std::function<int()>& body) {
  try {
    return body();
  } catch (const Error& error) {
    return report(context, error);
  } catch (const std::bad_alloc&) {
    return report(context, Error(Code::budget, "memory ran out"));
  } catch (const std::exception& problem) {
    return report(context, Error(Code::internal, std::string("an unexpected exception: ") + problem.what(),
                                 "this is a defect of Lathe: report it with the command line"));
  }
}

// Long names of all flags of a subcommand and of the program.
std::vector<std::string> flag_names(const CLI::App& program, const CLI::App* command) {
  std::vector<std::string> names;
  for (const CLI::App* app : {command, &program}) {
    if (!app) continue;
    for (const CLI::Option* option : app->get_options())
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

// CLI11's exceptions as our sentences.
Error explain(const CLI::ParseError& problem, CLI::App& program) {
  CLI::App* command = nullptr;
  for (CLI::App* app = &program; !app->get_subcommands().empty();) app = command = app->get_subcommands().front();
  std::string help = "'" + std::string(command ? "lathe " + command->get_name() : "lathe") + " --help' shows what there is";
  if (dynamic_cast<const CLI::ExtrasError*>(&problem)) {
    std::vector<Diagnostic> diagnostics;
    for (const std::string& extra : program.remaining(true)) {
      if (extra.size() < 2 || extra[0] != '-') continue;
      std::string flag = extra.substr(0, extra.find('='));
      Diagnostic d;
      d.text = "there is no flag '" + flag + "'" + did_you_mean(flag, flag_names(program, command));
      d.hint = help;
      diagnostics.push_back(d);
    }
    if (!diagnostics.empty()) return Error(Code::usage, diagnostics);
    return Error(Code::usage, "too many arguments: '" + join(program.remaining(true), "' '") + "'", help);
  }
  return Error(Code::usage, problem.what(), help);
}

int main_with(const std::vector<std::string>& arguments) {
  Context context;
  std::error_code ignored;
  context.program = std::filesystem::read_symlink("/proc/self/exe", ignored).string();
  CLI::App program("Lathe turns a trained model into something that runs on a given piece of hardware.", "lathe");
  program.set_version_flag("--version", "lathe " LATHE_VERSION);
  program.footer("Example:\n  lathe compile yolov8n.onnx -o out && lathe bench out/yolov8n*\n\n'lathe COMMAND --help' explains each command.");
  add_global_flags(program, context);
  std::vector<Command> commands;
  for (auto add : {add_compile, add_check, add_targets, add_ops, add_passes, add_inspect, add_run, add_predict, add_bench, add_verify, add_package,
                   add_zoo, add_plugin, add_doctor, add_completion, add_manual, add_worker})
    commands.push_back(add(program, context));
  for (const Command& command : commands) command.app->fallthrough();

  // A mistyped command is told as such before the parser takes it for a surplus argument.
  std::vector<std::string> names;
  for (const Command& command : commands)
    if (!command.app->get_group().empty()) names.push_back(command.app->get_name());
  bool json = std::find(arguments.begin(), arguments.end(), "--json") != arguments.end();
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (word == "--log-level" || word == "--plugin") ++i;
    if (word.empty() || word[0] == '-' || (i > 0 && (arguments[i - 1] == "--log-level" || arguments[i - 1] == "--plugin"))) continue;
    bool known = std::any_of(commands.begin(), commands.end(), [&](const Command& c) { return c.app->get_name() == word; });
    if (!known) {
      context.json = json;
      return report(context, Error(Code::usage, "there is no command '" + word + "'" + did_you_mean(word, names), "the commands: " + join(names)));
    }
    break;
  }

  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    program.parse(reversed);
  } catch (const CLI::Success& success) {
    return program.exit(success);
  } catch (const CLI::ParseError& problem) {
    context.json = json;
    return report(context, explain(problem, program));
  }
  for (const Command& command : commands) {
    if (!command.app->parsed()) continue;
    auto body = [&] { return run(context, command.run); };
    return command.guarded ? run_guarded(context, body) : body();
  }
  std::fputs(program.help().c_str(), stderr);
  return static_cast<int>(Code::usage);
}

}  // namespace

int main(int argc, char** argv) {
  // Nothing is half done outside the supervisor, which handles these itself.
  for (int signal : {SIGINT, SIGTERM}) std::signal(signal, [](int) { ::_exit(130); });
  return main_with(join_target_flags(std::vector<std::string>(argv + std::min(argc, 1), argv + argc)));
}
