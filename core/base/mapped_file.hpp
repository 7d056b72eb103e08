// Whole files as bytes in memory, without copying them.
#pragma once
#include <string>

#include "core/ir/tensor.hpp"

namespace lathe {

// Maps a regular file read-only and private; `file` of the result is its absolute path. An empty file gives size 0. The mapping lives as
// long as a copy of the result's owner. A file that shrinks while it is mapped ends the process with SIGBUS, as with every mapping: the
// worker that maps models is a process of its own for that reason too.
// Throws Error(failed): absent, not readable, a folder or device.
Bytes map_file(const std::string& path);

}  // namespace lathe
