// The compile as one function: plan, generate, link, by what was asked to be emitted.
#include "backend.hpp"

#include <thread>

#include "brought_kernels.hpp"
#include "claim.hpp"
#include "generate/generate.hpp"
#include "link/link.hpp"
#include "options.hpp"
#include "plan/plan.hpp"
#include "target.hpp"

namespace lathe::llvm_cpu {
namespace {

std::string data_folder(const sdk::Host& host) { return host.plugin_directory() + "/llvm_cpu"; }

CodeForm form_of(const std::string& emit) { return emit == "llvm-ir" ? CodeForm::llvm_ir : emit == "asm" ? CodeForm::assembly : CodeForm::object; }

}  // namespace

Backend::Backend(sdk::Host host, const sdk::CompileRequest& request)
    : host_(host),
      emit_(request.emit),
      stem_(request.stem),
      fast_math_(request.settings.flag("fast-math")),
      level_(request.settings.text("level")[0] - '0'),
      machine_(resolve_machine(machine_request(request.settings, request.device))) {}

sdk::BackendInfo Backend::info() {
  sdk::BackendInfo info;
  info.runtime = "LLVM_CPU";
  info.aliases = {"llvm"};
  info.flags = LATHE_BACKEND_RUNS_ON_HOST;
  for (const Family& family : families()) info.devices.push_back({family.device, family.description, {"float32"}});
  info.options = declared_options();
  info.emits = {"library", "object", "static", "executable", "llvm-ir", "asm"};
  return info;
}

const char* Backend::default_device(const sdk::Settings& settings) { return llvm_cpu::default_device(machine_request(settings, "")); }

void Backend::list_choices(sdk::Host, std::string_view option, const sdk::Lines& lines) {
  for (const std::string& line : choices_of(option)) lines(line);
}

void Backend::claim(const sdk::GraphView& graph, sdk::Verdicts& verdicts) {
  const Brought brought = [this](std::string_view domain, std::string_view op_type) {
    return !brought_bitcode(host_, domain, op_type, machine_).empty();
  };
  for (const sdk::NodeView node : graph.nodes()) {
    const std::string why_not = obstacle_to(graph, node, brought);
    if (why_not.empty())
      verdicts.take(node);
    else
      verdicts.refuse(node, why_not);
  }
}

void Backend::compile(const sdk::GraphView& graph, sdk::Output& output) {
  host_.progress("planning", 0);
  const Program program = plan(graph.get(), machine_);
  host_.check_cancelled();

  GenerateOptions options;
  options.threads = host_.threads();
  options.fast_math = fast_math_;
  options.level = level_;
  options.bitcode = data_folder(host_);
  options.brought = [this](const std::string& domain, const std::string& op_type) { return brought_bitcode(host_, domain, op_type, machine_); };
  options.progress = [this](double fraction) { host_.progress("generating code", fraction); };
  options.cancelled = [this] { return host_.cancelled(); };
  options.log = [this](const std::string& line) { host_.log(line); };
  Objects modules = generate(program, machine_, form_of(emit_), options);
  host_.check_cancelled();

  host_.progress("linking");
  const std::string folder = output.directory() + "/";
  std::string name = stem_;
  if (emit_ == "library") {
    name += ".so";
    link_library(modules, program.weights, machine_, data_folder(host_), folder + name, name);
  } else if (emit_ == "executable") {
    link_executable(modules, program.weights, machine_, data_folder(host_), folder + name);
  } else if (emit_ == "object") {
    name += ".o";
    modules.push_back(weights_object(program.weights, machine_));
    link_object(modules, folder + name);
  } else if (emit_ == "static") {
    name += ".a";
    modules.push_back(weights_object(program.weights, machine_));
    const std::vector<char> archive = make_static_library(modules, machine_, data_folder(host_));
    output.write(name, archive.data(), archive.size());
  } else {
    name += emit_ == "asm" ? ".s" : ".ll";
    for (const std::vector<char>& module : modules) output.write(name, module.data(), module.size());
  }
  output.artifact(name);
}

void Backend::fingerprint(const sdk::Facts& facts) {
  facts("code generator", llvm_version());
  facts("triple", machine_.triple);
  facts("cpu", machine_.cpu);
  facts("features", demanded_features(machine_));
}

}  // namespace lathe::llvm_cpu
