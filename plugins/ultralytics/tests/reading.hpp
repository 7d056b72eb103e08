// Everything that is done with the bytes of a checkpoint: the network is built and the file is described.
#pragma once
#include <string>
#include <string_view>

namespace lathe::ultralytics::test {

struct Reading {
  bool built = false;       // a network came of it
  bool acceptable = false;  // a network, or a refusal with a sentence and the code of a bad file or of something not known here
  std::string told;         // the first sentence
};
Reading read_checkpoint(std::string_view bytes);

}  // namespace lathe::ultralytics::test
