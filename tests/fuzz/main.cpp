// The test program: doctest under a limit on memory.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "reader.hpp"

int main(int argc, char** argv) {
  lathe::fuzz::limit_memory(8);
  return doctest::Context(argc, argv).run();
}
