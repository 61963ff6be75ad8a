/// The result as JSON; docs/bench.md says what is in it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "json.h"
#include "measured.h"

namespace nanodet::bench {

constexpr int report_format = 1;

/// Returns the JSON of one entry.
///
/// @param reference  the one that it is compared with
/// @param cores, runs  what the user asked for, for the call of benchncnn
/// @throws Error  one of its files can no longer be read
Json result_of(const Measured& one, const Measured& reference, const std::string& cores, int runs);

/// Returns the call of ncnn's own ``benchncnn`` that times the same network.
std::string benchncnn_call(const std::string& path, int width, int height, int threads,
                           const std::string& cores, int runs);

/// Returns the lines that are printed of a report.
std::vector<std::string> format_tables(const Json& report);

}  // namespace nanodet::bench
