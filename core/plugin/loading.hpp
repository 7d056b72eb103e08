// Opening a plugin's library: every check before its tables are used, and the host's services it is given.
#pragma once
#include "core/plugin/manifest.hpp"
#include "core/plugin/plugins.hpp"

namespace lathe {

// Opens the library of `manifest`, checks symbol, versions, sizes, build and agreement with the manifest, and wraps it. Throws
// Error(unsupported) with one diagnostic: path, reason, next step. The library stays mapped and the result alive until the process ends;
// `plugins` serves what it asks of others while it works.
Plugin& load_plugin(const Manifest& manifest, const HostServices& services, Plugins& plugins);

// What create() or load() returned: a plugin that says yes and hands over nothing broke its contract. `self` is a reference because the call
// that sets it is the other argument.
inline lathe_code made(lathe_code code, void* const& self) { return code == LATHE_OK && !self ? lathe_code{LATHE_INTERNAL} : code; }

// Reports a diagnostic as if the plugin had: for host functions that are called by a plugin and fail.
void report_through(const lathe_host& host, const Diagnostic& diagnostic);
// Runs `body` for a callback that a plugin called: exceptions become reports and a code.
lathe_code run_callback(const lathe_host& host, const std::function<void()>& body) noexcept;

}  // namespace lathe
