// A zoo: a folder of packages, each in a folder of its own. PySDK finds a model there by the stem of its JSON, wherever below it lies.
#pragma once
#include <string>
#include <vector>

#include "core/base/diagnostic.hpp"
#include "core/plugin/plugins.hpp"

namespace lathe {

struct ZooPackage {
  std::string model;     // the JSON's stem
  std::string document;  // path of the JSON
  std::string runtime, device, supported, artifact;
  int64_t config_version = 0, width = 0, height = 0, classes = 0;  // 0: not said
  std::string task;                                                // of packages that Lathe wrote
  bool ours = false;                                               // it has the key "lathe"
};

// Every package below `folder`, by path. A JSON file that describes no model (labels, manifests) is passed over. Throws Error(failed) when there is
// no such folder.
std::vector<ZooPackage> list_zoo(const std::string& folder);

// Holds one package against itself: its JSON's keys (keys.hpp), the artifact's checksum and what its inspector says, labels, companions, hashes of
// the manifest, names. Errors: it cannot be used, or is not what it was; warnings: odd, or executable code.
std::vector<Diagnostic> verify_package(Plugins& plugins, const std::string& document);

// Copies a package (its folder, or its JSON) into the zoo under its model's name, with one rename; an older one that Lathe wrote is replaced. Returns
// the new folder. Throws Error(failed): it is not sound (verify_package), or something else is in the way.
std::string add_to_zoo(Plugins& plugins, const std::string& zoo, const std::string& package);

}  // namespace lathe
