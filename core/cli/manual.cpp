// lathe manual (hidden): manual pages in man(7) form, made from the parser's own tree when Lathe is built, so that they never lag behind it.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "core/cli/context.hpp"

namespace lathe::cli {
namespace {

// Text that roff takes literally: backslashes and leading dots mean something to it, and '-' is a hyphen unless escaped.
std::string literal(std::string_view text) {
  std::string out;
  bool line_start = true;
  for (char c : text) {
    if (line_start && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\' || c == '-') out += '\\';
    out += c;
    line_start = c == '\n';
  }
  return out;
}

void append_options(std::string& page, const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;  // hidden
    const std::string value = option->get_type_size() > 0 ? " " + option->get_type_name() : "";
    page +=
        ".TP\n.B " + literal(option->get_name(option->get_positional(), true)) + literal(value) + "\n" + literal(option->get_description()) + "\n";
  }
}

void append_footer(std::string& page, const CLI::App& app) {
  if (!app.get_footer().empty()) page += ".SH EXAMPLES\n.nf\n" + literal(app.get_footer()) + "\n.fi\n";
}

std::string page_start(const std::string& name, const std::string& summary) {
  std::string upper = name;
  for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return ".TH " + upper + " 1 \"\" \"lathe " LATHE_VERSION "\"\n.SH NAME\n" + literal(name) + " \\- " + literal(summary) + "\n";
}

constexpr std::string_view exit_codes =
    ".SH EXIT STATUS\n"
    ".TP\n.B 0\nDone.\n"
    ".TP\n.B 1\nThe input is bad, a file cannot be read or written, or a tool failed.\n"
    ".TP\n.B 2\nThe command line is wrong.\n"
    ".TP\n.B 3\nThe target is not installed, its tool is absent, or it cannot take this model.\n"
    ".TP\n.B 4\nNumbers disagree beyond their limits.\n"
    ".TP\n.B 5\nA worker or plugin crashed, hung or broke its contract: always a defect.\n"
    ".TP\n.B 6\nA budget of time or memory was exceeded.\n"
    ".TP\n.B 130\nInterrupted.\n";

constexpr std::string_view environment =
    ".SH ENVIRONMENT\n"
    ".TP\n.B LATHE_PLUGIN_PATH\nFolders with plugins, separated by colons; searched before the user's and the installed ones.\n"
    ".TP\n.B XDG_DATA_HOME\nPlugins of the user lie in its lathe/plugins.\n"
    ".TP\n.B NO_COLOR\nNo colour on the terminal.\n"
    ".TP\n.B SOURCE_DATE_EPOCH\nThe time that a package's manifest records; without it none.\n";

std::string program_page(const CLI::App& program) {
  std::string page = page_start("lathe", "compile trained AI models for the hardware at hand");
  page += ".SH SYNOPSIS\n.B lathe\n[OPTIONS] COMMAND ...\n.SH DESCRIPTION\n" + literal(program.get_description()) + "\n.SH COMMANDS\n";
  for (const CLI::App* app : program.get_subcommands([](const CLI::App*) { return true; }))
    if (!app->get_group().empty()) page += ".TP\n.BR lathe\\-" + literal(app->get_name()) + " (1)\n" + literal(app->get_description()) + "\n";
  page += ".SH OPTIONS\nThese hold for every command.\n";
  append_options(page, program);
  page += std::string(exit_codes) + std::string(environment);
  append_footer(page, program);
  return page;
}

std::string command_page(const CLI::App& app) {
  std::string page = page_start("lathe-" + app.get_name(), app.get_description());
  page += ".SH SYNOPSIS\n.B lathe " + literal(app.get_name()) + "\n[OPTIONS]";
  for (const CLI::Option* option : app.get_options())
    if (option->get_positional()) page += " " + literal(option->get_name(true));
  page += "\n.SH DESCRIPTION\n" + literal(app.get_description()) + ".\n.SH OPTIONS\n";
  append_options(page, app);
  for (const CLI::App* nested : app.get_subcommands([](const CLI::App*) { return true; })) {
    page += ".SS lathe " + literal(app.get_name() + " " + nested->get_name()) + "\n" + literal(nested->get_description()) + "\n";
    append_options(page, *nested);
  }
  append_footer(page, app);
  return page + ".SH SEE ALSO\n.BR lathe (1)\n";
}

}  // namespace

Command add_manual(CLI::App& program, Context& context) {
  auto name = std::make_shared<std::string>();
  CLI::App* app = program.add_subcommand("manual", "Print a manual page in man(7) form")->group("");
  app->add_option("--of", *name, "Of which command; without it: of the program")->type_name("COMMAND");
  return {app,
          [name, &program, &context] {
            if (name->empty()) {
              context.print(program_page(program));
              return 0;
            }
            const auto named = program.get_subcommands([&](const CLI::App* a) { return a->get_name() == *name; });
            if (named.empty()) throw Error(Code::usage, "there is no command '" + *name + "'");
            context.print(command_page(*named.front()));
            return 0;
          },
          false};
}

}  // namespace lathe::cli
