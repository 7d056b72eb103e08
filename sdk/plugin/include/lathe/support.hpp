// lathe/support.hpp - what every part of a plugin needs: strings, reports, the guard, settings. Include lathe/plugin.hpp.
//
// Everything in the C++ headers of the SDK is compiled INTO the plugin with hidden visibility: no C++ type crosses to the host.
// C++17; works without RTTI.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "lathe/plugin.h"

#define LATHE_SDK_STRING_(x) #x
#define LATHE_SDK_STRING(x) LATHE_SDK_STRING_(x)
#if defined(__SANITIZE_ADDRESS__)
#define LATHE_BUILD_SANITIZER "address"
#elif defined(__SANITIZE_THREAD__)
#define LATHE_BUILD_SANITIZER "thread"
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LATHE_BUILD_SANITIZER "address"
#elif __has_feature(thread_sanitizer)
#define LATHE_BUILD_SANITIZER "thread"
#elif __has_feature(memory_sanitizer)
#define LATHE_BUILD_SANITIZER "memory"
#endif
#endif
#ifndef LATHE_BUILD_SANITIZER
#define LATHE_BUILD_SANITIZER "none"
#endif
#if defined(__clang__)
#define LATHE_BUILD_COMPILER "clang " __clang_version__
#else
#define LATHE_BUILD_COMPILER "g++ " __VERSION__
#endif
#if defined(_LIBCPP_VERSION)
#define LATHE_BUILD_LIBRARY "libc++ " LATHE_SDK_STRING(_LIBCPP_VERSION)
#elif defined(_GLIBCXX_USE_CXX11_ABI)
#define LATHE_BUILD_LIBRARY "libstdc++ " LATHE_SDK_STRING(__GLIBCXX__) ", cxx11 strings " LATHE_SDK_STRING(_GLIBCXX_USE_CXX11_ABI)
#else
#define LATHE_BUILD_LIBRARY "unknown"
#endif
// "compiler; C++ library; sanitizer": the host refuses a plugin whose sanitizer is not its own, because it would crash far from the cause.
#define LATHE_BUILD LATHE_BUILD_COMPILER "; " LATHE_BUILD_LIBRARY "; " LATHE_BUILD_SANITIZER

namespace lathe::sdk {

inline lathe_string string(std::string_view s) { return {s.data(), s.size()}; }
inline std::string_view view(lathe_string s) { return s.size ? std::string_view(s.data, s.size) : std::string_view(); }
inline std::string_view view(const char* s) { return s ? std::string_view(s) : std::string_view(); }

// A borrowed array. (std::span, for plugins that are written in C++17.)
template <class T>
class Span {
 public:
  using element_type = T;
  using value_type = std::remove_cv_t<T>;
  constexpr Span() = default;
  constexpr Span(T* data, size_t size) : data_(data), size_(size) {}
  template <class Container, class = decltype(std::declval<Container&>().data())>
  constexpr Span(Container& container) : data_(container.data()), size_(container.size()) {}
  constexpr T* data() const { return data_; }
  constexpr size_t size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  constexpr T* begin() const { return data_; }
  constexpr T* end() const { return data_ + size_; }
  constexpr T& operator[](size_t index) const { return data_[index]; }
  std::vector<value_type> copy() const { return std::vector<value_type>(begin(), end()); }

 private:
  T* data_ = nullptr;
  size_t size_ = 0;
};

// One thing to tell the person; see lathe_diagnostic for what each part means. Only `text` is required.
struct Diagnostic {
  std::string text;
  std::string node, op_type, location, expected, found, hint;
  int32_t severity = LATHE_ERROR;
};

// A plugin's own failure, thrown from anywhere below a part's functions; the guard turns it into reports and its code.
// Without a diagnostic it means: already reported.
class Failure : public std::exception {
 public:
  explicit Failure(lathe_code code) : code(code) {}
  Failure(lathe_code code, Diagnostic diagnostic) : code(code) { diagnostics.push_back(std::move(diagnostic)); }
  Failure(lathe_code code, std::string text, std::string hint = {}) : code(code) {
    diagnostics.emplace_back();
    diagnostics.back().text = std::move(text);
    diagnostics.back().hint = std::move(hint);
  }
  Failure(lathe_code code, std::vector<Diagnostic> all) : code(code), diagnostics(std::move(all)) {}
  const char* what() const noexcept override { return diagnostics.empty() ? "already reported" : diagnostics.front().text.c_str(); }

  lathe_code code;
  std::vector<Diagnostic> diagnostics;
};

// Passes on a code that one of the host's functions returned; the host has reported why.
inline void require(lathe_code code) {
  if (code != LATHE_OK) throw Failure(code);
}

// The host's services. Copyable; lives as long as the part that was given it. Every function may be called from any thread.
class Host {
 public:
  Host(const lathe_host* host) : host_(host) {}  // NOLINT: the C table and this are one thing
  const lathe_host* get() const { return host_; }

  void report(const Diagnostic& d) const noexcept {
    const lathe_diagnostic c = {sizeof(lathe_diagnostic), d.severity,         string(d.text),  string(d.node), string(d.op_type),
                                string(d.location),       string(d.expected), string(d.found), string(d.hint)};
    if (host_ && LATHE_HAS(host_, lathe_host, report)) host_->report(host_->context, &c);
  }
  void report(std::string_view text, int32_t severity = LATHE_ERROR) const noexcept {
    lathe_diagnostic c = {};
    c.struct_size = sizeof c;
    c.severity = severity;
    c.text = string(text);
    if (host_ && LATHE_HAS(host_, lathe_host, report)) host_->report(host_->context, &c);
  }
  void warn(std::string_view text) const noexcept { report(text, LATHE_WARNING); }
  void note(std::string_view text) const noexcept { report(text, LATHE_NOTE); }
  void log(std::string_view text) const noexcept {
    if (host_ && LATHE_HAS(host_, lathe_host, log)) host_->log(host_->context, string(text));
  }
  void progress(std::string_view what, double fraction = -1) const noexcept {
    if (host_ && LATHE_HAS(host_, lathe_host, progress)) host_->progress(host_->context, string(what), fraction);
  }
  bool cancelled() const noexcept { return host_ && LATHE_HAS(host_, lathe_host, cancelled) && host_->cancelled(host_->context) != 0; }
  // Leaves the plugin's function with LATHE_CANCELLED once the person interrupted.
  void check_cancelled() const {
    if (cancelled()) throw Failure(LATHE_CANCELLED);
  }
  const void* service(const char* id) const noexcept {
    return host_ && LATHE_HAS(host_, lathe_host, service) ? host_->service(host_->context, id) : nullptr;
  }
  // Absolute path of the plugin's library, and of the folder where its data files lie.
  std::string plugin_path() const { return host_ && LATHE_HAS(host_, lathe_host, plugin_path) ? host_->plugin_path : ""; }
  std::string plugin_directory() const {
    const std::string path = plugin_path();
    const size_t slash = path.rfind('/');
    return slash == std::string::npos ? "." : path.substr(0, slash);
  }
  unsigned threads() const { return host_ && LATHE_HAS(host_, lathe_host, threads) ? host_->threads : 1; }

 private:
  const lathe_host* host_;
};

// Runs `function` and lets no exception out: each becomes a report and a code. `function` returns void or a lathe_code.
template <class Function>
lathe_code guard(const Host& host, Function&& function) noexcept {
  try {
    if constexpr (std::is_void_v<decltype(function())>) {
      function();
      return LATHE_OK;
    } else {
      return function();
    }
  } catch (const Failure& failure) {
    for (const Diagnostic& diagnostic : failure.diagnostics) host.report(diagnostic);
    return failure.code;
  } catch (const std::bad_alloc&) {
    host.report("the plugin ran out of memory");
    return LATHE_BUDGET;
  } catch (const std::exception& exception) {
    host.report(exception.what());
    return LATHE_INTERNAL;
  } catch (...) {
    host.report("the plugin threw something that is no std::exception");
    return LATHE_INTERNAL;
  }
}

// Option values as the host resolved and checked them; every declared option is there.
class Settings {
 public:
  Settings() = default;
  Settings(const lathe_setting* settings, size_t count) : settings_(settings), count_(count) {}
  std::string_view text(std::string_view name) const { return view(find(name).value); }
  bool flag(std::string_view name) const { return text(name) == "true"; }
  int64_t integer(std::string_view name) const { return std::strtoll(std::string(text(name)).c_str(), nullptr, 10); }
  double real(std::string_view name) const { return std::strtod(std::string(text(name)).c_str(), nullptr); }
  // Whether the person set it, rather than the default.
  bool given(std::string_view name) const { return find(name).given != 0; }
  size_t size() const { return count_; }
  const lathe_setting& operator[](size_t index) const { return settings_[index]; }

 private:
  const lathe_setting& find(std::string_view name) const {
    for (size_t i = 0; i < count_; ++i)
      if (view(settings_[i].name) == name) return settings_[i];
    throw Failure(LATHE_INTERNAL, "the option '" + std::string(name) + "' was asked for but is not declared");
  }
  const lathe_setting* settings_ = nullptr;
  size_t count_ = 0;
};

// The first bytes of a file that a part is asked to recognise.
struct FileHead {
  const unsigned char* bytes = nullptr;
  size_t size = 0;  // at most 4096
  uint64_t file_size = 0;
  std::string_view path;

  bool begins_with(std::string_view magic) const {
    return size >= magic.size() && std::string_view(reinterpret_cast<const char*>(bytes), magic.size()) == magic;
  }
  // Compares the end of the path without regard to case; `extension` is lower case without dot.
  bool has_extension(std::string_view extension) const {
    if (path.size() <= extension.size() || path[path.size() - extension.size() - 1] != '.') return false;
    for (size_t i = 0; i < extension.size(); ++i) {
      const char c = path[path.size() - extension.size() + i];
      if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c) != extension[i]) return false;
    }
    return true;
  }
};

}  // namespace lathe::sdk
