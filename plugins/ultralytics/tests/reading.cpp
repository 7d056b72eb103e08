// See reading.hpp.
#include "reading.hpp"

#include <lathe/plugin.hpp>

#include "inspector.hpp"
#include "modules.hpp"
#include "network.hpp"

namespace lathe::ultralytics::test {

Reading read_checkpoint(std::string_view bytes) {
  static const WiringTable wirings = [] {
    WiringTable table;
    read_wirings(table, modules_yaml, "the built-in descriptions");
    return table;
  }();
  Reading reading;
  try {
    const Checkpoint checkpoint(bytes, "fuzz.pt");
    describe_checkpoint(checkpoint, wirings, bytes.size());
    NetworkOptions options;
    options.height = options.width = 32;
    trace_network(checkpoint, wirings, options);
    reading.built = reading.acceptable = true;
  } catch (const sdk::Failure& failure) {
    reading.told = failure.what();
    reading.acceptable = (failure.code == LATHE_FAILED || failure.code == LATHE_UNSUPPORTED) && !reading.told.empty();
  } catch (const std::exception& other) {
    reading.told = std::string("an exception that is no refusal: ") + other.what();
  }
  return reading;
}

}  // namespace lathe::ultralytics::test
