// The folders a job writes into, and the one rename that publishes the result. A guardian, a process of its own that waits for ours to end, removes
// them when we are killed and cannot (SIGKILL runs no destructor).
#pragma once
#include <optional>
#include <string>
#include <vector>

namespace lathe {

// Waits, in a process of its own, for ours to end. Without one (no process or pipe to be had) a job goes on: only being killed leaves something then.
class Guardian {
 public:
  // When we are killed it removes `folders` and, where they are empty then, `parent` up to `made` ("": nothing was made). None needs to exist yet.
  Guardian(std::vector<std::string> folders, const std::string& parent, const std::string& made);
  // Ends it; what is there stays.
  ~Guardian();
  Guardian(const Guardian&) = delete;
  Guardian& operator=(const Guardian&) = delete;

 private:
  int pipe_ = -1;
};

class Staging {
 public:
  // Makes `<parent>/.lathe-...`, `parent` itself (and its parents) when they do not exist, and the scratch folder. Throws Error(failed).
  explicit Staging(const std::string& parent);
  // Removes what is left, the folders it made for `parent` included when they are empty.
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  // Beside where the result will be.
  const std::string& path() const { return path_; }
  // Below TMPDIR, or /tmp: for the job's temporary files and those of the tools it runs, which may want another disk and a path without blanks.
  const std::string& scratch() const { return scratch_; }

  // The staging folder becomes `<parent>/<name>`. An older package of that name is exchanged for it in one step and then removed; anything
  // else of that name is refused. Throws Error(failed).
  void publish_folder(const std::string& name);
  // `<staging>/<file>` becomes `destination`, which lies in `parent`.
  void publish_file(const std::string& file, const std::string& destination);

 private:
  std::string parent_, path_, scratch_, made_;  // made_: the topmost folder made for parent_, or ""
  std::optional<Guardian> guardian_;            // stands before the folders do
  bool published_ = false;
};

}  // namespace lathe
