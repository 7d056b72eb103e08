// `lathe plugin new`: a copy of one of the templates under share/lathe/template, under a name of its own.
#pragma once
#include <string>
#include <vector>

namespace lathe {

// Writes the files of template `kind` (backend, frontend, operator, pass, tool) into `directory`, which must not exist or be empty, with the
// template's name replaced by `name` in contents and file names. Returns the files written. Throws Error(usage) for an unknown kind, a name that is
// no plugin name or a folder with files in it; Error(failed) when something cannot be read or written.
std::vector<std::string> write_template(const std::string& kind, const std::string& name, const std::string& directory, const std::string& share);

}  // namespace lathe
