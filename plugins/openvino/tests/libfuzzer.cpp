// libFuzzer: the first half of the input is the text, what follows the first zero byte is the weights.
#include "check/checker.hpp"
#include "support.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const size_t zero = std::min(all.find('\0'), all.size());
  const std::string xml(all.substr(0, zero)), weights(all.substr(std::min(zero + 1, all.size())));
  try {
    const lathe::openvino::Model model = lathe::openvino::parse_model(xml, weights, "fuzz.xml");
    lathe::openvino::read_graph(model, "", weights, "fuzz.xml").layout();
  } catch (const lathe::sdk::Failure&) {
  }
  lathe::openvino::check_ir(xml, weights);
  return 0;
}
