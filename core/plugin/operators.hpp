// operators/1: what plugins bring of operators joins the core's own, and models that use it find the plugin.
#pragma once
#include "core/plugin/layout.hpp"
#include "core/plugin/plugins.hpp"

namespace lathe {

// Makes the operators of a loaded plugin known. Throws Error(unsupported) when another plugin brought one of them. Nothing for a plugin without
// the part.
void bring_operators(Plugin& plugin);

// Loads the plugins whose manifests name a domain of a node that is not known (subgraphs included), and puts the graphs in place of the nodes
// of operators that are known by their decomposition.
void load_operators_of(Plugins& plugins, Graph& graph);

// The sentences of table_defects() about operators/1.
void check_operators(const lathe_operators& table, const std::function<void(std::string)>& say);

// What a backend gets for LATHE_OPERATOR_KERNELS_SERVICE.
const lathe_operator_kernels& operator_kernels_service();

}  // namespace lathe
