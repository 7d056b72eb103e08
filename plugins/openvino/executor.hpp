// Running an IR in OpenVINO, where it is installed.
#pragma once
#include <lathe/plugin.hpp>
#include <memory>

#include "read/xml.hpp"
#include "runtime.hpp"

namespace lathe::openvino {

class Executor {
 public:
  // Throws Failure(LATHE_UNSUPPORTED) where OpenVINO is absent.
  Executor(const sdk::Host& host, const sdk::LoadRequest& request);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  static std::vector<const char*> extensions() { return {"xml"}; }
  static int recognise(const sdk::FileHead& head);
  static const char* obstacle(std::string_view path);
  sdk::Interface& interface() { return interface_; }
  void run(sdk::Run& run);

 private:
  void check(int status, const char* what) const;

  const Runtime* runtime_;
  std::unique_ptr<ModelFile> file_;
  sdk::Interface interface_;
  std::vector<int32_t> output_types_;
  void *core_ = nullptr, *compiled_ = nullptr, *request_ = nullptr;
};

}  // namespace lathe::openvino
