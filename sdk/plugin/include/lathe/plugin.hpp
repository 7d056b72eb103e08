// lathe/plugin.hpp - all that a plugin written in C++ includes. Header-only; links nothing; compiled INTO the plugin.
//
//   #include <lathe/plugin.hpp>
//   namespace sdk = lathe::sdk;
//   class Mine { ... };                                    // see parts.hpp for the members of each kind of part
//   LATHE_PLUGIN("mine", "1.0.0", "Acme", "What it is for, in a sentence.", sdk::BackendPart<Mine>, ...)
//
// support.hpp: reports, failures, settings   view.hpp: reading a graph   builder.hpp: making and changing one   parts.hpp: the tables
#pragma once
#include "lathe/builder.hpp"
#include "lathe/parts.hpp"
#include "lathe/plugin.h"
#include "lathe/support.hpp"
#include "lathe/view.hpp"

// Defines the one exported symbol. NAME is the file's name without extension; the rest is the list of part types.
#define LATHE_PLUGIN(NAME, VERSION, VENDOR, DESCRIPTION, ...)                                            \
  extern "C" LATHE_EXPORT const lathe_plugin* lathe_plugin_query(uint32_t host_abi_major, const void*) { \
    static const lathe_plugin table = {sizeof(lathe_plugin),                                             \
                                       LATHE_ABI_MAJOR,                                                  \
                                       LATHE_ABI_MINOR,                                                  \
                                       0,                                                                \
                                       NAME,                                                             \
                                       VERSION,                                                          \
                                       VENDOR,                                                           \
                                       DESCRIPTION,                                                      \
                                       LATHE_BUILD,                                                      \
                                       &::lathe::sdk::find_part<__VA_ARGS__>};                           \
    return host_abi_major == LATHE_ABI_MAJOR ? &table : nullptr;                                         \
  }
