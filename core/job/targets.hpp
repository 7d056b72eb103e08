// From what the person wrote after --target, --option and --precision to what each backend is asked: devices, settings, precisions
// resolved and checked against the manifests.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "core/job/job.hpp"
#include "core/plugin/plugins.hpp"

namespace lathe {

struct Setting {
  std::string name, value;
  bool given = false;  // by the person, not the declared fallback
};

struct ResolvedTarget {
  const Manifest* manifest = nullptr;
  std::string device;     // as the manifest spells it
  std::string precision;  // one of the device's
  std::vector<Setting> settings;
  bool companion = false;  // it compiles, for the processor beside a device, what that device does not take
  std::string spelled() const { return manifest->name + ":" + device; }
};

// The text after --target, or, when it is empty, the first installed target that runs on the host.
std::vector<TargetSpec> wanted_targets(Plugins& plugins, const std::string& text);

// Options of the job itself, which are no plugin's: "head-cut" is "auto", "off", or the tensors at which a detection head is cut, with commas
// between. Yields the last value given, or `fallback`.
std::string job_option(const Job& job, std::string_view name, std::string fallback);

// All targets of a job, in the order of preference; behind those that were named, for targets with the trait rest-on-host, one that runs on the
// host, when any is installed. Loads a backend only where its options decide the device (a triple). Throws Error
// (usage or unsupported) with everything that is wrong.
std::vector<ResolvedTarget> resolve_targets(Plugins& plugins, const Job& job);

// The job's options for the frontend that reads its model: those with its name in front, those of its options that no target has, and, where
// the frontend declares options named `width` and `height`, the picture's size as --width, --height or an NCHW --shape gives it. Throws
// Error(usage) for an option that neither the frontend nor a target has.
std::vector<std::pair<std::string, std::string>> frontend_options(const Job& job, const Manifest& frontend,
                                                                  const std::vector<ResolvedTarget>& targets);
// Whether the frontend makes a network for a given size of pictures, so that nothing is left to pin. It may round the size.
bool makes_picture_size(const Manifest& frontend);

// "float32" or "int8": how `kind` (auto, float, quant, or a precision's own name) is spelled for a device. Throws Error(usage).
std::string resolve_precision(const std::string& kind, const DeviceSpec& device, const std::string& target);

}  // namespace lathe
