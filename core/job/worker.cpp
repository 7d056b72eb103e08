// THE pipeline: Compilation::run reads from top to bottom as a model flows.
#include "core/job/worker.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>

#include "core/base/sha256.hpp"
#include "core/calibration/sufficiency.hpp"
#include "core/files/write_file.hpp"
#include "core/ir/text.hpp"
#include "core/job/backend.hpp"
#include "core/job/claims.hpp"
#include "core/job/diagnostic_json.hpp"
#include "core/job/estimate.hpp"
#include "core/job/events.hpp"
#include "core/job/job.hpp"
#include "core/job/layout.hpp"
#include "core/job/model_check.hpp"
#include "core/job/pipeline_file.hpp"
#include "core/job/verification.hpp"
#include "core/ops/operator.hpp"
#include "core/package/artifact.hpp"
#include "core/package/package.hpp"
#include "core/package/read_back.hpp"
#include "core/plugin/regions.hpp"

namespace lathe {
namespace {
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// The pipe to the supervisor. Any thread may send.
class Channel {
 public:
  // Takes descriptor 3 away from where a plugin might write by chance.
  Channel() : fd_(::fcntl(3, F_DUPFD_CLOEXEC, 200)) { ::close(3); }

  void send(const Event& event) {
    std::string line = to_line(event);
    std::lock_guard lock(mutex_);
    for (size_t done = 0; done < line.size();) {
      ssize_t n = ::write(fd_, line.data() + done, line.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) ::_exit(1);  // the supervisor is gone, and with it the reason to go on
      done += static_cast<size_t>(n);
    }
  }
  void stage(const std::string& name, const std::string& plugin = {}) {
    Event event;
    event.kind = Event::Kind::stage, event.text = name, event.plugin = plugin;
    send(event);
  }
  void say(const Diagnostic& diagnostic) {
    Event event;
    event.kind = Event::Kind::diagnostic, event.diagnostic = diagnostic;
    send(event);
  }
  void progress(std::string_view what, double fraction) {
    Clock::time_point now = Clock::now();
    {
      std::lock_guard lock(mutex_);
      if (now - last_progress_ < std::chrono::milliseconds(40)) return;
      last_progress_ = now;
    }
    Event event;
    event.kind = Event::Kind::progress, event.text = what, event.fraction = fraction;
    send(event);
  }
  void text(Event::Kind kind, std::string_view text, std::string pass = {}) {
    Event event;
    event.kind = kind, event.text = text, event.plugin = std::move(pass);
    send(event);
  }

 private:
  int fd_;
  std::mutex mutex_;
  Clock::time_point last_progress_{};
};

class Compilation {
 public:
  Compilation(const WorkerRequest& request, Job job, Channel& channel) : request_(request), job_(std::move(job)), channel_(channel) {}

  // The result as JSON. Throws Error.
  nlohmann::ordered_json run() {
    enter("start");
    discover();
    targets_ = resolve_targets(*plugins_, job_);
    choose_emissions();
    Pipeline pipeline = read_pipeline();

    enter("import");
    Graph graph = import();

    enter("shapes");
    pin_shapes(graph, job_.shapes);
    if (!makes_picture_size(*frontend_)) pin_picture_size(graph, job_.width, job_.height);
    pin_open_batch(graph);
    infer_types(graph);
    if (job_.layout == "NHWC") {
      hand_over_channels_last(graph);
      infer_types(graph);
    }
    require_static_shapes(graph);
    require_one_item(graph);

    enter("calibrate");
    open_calibration(graph);
    const Graph original = clone(graph);  // what the passes must not change the meaning of

    enter("passes");
    run_passes(graph, pipeline);
    prepare_head(graph, targets_, job_option(job_, "head-cut", "auto"));

    enter("claim");
    if (job_.goal == Goal::check) return check(graph);
    Partition partition = claim(graph);
    hold_capacity(partition);

    PackageContents contents;
    contents.graph = &original;
    describe_job(contents, partition);
    const std::vector<std::string> stems = stage_stems(partition, contents);
    for (size_t i = 0; i < partition.regions.size(); ++i) {
      // A bundle is compiled elsewhere; the host's stages are made when what came out is packaged.
      if (job_.emit == "bundle" && i != contents.main) continue;
      enter("compile", targets_[partition.regions[i].target].manifest->name);
      const bool made = job_.goal == Goal::package && i == contents.main;
      contents.stages.push_back(made ? adopt(partition.regions[i], graph, stems[i]) : compile(partition.regions[i], graph, stems[i]));
    }
    if (job_.emit == "bundle") contents.main = 0;

    bool package = job_.emit == "package";
    enter("describe");
    if (package) contents.artifact_input = artifact_input(contents);
    std::vector<std::string> described = package ? write_model_json(request_.staging, contents) : std::vector<std::string>();

    enter("verify", contents.stages.front().target.manifest->name);
    contents.verification = verify(original, contents, partition);

    enter("package");
    if (package || job_.emit == "bundle") write_manifest(request_.staging, contents, described);
    enter("done");
    return result(contents);
  }

 private:
  void enter(const std::string& stage, const std::string& plugin = {}) {
    Clock::time_point now = Clock::now();
    if (!stage_.empty()) seconds_[stage_] += std::chrono::duration<double>(now - entered_).count();
    if (!stage_.empty() && std::find(order_.begin(), order_.end(), stage_) == order_.end()) order_.push_back(stage_);
    stage_ = stage, entered_ = now;
    channel_.stage(stage, plugin);
  }

  void discover() {
    HostServices services;
    // Errors come back to us with the failing call; what does not fail a call is told at once.
    services.report = [this](const Diagnostic& d) {
      if (d.severity != Severity::error) channel_.say(d);
    };
    services.log = [this](std::string_view text) { channel_.text(Event::Kind::log, text); };
    services.progress = [this](std::string_view what, double fraction) { channel_.progress(what, fraction); };
    services.cancelled = [] { return false; };  // the supervisor kills; nobody is asked
    services.threads = request_.threads;
    PluginSearch search;
    search.explicit_paths = request_.plugins;
    search.program = request_.program;
    plugins_ = Plugins::discover(search, std::move(services));
    for (Diagnostic d : plugins_->refused()) {
      d.severity = Severity::warning;
      channel_.say(d);
    }
  }

  // What each target is asked to emit. A package holds the first thing its manifest lists.
  void choose_emissions() {
    for (const ResolvedTarget& target : targets_) {
      const std::vector<std::string>& emits = target.manifest->emits;
      if (emits.empty()) throw Error(Code::internal, "plugin '" + target.manifest->name + "' emits nothing");
      if (job_.emit == "package" || (job_.emit == "bundle" && target.companion)) {
        emissions_.push_back(emits.front());
        continue;
      }
      if (std::find(emits.begin(), emits.end(), job_.emit) == emits.end()) {
        std::vector<std::string> words = emits;
        words.push_back("package");
        std::string list;
        for (const std::string& w : words) list += (list.empty() ? "" : ", ") + w;
        throw Error(Code::usage, "target '" + target.manifest->name + "' cannot emit '" + job_.emit + "'" + did_you_mean(job_.emit, words),
                    "it emits: " + list);
      }
      emissions_.push_back(job_.emit);
    }
  }

  Pipeline read_pipeline() {
    passes_ = plugins_->passes();
    if (!job_.pipeline.empty()) return parse_pipeline(job_.pipeline, job_.pipeline_source, passes_);
    std::string file = default_pipeline(*plugins_, *targets_.front().manifest);
    return parse_pipeline(read_text_file(file), file, passes_);
  }

  Graph import() {
    const std::string& path = job_.model.path;
    std::string hash = sha256_of_file(path);
    if (hash != job_.model.sha256)
      throw Error(Code::failed, "'" + path + "' is not the file the job was made for: its contents changed", "start the compile again");
    Plugin* frontend = plugins_->find_frontend(path);
    if (!frontend) throw Error(Code::failed, "no plugin reads '" + path + "'", "'lathe plugin list' shows what is read");
    frontend_ = &frontend->manifest();
    enter("import", frontend_->name);
    Graph graph = import_model(*plugins_, path, frontend_options(job_, *frontend_, targets_));
    collect_input_files(graph);
    return graph;
  }

  // Files besides the model's own that its tensors lie in.
  void collect_input_files(const Graph& graph) {
    for (const Value& value : graph.values)
      if (value.constant && !value.constant->bytes.file.empty()) input_files_.insert(value.constant->bytes.file);
    std::error_code ignored;
    for (auto it = input_files_.begin(); it != input_files_.end();)
      it = fs::equivalent(*it, job_.model.path, ignored) ? input_files_.erase(it) : std::next(it);
  }

  // For targets that want numbers: an input whose first dimension alone is open is compiled for one item at a time.
  void pin_open_batch(Graph& graph) {
    if (std::none_of(targets_.begin(), targets_.end(), [](const ResolvedTarget& t) { return t.manifest->has_trait("static-shapes"); })) return;
    std::map<std::string, std::vector<int64_t>> pins;
    for (ValueId id : graph.inputs) {
      const Value& value = graph.value(id);
      if (value.constant || !value.type.shape || value.type.shape->size() < 2) continue;
      const Shape& shape = *value.type.shape;
      if (shape[0].constant() || !std::all_of(shape.begin() + 1, shape.end(), [](const Dimension& d) { return d.constant(); })) continue;
      std::vector<int64_t>& dimensions = pins[value.name];
      dimensions.assign(shape.size(), -1);
      dimensions[0] = 1;
      Diagnostic d;
      d.severity = Severity::note;
      d.text = "the first dimension of input '" + value.name + "' is open and was taken as 1";
      d.found = to_string(value.type);
      d.hint = "--shape " + value.name + "=... says otherwise";
      channel_.say(d);
    }
    if (!pins.empty()) pin_shapes(graph, pins);
  }

  void require_static_shapes(const Graph& graph) {
    std::vector<Diagnostic> problems;
    for (const ResolvedTarget& target : targets_) {
      if (!target.manifest->has_trait("static-shapes")) continue;
      for (ValueId id : graph.inputs) {
        const Value& value = graph.value(id);
        if (value.constant || value.type.static_shape()) continue;
        Diagnostic d;
        d.text = "target '" + target.manifest->name + "' wants every dimension to be a number, and input '" + value.name + "' has open ones";
        d.found = to_string(value.type);
        std::string pins;
        if (value.type.shape)
          for (const Dimension& dimension : *value.type.shape)
            pins += (pins.empty() ? "" : "x") + std::to_string(dimension.constant() ? dimension.value : 1);
        d.hint = "pin them: --shape " + value.name + "=" + (pins.empty() ? "1x3x640x640" : pins);
        problems.push_back(std::move(d));
      }
    }
    if (!problems.empty()) throw Error(Code::unsupported, std::move(problems));
  }

  // Whether the target measures ranges from data for this graph. A graph that quantises says its ranges itself.
  bool calibrates(const ResolvedTarget& target, const Graph& graph) const {
    const bool quantised = target.precision == "int8" || target.precision == "mixed";
    return quantised && (target.manifest->has_trait("needs-calibration") || target.manifest->calibration_lowest > 0) &&
           std::none_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) { return node.op_type == "QuantizeLinear"; });
  }

  // How pictures become the input, and the data to calibrate with, held against what the targets want.
  void open_calibration(const Graph& graph) {
    preprocessing_ = preprocessing_of(graph, job_.preprocessing);
    if (preprocessing_ && !preprocessing_->inside.empty()) {
      Diagnostic d;
      d.severity = Severity::note;
      d.text = "the model normalises its input '" + preprocessing_->input + "' itself, by " + preprocessing_->inside + "; it is given pictures as " +
               (preprocessing_->scale[0] == 1 ? "pixels of 0 to 255" : "numbers of 0 to 1");
      channel_.say(d);
    }
    CalibrationNeed need;
    for (const ResolvedTarget& target : targets_) {
      if (!calibrates(target, graph)) continue;
      if (need.target.empty() || target.manifest->calibration_lowest > need.lowest) need.target = target.spelled();
      need.lowest = std::max(need.lowest, target.manifest->calibration_lowest);
      need.wanted = std::max(need.wanted, target.manifest->calibration_wanted);
    }
    const bool given = job_.calibration.kind != CalibrationSource::Kind::none;
    if (!given && (need.target.empty() || job_.goal == Goal::package)) return;  // what is packaged was calibrated where it was made
    if (!given) {
      Diagnostic d;
      d.text = "target '" + need.target + "' quantises the model itself and needs data to measure ranges with, and none are given";
      if (need.lowest > 0) d.expected = std::to_string(need.lowest) + " samples or more";
      if (need.wanted > need.lowest) d.expected += (need.lowest > 0 ? ", better " : "") + std::to_string(need.wanted);
      d.hint = "--calibration FOLDER names pictures like those the model will see; .npy and lists are taken too";
      if (job_.goal != Goal::check) throw Error(Code::usage, std::move(d));
      d.severity = Severity::warning;
      return channel_.say(d);
    }
    if (need.target.empty()) {
      Diagnostic d;
      d.severity = Severity::note, d.text = "no target of this job calibrates, so the calibration data are not used";
      return channel_.say(d);
    }
    calibration_.emplace(job_.calibration, inputs_of(graph), preprocessing_, request_.threads);
    findings_ = check_sufficiency(*calibration_, need, request_.threads, [this](double f) { channel_.progress("reading calibration data", f); });
    for (const Diagnostic& d : findings_.diagnostics) channel_.say(d);
  }

  CalibrationContext calibration_for(const Graph& model) const {
    return {preprocessing_ ? &*preprocessing_ : nullptr, calibration_ ? &*calibration_ : nullptr, &model, request_.threads};
  }

  // A chip that leaves the rest to the host computes one item at a time.
  void require_one_item(const Graph& graph) {
    std::vector<Diagnostic> problems;
    for (const ResolvedTarget& target : targets_) {
      if (!target.manifest->has_trait("rest-on-host")) continue;
      for (ValueId id : graph.inputs) {
        const Value& value = graph.value(id);
        if (value.constant || !value.type.static_shape() || value.type.shape->size() < 3 || (*value.type.shape)[0].value == 1) continue;
        Diagnostic d;
        d.text = "target '" + target.manifest->name + "' computes one item at a time, and input '" + value.name + "' holds " +
                 std::to_string((*value.type.shape)[0].value);
        d.expected = "1 as the first dimension";
        d.found = to_string(value.type);
        std::string pin = "1";
        for (size_t i = 1; i < value.type.shape->size(); ++i) pin += "x" + std::to_string((*value.type.shape)[i].value);
        d.hint = job_.shapes.count(value.name) ? "pin it so: --shape " + value.name + "=" + pin
                                               : "export the model with a batch of 1, or with an open one and --shape " + value.name + "=" + pin;
        problems.push_back(std::move(d));
      }
    }
    if (!problems.empty()) throw Error(Code::unsupported, std::move(problems));
  }

  void run_passes(Graph& graph, const Pipeline& pipeline) {
    PipelineOptions options;
    options.dump_after = job_.dump_after;
    options.dump = [this](const std::string& pass, const Graph& g) { channel_.text(Event::Kind::dump, to_text(g, 16), pass); };
    options.verify_each = job_.verify_each;
    options.progress = [this](const std::string& pass, double fraction) { channel_.progress(pass, fraction); };
    check_dump_names(pipeline);
    pass_times_ = run_pipeline(graph, pipeline, passes_, options);
  }

  void check_dump_names(const Pipeline& pipeline) {
    std::vector<std::string> names = {"all"};
    for (const PipelineStep& step : pipeline.steps) names.push_back(step.pass);
    for (const std::string& wanted : job_.dump_after)
      if (std::find(names.begin(), names.end(), wanted) == names.end())
        throw Error(Code::usage, "--dump-after " + wanted + ": the pipeline runs no such pass" + did_you_mean(wanted, names),
                    "'lathe passes' prints the pipeline");
  }

  struct Candidates {
    std::vector<std::unique_ptr<Backend>> backends;
    std::vector<CandidateTarget> targets;
  };
  Candidates candidates(const Graph& graph) {
    Candidates list;
    for (size_t i = 0; i < targets_.size(); ++i) {
      const ResolvedTarget& target = targets_[i];
      channel_.stage(stage_, target.manifest->name);
      std::string stem = package_stem(graph, job_.name, target, job_.version);
      list.backends.push_back(
          std::make_unique<Backend>(plugins_->load(target.manifest->name), target, emissions_[i], stem, calibration_for(graph), graph));
      list.targets.push_back({&list.backends.back()->plugin(), list.backends.back()->self(), target.spelled(), list.backends.back()->opset()});
    }
    return list;
  }

  // What `lathe check` prints. A model that is refused is described too.
  nlohmann::ordered_json check(const Graph& graph) {
    const Candidates list = candidates(graph);
    std::optional<Claims> claims;
    std::vector<Diagnostic> findings;
    try {
      claims = claim_nodes(graph, targets_, list.targets, job_option(job_, "head-cut", "auto"));
      findings = claims->notes;
    } catch (const Error& error) {
      if (error.code != Code::unsupported) throw;
      findings = error.diagnostics;
    }
    nlohmann::ordered_json result = describe_check(graph, targets_, list.targets, claims ? &*claims : nullptr);
    if (claims)
      for (const Region& region : claims->partition.regions)
        for (Diagnostic& d : hold_against(cost_of(region.graph), targets_[region.target])) findings.push_back(std::move(d));
    for (const Diagnostic& d : findings) {
      if (d.severity == Severity::error) result["fits"] = false;
      channel_.say(d);
    }
    if (preprocessing_) result["preprocessing"] = describe(*preprocessing_);
    if (calibration_) result["calibration"] = {{"kind", name(calibration_->from().kind)}, {"given", findings_.given}, {"used", findings_.used}};
    enter("done");
    return result;
  }

  // Before a tool works for half an hour on what its device cannot hold.
  void hold_capacity(const Partition& partition) {
    std::vector<Diagnostic> problems;
    for (const Region& region : partition.regions)
      for (Diagnostic& d : hold_against(cost_of(region.graph), targets_[region.target])) {
        if (d.severity != Severity::error) channel_.say(d);
        if (d.severity == Severity::error) problems.push_back(std::move(d));
      }
    if (!problems.empty() && job_.goal == Goal::compile) throw Error(Code::unsupported, std::move(problems));
  }

  Partition claim(const Graph& graph) {
    const Candidates list = candidates(graph);
    Claims claims = claim_nodes(graph, targets_, list.targets, job_option(job_, "head-cut", "auto"));
    for (const Diagnostic& note : claims.notes) channel_.say(note);
    const std::vector<Region>& regions = claims.partition.regions;
    if (job_.emit != "package" && job_.emit != "bundle" && regions.size() != 1)
      throw Error(Code::usage, "--emit " + job_.emit + " writes one file, and the model falls into " + std::to_string(regions.size()) + " parts",
                  "use --emit package, or a target that takes the whole model");
    return std::move(claims.partition);
  }

  // The names of the stages' files, without extension. What is compiled for the host beside a chip stands before or after the chip's part.
  std::vector<std::string> stage_stems(const Partition& partition, const PackageContents& contents) {
    std::vector<std::string> stems;
    std::map<std::string, int> used;
    for (size_t i = 0; i < partition.regions.size(); ++i) {
      if (targets_[partition.regions[i].target].companion) {
        const std::string side = i < contents.main ? "_pre" : "_post";
        const int number = ++used[side];
        stems.push_back(contents.stem + side + (number > 1 ? std::to_string(number) : ""));
      } else {
        const bool first = targets_.back().companion ? i == contents.main : i == 0;
        stems.push_back(first ? contents.stem : contents.stem + "_part" + std::to_string(i + 1));
      }
    }
    return stems;
  }

  void describe_job(PackageContents& contents, const Partition& partition) {
    // The package is named after the most wanted target that got a part.
    for (size_t i = 0; i < partition.regions.size(); ++i)
      if (partition.regions[i].target < partition.regions[contents.main].target) contents.main = i;
    contents.name = job_.name, contents.version = job_.version;
    contents.stem = package_stem(*contents.graph, job_.name, targets_[partition.regions[contents.main].target], job_.version);
    contents.model_file = fs::path(job_.model.path).filename().string(), contents.model_sha256 = job_.model.sha256;
    std::string folder = fs::absolute(job_.model.path).parent_path().string();
    for (const std::string& file : input_files_)
      contents.inputs.emplace_back(fs::path(file).lexically_relative(folder).string(), sha256_of_file(file));
    contents.frontend = frontend_->name, contents.frontend_version = frontend_->version;
    for (const auto& [name, dimensions] : job_.shapes) {
      std::string text;
      for (int64_t d : dimensions) text += (text.empty() ? "" : "x") + (d < 0 ? std::string("?") : std::to_string(d));
      contents.options.emplace_back("shape." + name, text);
    }
    contents.options.emplace_back("layout", job_.layout);
    contents.preprocessing = preprocessing_;
    if (calibration_) contents.calibration = PackageContents::Calibration{&calibration_->from(), findings_};
    contents.options.emplace_back("precision", job_.precision);
    contents.options.emplace_back("emit", job_.emit);
    if (std::any_of(targets_.begin(), targets_.end(), [](const ResolvedTarget& t) { return t.manifest->has_trait("cuts-heads"); }))
      contents.options.emplace_back("head-cut", job_option(job_, "head-cut", "auto"));
    if (!job_.pipeline.empty()) contents.options.emplace_back("pipeline", "sha256:" + sha256(job_.pipeline));
    std::string passes;
    for (const PassTime& time : pass_times_) passes += (passes.empty() ? "" : " ") + time.pass;
    contents.options.emplace_back("passes", passes);
  }

  PackageStage compile(const Region& region, const Graph& model, const std::string& stem) {
    const ResolvedTarget& target = targets_[region.target];
    Backend backend(plugins_->load(target.manifest->name), target, emissions_[region.target], stem, calibration_for(model), region.graph);
    CompiledRegion compiled = backend.compile(region.graph, request_.staging);
    PackageStage stage;
    stage.artifact = compiled.artifact, stage.files = compiled.files, stage.target = target, stage.facts = backend.fingerprint();
    auto bind = [&](ValueId id) {
      const std::string& name = region.graph.value(id).name;
      auto other = compiled.bound.find(name);
      return PackageStage::Binding{name, other == compiled.bound.end() ? name : other->second};
    };
    for (ValueId id : region.graph.inputs)
      if (!region.graph.value(id).constant) stage.inputs.push_back(bind(id));
    for (ValueId id : region.graph.outputs) stage.outputs.push_back(bind(id));
    return stage;
  }

  // The chip's part as it was made elsewhere: copied under its name, read by its inspector, held against the part of the model.
  PackageStage adopt(const Region& region, const Graph& model, const std::string& stem) {
    const ResolvedTarget& target = targets_[region.target];
    const std::string& from = job_.artifact.path;
    if (sha256_of_file(from) != job_.artifact.sha256)
      throw Error(Code::failed, "'" + from + "' is not the file the job was made for: its contents changed", "start again");
    PackageStage stage;
    stage.artifact = stem + fs::path(from).extension().string(), stage.files = {stage.artifact}, stage.target = target;
    const std::string path = request_.staging + "/" + stage.artifact;
    std::error_code error;
    if (!fs::copy_file(from, path, error)) fail_errno("copy", from, error.value());
    if (!plugins_->find_inspector(path))
      throw Error(Code::failed, "'" + from + "' is no file that a compiler for " + target.spelled() + " writes: no installed plugin knows its kind",
                  "name the file that the target's compiler wrote");
    const ArtifactNames names = hold_artifact(inspect_file(*plugins_, path), from, target, region.graph);
    for (const auto& [tensor, own] : names.inputs) stage.inputs.push_back({tensor, own});
    for (const auto& [tensor, own] : names.outputs) stage.outputs.push_back({tensor, own});
    Backend backend(plugins_->load(target.manifest->name), target, emissions_[region.target], stem, calibration_for(model), region.graph);
    stage.facts = backend.fingerprint();
    return stage;
  }

  // Known formats say how they take a picture; a backend's facts do where nothing reads its files.
  ArtifactInput artifact_input(const PackageContents& contents) {
    const PackageStage& stage = contents.stages.at(contents.main);
    const std::string path = request_.staging + "/" + stage.artifact;
    nlohmann::ordered_json inspected = nlohmann::ordered_json::object();
    if (preprocessing_ && plugins_->find_inspector(path)) inspected = inspect_file(*plugins_, path);
    return lathe::artifact_input(stage.facts, inspected);
  }

  // Stages that cannot run here are computed by the reference engine, so that the others are held against the whole model; the result is `skipped`
  // then, because the package as it stands was not run.
  Verification verify(const Graph& original, const PackageContents& contents, const Partition& partition) {
    Verification verification;
    auto skip = [&](std::string reason) {
      verification.state = Verification::State::skipped;
      verification.reason = std::move(reason);
      Diagnostic d;
      d.severity = Severity::note;
      d.text = "the artifact was not verified: " + verification.reason;
      channel_.say(d);
      return verification;
    };
    if (job_.verify == "off") return verification;
    if (std::string reason = unpredictable(original); !reason.empty()) return skip(std::move(reason));
    bool package = job_.emit == "package";
    std::vector<std::string> not_run;
    for (size_t i = 0; i < contents.stages.size(); ++i) {
      const PackageStage& stage = contents.stages[i];
      if (!package && job_.emit != stage.target.manifest->emits.front()) return skip("what --emit " + job_.emit + " writes is not run here");
      try {
        plugins_->find_executor(request_.staging + "/" + stage.artifact);
      } catch (const Error& e) {
        not_run.push_back(stage.artifact);
      }
    }
    if (not_run.size() == contents.stages.size()) return skip("no installed plugin runs " + not_run.front());
    const StageSubstitute by_reference = [&](size_t stage) -> std::unique_ptr<Executable> {
      if (std::find(not_run.begin(), not_run.end(), contents.stages[stage].artifact) == not_run.end()) return nullptr;
      return reference_executable(partition.regions[stage].graph, request_.threads);
    };
    std::unique_ptr<Executable> artifact;
    try {
      std::string path = request_.staging + "/" + (package ? contents.stem + ".json" : contents.stages.front().artifact);
      std::string stand_in;
      artifact = open_artifact(*plugins_, path, request_.threads, false, &stand_in, by_reference);
      if (!stand_in.empty()) {
        Diagnostic d;
        d.severity = Severity::note;
        d.text = std::move(stand_in);
        channel_.say(d);
      }
    } catch (const Error& e) {
      if (e.code != Code::unsupported) throw;
      return skip(e.diagnostics.front().text);
    }
    // Of what runs here: stages whose part the reference takes over are as exact as it is.
    std::string precision = "float32";
    for (const PackageStage& stage : contents.stages)
      if (stage.target.precision != "float32" && std::find(not_run.begin(), not_run.end(), stage.artifact) == not_run.end())
        precision = stage.target.precision;
    bool open = false;
    for (ValueId id : original.inputs) open = open || !original.value(id).type.static_shape();
    try {
      // Real data where there are some: quantised arithmetic says little about noise.
      const Limits limits = limits_for(precision, original);
      verification = calibration_ && job_.verify == "quick" ? compare_on(original, *artifact, calibration_->read(0), limits, request_.threads)
                                                            : verify_artifact(original, *artifact, limits, job_.verify == "full", request_.threads);
    } catch (const Error& e) {
      // Sizes that were made up for open dimensions may fit no real input of this model.
      const Diagnostic& d = e.diagnostics.front();
      if (e.code == Code::unsupported || (open && e.code == Code::failed))
        return skip(d.text + "; " + (d.hint.empty() ? "pin the shapes with --shape" : d.hint));
      throw;
    }
    if (verification.state == Verification::State::disagrees) throw Error(Code::disagrees, describe_disagreement(verification));
    for (const Diagnostic& d : describe_rounding(verification)) channel_.say(d);
    if (!not_run.empty()) {
      std::string list;
      for (const std::string& file : not_run) list += (list.empty() ? "" : ", ") + file;
      verification.outputs.clear();
      return skip("no installed plugin runs " + list + "; with the reference engine in its place the stages for the host agree with the model");
    }
    return verification;
  }

  nlohmann::ordered_json result(const PackageContents& contents) {
    nlohmann::ordered_json stages = nlohmann::ordered_json::array(), seconds = nlohmann::ordered_json::object(),
                           passes = nlohmann::ordered_json::array();
    for (const PackageStage& s : contents.stages)
      stages.push_back({{"artifact", s.artifact}, {"target", s.target.spelled()}, {"precision", s.target.precision}});
    for (const std::string& stage : order_) seconds[stage] = seconds_[stage];
    for (const PassTime& time : pass_times_) passes.push_back({{"pass", time.pass}, {"seconds", time.seconds}, {"changed", time.changed}});
    nlohmann::ordered_json verification{{"state", name(contents.verification.state)}};
    if (!contents.verification.reason.empty()) verification["reason"] = contents.verification.reason;
    if (contents.verification.inputs) verification["inputs"] = contents.verification.inputs;
    nlohmann::ordered_json outputs = nlohmann::ordered_json::array();
    for (const OutputComparison& o : contents.verification.outputs)
      outputs.push_back({{"name", o.name}, {"largest", o.largest}, {"difference", o.difference}});
    if (!outputs.empty()) verification["outputs"] = outputs;
    return {{"stem", contents.stem}, {"artifact", contents.stages.at(contents.main).artifact},
            {"stages", stages},      {"verification", verification},
            {"seconds", seconds},    {"passes", passes}};
  }

  const WorkerRequest& request_;
  Job job_;
  Channel& channel_;
  std::unique_ptr<Plugins> plugins_;
  std::vector<ResolvedTarget> targets_;
  std::vector<std::string> emissions_;  // per target
  std::vector<Pass> passes_;
  std::vector<PassTime> pass_times_;
  const Manifest* frontend_ = nullptr;
  std::optional<Preprocessing> preprocessing_;
  std::optional<CalibrationSet> calibration_;
  CalibrationFindings findings_;
  std::set<std::string> input_files_;
  std::string stage_;
  Clock::time_point entered_;
  std::map<std::string, double> seconds_;
  std::vector<std::string> order_;
};

std::string read_job() {
  std::string text;
  char block[65536];
  for (ssize_t n; (n = ::read(0, block, sizeof block)) != 0;) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) break;
    text.append(block, static_cast<size_t>(n));
  }
  int null = ::open("/dev/null", O_RDONLY);
  if (null >= 0) ::dup2(null, 0), ::close(null);
  return text;
}

}  // namespace

void run_worker(const WorkerRequest& request) {
  if (::fcntl(3, F_GETFD) < 0) {
    std::fputs("lathe worker is started by lathe compile, not by hand\n", stderr);
    ::_exit(static_cast<int>(Code::usage));
  }
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  if (!request.scratch.empty()) ::setenv("TMPDIR", request.scratch.c_str(), 1);
  Channel channel;
  Code code = Code::internal;
  nlohmann::ordered_json result = {{"code", 0}};
  auto fail = [&](Code problem, const std::vector<Diagnostic>& diagnostics) {
    code = problem;
    for (const Diagnostic& d : diagnostics) channel.say(d);
  };
  try {
    Compilation compilation(request, parse_job(read_job()), channel);
    result = compilation.run();
    code = Code::ok;
  } catch (const Error& e) {
    fail(e.code, e.diagnostics);
  } catch (const std::bad_alloc&) {
    fail(Code::budget, {{Severity::error, "memory ran out", "", "", "", "", "", "raise --max-memory, or compile on a machine with more"}});
  } catch (const std::exception& e) {
    fail(Code::internal, {{Severity::error, std::string("an unexpected exception: ") + e.what(), "", "", "", "", "", ""}});
  }
  result["code"] = static_cast<int>(code);
  channel.text(Event::Kind::result, dump(result));
  // Static destructors of plugins are of no use here, and may do harm.
  std::fflush(nullptr);
  ::_exit(static_cast<int>(code));
}

}  // namespace lathe
