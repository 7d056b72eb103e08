// lathe completion: scripts for shells, made from the parser's own tree so that they never lag behind it.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "core/cli/context.hpp"

namespace lathe::cli {
namespace {

struct Entry {
  std::string name, help;
  std::vector<std::pair<std::string, std::string>> flags;  // with dashes, and what they do
  std::vector<std::string> words;                          // subcommands
};

std::vector<std::pair<std::string, std::string>> flags_of(const CLI::App& app) {
  std::vector<std::pair<std::string, std::string>> flags;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) flags.emplace_back("--" + name, option->get_description());
  return flags;
}

std::vector<Entry> entries_of(const CLI::App& program) {
  std::vector<Entry> entries;
  for (const CLI::App* app : program.get_subcommands([](const CLI::App*) { return true; })) {
    if (app->get_group().empty()) continue;
    Entry entry{app->get_name(), app->get_description(), flags_of(*app), {}};
    for (const CLI::App* nested : app->get_subcommands([](const CLI::App*) { return true; })) {
      entry.words.push_back(nested->get_name());
      for (auto& flag : flags_of(*nested)) entry.flags.push_back(flag);
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::string quoted(const std::string& text) {
  std::string out = "'";
  for (char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string bash_script(const CLI::App& program, const std::vector<Entry>& entries) {
  std::string names, global, cases;
  for (const Entry& e : entries) names += (names.empty() ? "" : " ") + e.name;
  for (const auto& [flag, help] : flags_of(program)) global += (global.empty() ? "" : " ") + flag;
  for (const Entry& e : entries) {
    std::string words = join(e.words, " ");
    for (const auto& [flag, help] : e.flags) words += (words.empty() ? "" : " ") + flag;
    cases += "    " + e.name + ") words=\"" + words + "\" ;;\n";
  }
  return "# bash completion for lathe\n"
         "_lathe() {\n"
         "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command= words= word\n"
         "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do [[ $word != -* ]] && { command=$word; break; }; done\n"
         "  case $previous in\n"
         "    --target|-t) COMPREPLY=($(compgen -W \"$(lathe targets --json --quiet 2>/dev/null | sed -n 's/^      \"name\": "
         "\"\\(.*\\)\",$/\\1/p')\" -- \"$current\")); return ;;\n"
         "    --verify) COMPREPLY=($(compgen -W \"quick full off\" -- \"$current\")); return ;;\n"
         "    --layout) COMPREPLY=($(compgen -W \"NCHW NHWC\" -- \"$current\")); return ;;\n"
         "  esac\n"
         "  case $command in\n"
         "    '') words=\"" +
         names + "\" ;;\n" + cases +
         "  esac\n"
         "  COMPREPLY=($(compgen -W \"$words " +
         global +
         "\" -- \"$current\"))\n"
         "  [[ $current != -* ]] && COMPREPLY+=($(compgen -f -- \"$current\"))\n"
         "}\n"
         "complete -o filenames -F _lathe lathe\n";
}

std::string zsh_script(const CLI::App& program, const std::vector<Entry>& entries) {
  auto plain = [](std::string text) {
    for (char& c : text)
      if (c == '[' || c == ']' || c == ':') c = ' ';
    return text;
  };
  std::string script = "#compdef lathe\n_lathe() {\n  local -a commands global\n  commands=(\n";
  for (const Entry& e : entries) script += "    " + quoted(e.name + ":" + plain(e.help)) + "\n";
  script += "  )\n  global=(";
  for (const auto& [flag, help] : flags_of(program)) script += " " + quoted(flag + "[" + plain(help) + "]");
  script += " )\n  if (( CURRENT == 2 )); then _describe command commands; return; fi\n  case $words[2] in\n";
  for (const Entry& e : entries) {
    script += "    " + e.name + ") _arguments $global";
    for (const auto& [flag, help] : e.flags) script += " " + quoted(flag + "[" + plain(help) + "]");
    script += e.words.empty() ? " '*:file:_files'" : " " + quoted("2:action:(" + join(e.words, " ") + ")") + " '*:file:_files'";
    script += " ;;\n";
  }
  return script + "  esac\n}\n_lathe \"$@\"\n";
}

std::string fish_script(const CLI::App& program, const std::vector<Entry>& entries) {
  std::string script = "# fish completion for lathe\n";
  for (const auto& [flag, help] : flags_of(program)) script += "complete -c lathe -l " + flag.substr(2) + " -d " + quoted(help) + "\n";
  for (const Entry& e : entries) {
    script += "complete -c lathe -n __fish_use_subcommand -a " + e.name + " -d " + quoted(e.help) + "\n";
    for (const std::string& word : e.words) script += "complete -c lathe -n '__fish_seen_subcommand_from " + e.name + "' -a " + word + "\n";
    for (const auto& [flag, help] : e.flags)
      script += "complete -c lathe -n '__fish_seen_subcommand_from " + e.name + "' -l " + flag.substr(2) + " -d " + quoted(help) + "\n";
  }
  return script;
}

}  // namespace

Command add_completion(CLI::App& program, Context& context) {
  auto shell = std::make_shared<std::string>();
  CLI::App* app = program.add_subcommand("completion", "Print a completion script");
  app->add_option("SHELL", *shell, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  app->footer("Example:\n  lathe completion bash > ~/.local/share/bash-completion/completions/lathe");
  return {app,
          [shell, &program, &context] {
            std::vector<Entry> entries = entries_of(program);
            std::string script = *shell == "bash"  ? bash_script(program, entries)
                                 : *shell == "zsh" ? zsh_script(program, entries)
                                                   : fish_script(program, entries);
            if (context.json) {
              context.print_json({{"shell", *shell}, {"script", script}});
            } else {
              std::fputs(script.c_str(), context.results);
            }
            return 0;
          },
          false};
}

}  // namespace lathe::cli
