/// ncnn's options: what is set of them, and what is reported.
#pragma once

#include <option.h>

#include <string>
#include <utility>
#include <vector>

#include "nanodet/backend.h"
#include "ncnn_graph.h"

namespace nanodet {

/// Sets the options of a network that has no model yet.
///
/// @throws Error  a precision that this CPU does not have
void set_options(ncnn::Option& opt, const BackendOptions& options);

/// @throws Error  a graph with layers that read beyond their memory in that precision
void check_precision(const NcnnGraph& graph, Precision precision, const std::string& path);

/// Returns the options in effect, name and value as JSON.
std::vector<std::pair<std::string, std::string>> options_of(const ncnn::Option& opt);

/// Returns ``ncnn`` and its version.
std::string ncnn_engine();

}  // namespace nanodet
