// The process-wide list behind added_operators.hpp. It only grows, so what was found stays valid; any thread may ask.
#include "core/ops/added_operators.hpp"

#include <map>
#include <mutex>
#include <shared_mutex>

namespace lathe {
namespace {

struct Added {
  std::shared_mutex mutex;
  std::vector<std::shared_ptr<const AddedOperator>> list;
  std::map<std::pair<std::string, std::string>, std::shared_ptr<const AddedOperator>, std::less<>> by_name;
};
Added& added() {
  static Added& all = *new Added;  // never destroyed: plugins' threads may outlive main()
  return all;
}
std::pair<std::string, std::string> key(std::string_view domain, std::string_view name) { return {std::string(domain), std::string(name)}; }

}  // namespace

void add_operators(std::vector<std::shared_ptr<const AddedOperator>> operators) {
  Added& all = added();
  const std::unique_lock lock(all.mutex);
  std::vector<std::shared_ptr<const AddedOperator>> fresh;
  for (auto& o : operators) {
    const auto found = all.by_name.find(key(o->op.domain, o->op.name));
    if (found == all.by_name.end()) {
      fresh.push_back(std::move(o));
    } else if (found->second->library != o->library) {
      Diagnostic d;
      d.text = "operator " + std::string(o->op.domain) + "." + std::string(o->op.name) + " is declared by two plugins, '" + found->second->plugin +
               "' and '" + o->plugin + "'";
      d.location = o->library;
      d.hint = "leave one of them out; the other is " + found->second->library;
      throw Error(Code::unsupported, std::move(d));
    }
  }
  for (auto& o : fresh) {
    all.by_name.emplace(key(o->op.domain, o->op.name), o);
    all.list.push_back(std::move(o));
  }
}

std::shared_ptr<const AddedOperator> find_added_operator(std::string_view domain, std::string_view name) {
  Added& all = added();
  const std::shared_lock lock(all.mutex);
  const auto found = all.by_name.find(key(domain, name));
  return found == all.by_name.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<const AddedOperator>> added_operators() {
  Added& all = added();
  const std::shared_lock lock(all.mutex);
  return all.list;
}

}  // namespace lathe
