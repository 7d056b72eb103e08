// Checking a plugin's static tables before anything in them is used.
#include "core/plugin/layout.hpp"

#include <cctype>
#include <set>

#include "core/plugin/operators.hpp"

namespace lathe {
namespace {

class Checker {
 public:
  std::vector<std::string> defects;

  void say(std::string sentence) { defects.push_back(std::move(sentence)); }

  // Whether a part can be read at all.
  template <class T>
  bool size(const char* part, const T* table) {
    if (large_enough(table)) return true;
    say(std::string(part) + ": its table is too small: " + std::to_string(table->struct_size) + " bytes, at least " +
        std::to_string(released_size<T>) + " expected");
    return false;
  }
  void need(const std::string& part, const char* function, bool present) {
    if (!present) say(part + ": the function " + function + " is missing");
  }
  void need_text(const std::string& where, const char* field, const char* value) {
    if (!value || !*value) say(where + ": " + field + " is empty");
  }
  // Whether an array of structs can be walked.
  template <class T>
  bool array(const std::string& where, const T* base, size_t count, size_t stride) {
    if (count == 0) return true;
    if (!base) return say(where + ": " + std::to_string(count) + " elements are announced but there is no array"), false;
    if (count > 4096) return say(where + ": " + std::to_string(count) + " elements is beyond reason"), false;
    if (stride < released_size<T> || stride % alignof(T) != 0) {
      return say(where + ": a stride of " + std::to_string(stride) + " bytes is wrong, at least " + std::to_string(released_size<T>) + " expected"),
             false;
    }
    for (size_t i = 0; i < count; ++i) {
      const T* element = LATHE_AT(T, base, stride, i);
      if (!large_enough(element)) return say(where + ": element " + std::to_string(i) + " has a struct_size that is too small"), false;
    }
    return true;
  }
  void options(const std::string& where, const lathe_option* base, size_t count, size_t stride) {
    if (!array(where + ": options", base, count, stride)) return;
    std::set<std::string> names;
    for (size_t i = 0; i < count; ++i) {
      const lathe_option& o = *LATHE_AT(lathe_option, base, stride, i);
      const std::string name = o.name ? o.name : "";
      const std::string option = where + ": option '" + name + "'";
      if (!lower_words(name, '-')) say(option + ": a name is lower case words joined by '-'");
      if (!names.insert(name).second) say(option + " is declared twice");
      if (o.type < LATHE_OPTION_BOOL || o.type > LATHE_OPTION_PATH) say(option + ": its type " + std::to_string(o.type) + " is unknown");
      if (!o.fallback) say(option + " has no default");
      need_text(option, "help", o.help);
      if ((o.type == LATHE_OPTION_CHOICE) != (o.choices && *o.choices)) say(option + ": choices belong to type choice, and to it alone");
    }
  }
  static bool lower_words(const std::string& name, char joint) {
    return !name.empty() && std::all_of(name.begin(), name.end(), [&](unsigned char c) { return std::islower(c) || std::isdigit(c) || c == joint; });
  }
};

template <class T>
const T* part(const lathe_plugin& table, const char* id) {
  return static_cast<const T*>(table.part(id));
}

void check_backend(Checker& c, const lathe_backend* b) {
  if (!c.size("backend/1", b)) return;
  c.need_text("backend/1", "runtime", b->runtime);
  c.need("backend/1", "create", b->create);
  c.need("backend/1", "destroy", b->destroy);
  c.need("backend/1", "claim", b->claim);
  c.need("backend/1", "compile", b->compile);
  if (!b->emits || !*b->emits) c.say("backend/1: emits is empty; the first is what a package holds");
  if (b->device_count == 0) c.say("backend/1: no device is declared");
  c.options("backend/1", b->options, b->option_count, b->option_stride);
  if (!c.array("backend/1: devices", b->devices, b->device_count, b->device_stride)) return;
  for (size_t i = 0; i < b->device_count; ++i) {
    const lathe_device& d = *LATHE_AT(lathe_device, b->devices, b->device_stride, i);
    c.need_text("backend/1: device " + std::to_string(i), "name", d.name);
    if (!d.precisions || !*d.precisions) c.say("backend/1: device " + std::to_string(i) + " declares no precision");
  }
}

void check_passes(Checker& c, const lathe_passes* p) {
  if (!c.size("passes/1", p) || !c.array("passes/1", p->passes, p->pass_count, p->pass_stride)) return;
  for (size_t i = 0; i < p->pass_count; ++i) {
    const lathe_pass& pass = *LATHE_AT(lathe_pass, p->passes, p->pass_stride, i);
    const std::string name = pass.name ? pass.name : "";
    if (!Checker::lower_words(name, '-')) c.say("passes/1: pass '" + name + "': a name is lower case words joined by '-'");
    c.need_text("passes/1: pass '" + name + "'", "help", pass.help);
    c.need("passes/1: pass '" + name + "'", "run", pass.run);
    c.options("passes/1: pass '" + name + "'", pass.options, pass.option_count, pass.option_stride);
  }
}

void check_operator_table(Checker& c, const lathe_operators* t) {
  if (!c.size("operators/1", t) || !c.array("operators/1", t->operators, t->operator_count, t->operator_stride)) return;
  if (t->operator_count == 0) c.say("operators/1: no operator is declared");
  bool whole = true;
  for (size_t i = 0; i < t->operator_count; ++i) {
    const lathe_operator& o = *LATHE_AT(lathe_operator, t->operators, t->operator_stride, i);
    const std::string where = "operators/1: operator '" + std::string(o.name ? o.name : "") + "'";
    whole = c.array(where + ": inputs", o.inputs, o.input_count, o.input_stride) && whole;
    whole = c.array(where + ": outputs", o.outputs, o.output_count, o.output_stride) && whole;
    whole = c.array(where + ": types", o.types, o.type_count, o.type_stride) && whole;
    whole = c.array(where + ": attributes", o.attributes, o.attribute_count, o.attribute_stride) && whole;
  }
  if (whole) check_operators(*t, [&](std::string sentence) { c.say(std::move(sentence)); });
}

}  // namespace

std::vector<std::string> table_defects(const lathe_plugin& table) {
  Checker c;
  if (const auto* f = part<lathe_frontend>(table, "frontend/1"); f && c.size("frontend/1", f)) {
    c.need_text("frontend/1", "format", f->format);
    c.need("frontend/1", "recognise", f->recognise);
    c.need("frontend/1", "create", f->create);
    c.need("frontend/1", "destroy", f->destroy);
    c.need("frontend/1", "import_model", f->import_model);
    c.options("frontend/1", f->options, f->option_count, f->option_stride);
  }
  if (const auto* b = part<lathe_backend>(table, "backend/1")) check_backend(c, b);
  if (const auto* e = part<lathe_executor>(table, "executor/1"); e && c.size("executor/1", e)) {
    c.need("executor/1", "recognise", e->recognise);
    c.need("executor/1", "load", e->load);
    c.need("executor/1", "unload", e->unload);
    c.need("executor/1", "describe", e->describe);
    c.need("executor/1", "run", e->run);
  }
  if (const auto* t = part<lathe_tensors>(table, "tensors/1"); t && c.size("tensors/1", t)) {
    if (!t->extensions || !*t->extensions) c.say("tensors/1: it names no extension");
    c.need("tensors/1", "recognise", t->recognise);
    c.need("tensors/1", "read", t->read);
  }
  if (const auto* i = part<lathe_inspector>(table, "inspector/1"); i && c.size("inspector/1", i)) {
    c.need("inspector/1", "recognise", i->recognise);
    c.need("inspector/1", "inspect", i->inspect);
  }
  if (const auto* p = part<lathe_passes>(table, "passes/1")) check_passes(c, p);
  if (const auto* o = part<lathe_operators>(table, "operators/1")) check_operator_table(c, o);
  if (table.part("lathe.no-such-part/1")) c.say("part() answers an id that it cannot know");
  return c.defects;
}

}  // namespace lathe
