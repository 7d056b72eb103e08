// Reads .tflite files into graphs.
#pragma once
#include <deque>
#include <lathe/mapped_file.hpp>
#include <lathe/plugin.hpp>

#include "model.hpp"

namespace lathe::tflite {

class Frontend {
 public:
  explicit Frontend(const sdk::Host&) {}
  static sdk::FrontendInfo info() { return {"TensorFlow Lite", {"tflite"}}; }
  static int recognise(const sdk::FileHead& head);
  void import_model(const sdk::ImportRequest& request, sdk::GraphSink& sink);

 private:
  // What the graph's constants point into.
  struct Imported {
    explicit Imported(const std::string& path) : file(path) {}
    sdk::MappedFile file;
    Model model;
  };
  std::deque<Imported> imported_;
};

}  // namespace lathe::tflite
