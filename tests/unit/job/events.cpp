// Events survive the pipe, and what is no event is seen as such. The job document survives likewise.
#include "core/job/events.hpp"

#include <doctest/doctest.h>

#include "core/job/job.hpp"

using namespace lathe;

TEST_CASE("events survive the pipe") {
  for (Event::Kind kind :
       {Event::Kind::stage, Event::Kind::progress, Event::Kind::diagnostic, Event::Kind::dump, Event::Kind::log, Event::Kind::result}) {
    Event event;
    event.kind = kind, event.text = "line one\nline \"two\"", event.plugin = "p", event.fraction = 0.5;
    event.diagnostic = {Severity::warning, "text", "node", "Conv", "here", "this", "that", "do"};
    std::string line = to_line(event);
    CHECK(line.find('\n') == line.size() - 1);
    std::optional<Event> back = parse_event(line);
    REQUIRE(back);
    CHECK(back->kind == kind);
    CHECK(back->text == event.text);
    CHECK(back->plugin == "p");
    if (kind == Event::Kind::progress) CHECK(back->fraction == 0.5);
    if (kind == Event::Kind::diagnostic) CHECK(back->diagnostic.sentence() == event.diagnostic.sentence());
  }
}

TEST_CASE("text that is no UTF-8 does not stop an event") {
  Event event;
  event.text = "\xff\xfe";
  CHECK(parse_event(to_line(event)));
}

TEST_CASE("what is no event is seen as such") {
  for (const char* line :
       {"", "hello", "{}", "[]", "{\"event\": \"nothing\"}", "{\"event\": 3}", "{\"event\": \"diagnostic\"}", "{\"event\": \"stage\", \"text\": 4}"})
    CHECK_FALSE(parse_event(line));
}

TEST_CASE("the job document survives, and a broken one is refused") {
  Job job;
  job.model = {"abc", "/m.onnx"};
  job.targets = "a,b:c -x=y", job.shapes = {{"x", {1, -1}}}, job.options = {{"p.k", "v"}, {"p.k", "w"}}, job.dump_after = {"all"},
  job.verify_each = true, job.pipeline = "pipeline: []";
  Job back = parse_job(to_json_text(job));
  CHECK(to_json_text(back) == to_json_text(job));
  CHECK(back.shapes == job.shapes);
  CHECK(back.options == job.options);
  for (const char* text : {"", "{}", "[1]", "{\"model\": 3}"}) CHECK_THROWS_AS(parse_job(text), Error);
}
