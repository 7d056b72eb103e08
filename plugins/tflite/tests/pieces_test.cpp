// The small pieces: orders of axes, halves, tables, names, archives, the Edge TPU's log.
#include <doctest/doctest.h>

#include <cmath>

#include "../edgetpu.hpp"
#include "../half.hpp"
#include "../metadata.hpp"
#include "../operators.hpp"
#include "../order.hpp"
#include "sample.hpp"

using namespace lathe::tflite;

TEST_CASE("a reshape carries the order of axes through where no element has to move") {
  CHECK(through_reshape({1, 144, 80, 80}, {0, 2, 3, 1}, {1, 144, 6400}) == Order{0, 2, 1});
  CHECK(through_reshape({1, 64, 8400}, {0, 2, 1}, {1, 4, 16, 8400}) == Order{0, 3, 1, 2});
  CHECK(through_reshape({1, 576, 1, 1}, {0, 2, 3, 1}, {1, 576}) == Order{0, 1});
  CHECK(through_reshape({2, 3, 4}, {0, 1, 2}, {6, 4}) == Order{0, 1});
  CHECK(!through_reshape({2, 3, 4, 5}, {0, 2, 3, 1}, {2, 60}));  // channels would have to move
  CHECK(!through_reshape({6}, {0}, {4}));
}

TEST_CASE("orders compose, invert and permute") {
  CHECK(channels_last(4) == Order{0, 2, 3, 1});
  CHECK(inverse(channels_last(4)) == channels_first(4));
  CHECK(compose(channels_last(4), channels_first(4)) == identity(4));
  CHECK(permute({1, 2, 3, 4}, channels_last(4)) == Extents{1, 3, 4, 2});
  CHECK(same_sequence({1, 3, 1, 1}, identity(4), channels_last(4)));
  CHECK(!same_sequence({1, 3, 2, 1}, identity(4), channels_last(4)));
}

TEST_CASE("halves round to the nearest even, and every half comes back") {
  CHECK(to_half(1.0f) == 0x3c00);
  CHECK(to_half(65520.0f) == 0x7c00);
  CHECK(to_half(65519.0f) == 0x7bff);
  CHECK(to_half(1.0f + 0x1p-11f) == 0x3c00);
  CHECK(to_half(1.0f + 3 * 0x1p-11f) == 0x3c02);
  CHECK(to_half(0x1p-25f) == 0);
  CHECK(to_half(-0x1p-24f) == 0x8001);
  for (uint32_t h = 0; h < 0x10000; ++h) {
    const float f = from_half(static_cast<uint16_t>(h));
    if (!std::isnan(f)) CHECK(to_half(f) == h);
  }
}

TEST_CASE("the table of operators is sorted, and every option's field has a place of its own") {
  int32_t last = -1;
  for (int32_t code = 0; code < 200; ++code) {
    const OperatorInfo* info = find_operator(code);
    if (!info) continue;
    CHECK(info->code > last);
    last = info->code;
    CHECK(find_operator(info->name) == info);
    uint32_t taken = 0;
    for (const OptionField& field : info->options.fields) {
      if (field.kind == FieldKind::none) continue;
      CHECK((taken >> field.slot & 1) == 0);
      taken |= 1u << field.slot;
    }
  }
  CHECK(last == 150);
}

TEST_CASE("versions are the lowest that serve") {
  Subgraph graph = test::sample().subgraphs[0];
  CHECK(lowest_version(graph, graph.operators[0]) == 3);  // int8
  CHECK(lowest_version(graph, graph.operators[4]) == 1);
  graph.operators[2].inputs.pop_back();
  CHECK(lowest_version(graph, graph.operators[2]) == 6);  // without bias
}

TEST_CASE("class names are found in what exporters write") {
  CHECK(parse_names("{0: 'person', 1: \"traffic light\"}") == std::vector<std::string>{"person", "traffic light"});
  CHECK(parse_names("{\"0\": \"a\", \"1\": \"b\"}") == std::vector<std::string>{"a", "b"});
  CHECK(parse_names("['x', 'y']") == std::vector<std::string>{"x", "y"});
}

TEST_CASE("an archive behind a model is read back") {
  const std::string model(100, 'm');
  const auto files = read_archive(model + write_archive({{"metadata.json", "{\"task\": \"detect\"}"}, {"labels.txt", "cat\ndog\n"}}, model.size()));
  REQUIRE(files.size() == 2);
  CHECK(files[1].second == "cat\ndog\n");
  const auto properties = read_properties(model + write_archive({{"metadata.json", "{\"task\": \"detect\"}"}}, model.size()));
  CHECK(properties.at("task") == "detect");
  CHECK(read_archive(model).empty());
}

TEST_CASE("the Edge TPU Compiler's table says what stays on the processor") {
  const std::vector<std::string> lines = {"Model compiled successfully in 11 ms.",
                                          "Off-chip memory used for streaming uncached model parameters: 1.50MiB",
                                          "Operator                       Count      Status",
                                          "",
                                          "CONV_2D                        14         Mapped to Edge TPU",
                                          "LOGISTIC                       2          More than one subgraph is not supported"};
  const EdgetpuLog log = read_edgetpu_log(lines);
  REQUIRE(log.rows.size() == 2);
  CHECK(log.rows[0].mapped());
  CHECK(log.left() == 2);
  CHECK(log.streamed == "1.50MiB");
}
