// lathe/texts.hpp - the small texts of a plugin that drives a tool: files of text, sizes for sentences, numbers among its options. Link
// Lathe::toolchain.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lathe/plugin.hpp"

namespace lathe::sdk {

// Both throw Failure(LATHE_FAILED) that names the file; `hint` says what to do where it cannot be read.
void write_text_file(const std::string& path, std::string_view text);
std::string read_text_file(const std::string& path, const std::string& hint = {});

// ASCII letters alone.
std::string lower_case(std::string_view text);
// "1x3x640x640"; "a scalar" for no dimensions.
std::string shape_text(const std::vector<int64_t>& shape);

// An option's number. Throws Failure(LATHE_USAGE) unless it lies in lowest..highest.
int64_t integer_between(const Settings& settings, const char* name, int64_t lowest, int64_t highest);

}  // namespace lathe::sdk
