// Runs .tflite files in TensorFlow Lite itself, where its library is found.
#pragma once
#include <lathe/plugin.hpp>
#include <memory>

#include "runtime.hpp"

namespace lathe::tflite {

// Gives back what the runtime made.
struct Closer {
  const Runtime* runtime = nullptr;
  void operator()(RuntimeModel* m) const { runtime->model_delete(m); }
  void operator()(RuntimeOptions* o) const { runtime->options_delete(o); }
  void operator()(RuntimeInterpreter* i) const { runtime->interpreter_delete(i); }
  void operator()(RuntimeDelegate* d) const { runtime->xnnpack_delete(d); }
};

class Executor {
 public:
  static std::vector<const char*> extensions() { return {"tflite"}; }
  static int recognise(const sdk::FileHead& head);
  static const char* obstacle(std::string_view path);

  Executor(const sdk::Host& host, const sdk::LoadRequest& request);
  sdk::Interface& interface() { return interface_; }
  void run(sdk::Run& run);

 private:
  [[noreturn]] void fail(const std::string& what) const;
  bool prepare(bool xnnpack);
  void allocate();
  void fill(sdk::Run& run);

  const Runtime* runtime_ = nullptr;
  std::string path_, said_;
  bool allocated_ = false, open_ = false;
  int32_t threads_ = 1;
  std::unique_ptr<RuntimeModel, Closer> model_;
  std::unique_ptr<RuntimeOptions, Closer> options_;
  std::unique_ptr<RuntimeDelegate, Closer> delegate_;  // outlives the interpreter
  std::unique_ptr<RuntimeInterpreter, Closer> interpreter_;
  sdk::Interface interface_;
};

}  // namespace lathe::tflite
