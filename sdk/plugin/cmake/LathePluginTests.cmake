# lathe_add_plugin_tests(NAME [SOURCES file...] [FUZZED file...] [LIBRARIES target...] [INCLUDES folder...] [DEFINITIONS definition...]
#                        [EVERY_BIT count REAL_FILES file...])
#
# The tests of a plugin's inside, with doctest: tests/*_test.cpp and the plugin's own SOURCES that they call become the program NAME_tests, with a main
# of its own, and each file one test, NAME.<file without _test>. Where LATHE_LIBFUZZER is set, tests/libfuzzer.cpp, if it is there, and the sources FUZZED
# become fuzz_NAME. Does nothing unless LATHE_TESTS is set.
# REAL_FILES, of which those that are absent are skipped: EVERY_BIT truncations and EVERY_BIT flipped bits of each, drawn at random, go through the entry
# of tests/libfuzzer.cpp in the tests NAME.every_bit.<number>; the program every_bit_NAME, given a file alone, goes through all of them.
#   LIBRARIES    what both link besides Lathe::plugin_sdk
#   INCLUDES     system folders both look for headers in

function(lathe_add_plugin_tests name)
  if(NOT LATHE_TESTS)
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 1 tests "" "EVERY_BIT" "SOURCES;FUZZED;LIBRARIES;INCLUDES;DEFINITIONS;REAL_FILES")
  if(tests_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "lathe_add_plugin_tests(${name}): takes SOURCES, FUZZED, LIBRARIES, INCLUDES, DEFINITIONS, EVERY_BIT, REAL_FILES; found '${tests_UNPARSED_ARGUMENTS}'")
  endif()
  find_package(doctest REQUIRED)
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${name}_main.cpp CONTENT "#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN\n#include <doctest/doctest.h>\n")
  file(GLOB test_sources CONFIGURE_DEPENDS tests/*_test.cpp)
  add_executable(${name}_tests ${CMAKE_CURRENT_BINARY_DIR}/${name}_main.cpp ${test_sources} ${tests_SOURCES})
  target_link_libraries(${name}_tests PRIVATE doctest::doctest)
  set(programs ${name}_tests)
  if(LATHE_LIBFUZZER AND EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/tests/libfuzzer.cpp)
    add_executable(fuzz_${name} tests/libfuzzer.cpp ${tests_FUZZED})
    target_compile_options(fuzz_${name} PRIVATE -fsanitize=fuzzer-no-link)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    list(APPEND programs fuzz_${name})
  endif()
  if(tests_EVERY_BIT)
    add_executable(every_bit_${name} ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/every_bit.cpp tests/libfuzzer.cpp ${tests_FUZZED})
    list(APPEND programs every_bit_${name})
    set(number 0)
    foreach(file ${tests_REAL_FILES})
      math(EXPR number "${number} + 1")
      add_test(NAME ${name}.every_bit.${number} COMMAND every_bit_${name} ${file} ${tests_EVERY_BIT} 1)
      set_tests_properties(${name}.every_bit.${number} PROPERTIES SKIP_RETURN_CODE 77)
    endforeach()
  endif()
  foreach(program ${programs})
    target_link_libraries(${program} PRIVATE Lathe::plugin_sdk ${tests_LIBRARIES})
    target_include_directories(${program} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
    target_include_directories(${program} SYSTEM PRIVATE ${tests_INCLUDES})
    target_compile_definitions(${program} PRIVATE ${tests_DEFINITIONS})
    set_target_properties(${program} PROPERTIES CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON)
  endforeach()
  foreach(source ${test_sources})
    cmake_path(GET source STEM stem)
    string(REGEX REPLACE "_test$" "" test ${stem})
    add_test(NAME ${name}.${test} COMMAND ${name}_tests --source-file=*/${stem}.cpp --no-intro)
  endforeach()
endfunction()
