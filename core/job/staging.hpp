// The folder a job writes into, beside where its result will be, and the one rename that publishes it.
#pragma once
#include <string>

namespace lathe {

class Staging {
 public:
  // Makes `<parent>/.lathe-XXXXXX`, and `parent` itself (and its parents) when they do not exist. Throws Error(failed).
  explicit Staging(const std::string& parent);
  // Removes what is left, the folders it made for `parent` included when they are empty.
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  const std::string& path() const { return path_; }

  // The staging folder becomes `<parent>/<name>`. An older package of that name is exchanged for it in one step and then removed; anything
  // else of that name is refused. Throws Error(failed).
  void publish_folder(const std::string& name);
  // `<staging>/<file>` becomes `destination`, which lies in `parent`.
  void publish_file(const std::string& file, const std::string& destination);

 private:
  std::string parent_, path_, made_;  // made_: the topmost folder made for parent_, or ""
  bool published_ = false;
};

}  // namespace lathe
