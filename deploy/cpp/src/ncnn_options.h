/// ncnn's options: what is set of them, and what is told.
#pragma once

#include <option.h>

#include <string>
#include <utility>
#include <vector>

#include "nanodet/backend.h"

namespace nanodet {

/// Sets the options of a network that has no model yet.
///
/// @throws Error  a precision that this CPU does not have
void set_options(ncnn::Option& opt, const BackendOptions& options);

/// Returns the options in effect, name and value as JSON.
std::vector<std::pair<std::string, std::string>> options_of(const ncnn::Option& opt);

/// Returns ``ncnn`` and its version.
std::string ncnn_engine();

}  // namespace nanodet
