// What a file that is named .pt really is, when it is no checkpoint: one sentence each.
#pragma once
#include <string>
#include <string_view>

#include "zip_file.hpp"

namespace lathe::ultralytics {

// Returns `bytes` when they begin as the zip form of torch.save does. Throws sdk::Failure otherwise, saying what the file is.
std::string_view expect_zip(std::string_view bytes, const std::string& path);

// Throws sdk::Failure: a zip file without a checkpoint's pickle; says what it holds.
[[noreturn]] void refuse_zip_without_pickle(const ZipFile& zip, const std::string& path);

}  // namespace lathe::ultralytics
