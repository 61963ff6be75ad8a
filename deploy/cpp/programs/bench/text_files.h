/// Files of the kernel, and files that are written whole or not at all.
#pragma once

#include <optional>
#include <string>

namespace nanodet::bench {

/// Returns the text of a file in sysfs or procfs, without NULs and blanks at its ends; nothing
/// where it cannot be read or is empty.
std::optional<std::string> read_text(const std::string& path);

/// Returns the number in a file, times `unit`.
std::optional<double> read_number(const std::string& path, double unit = 1.0);

/// @throws Error  unless a file could be written there
void check_writable(const std::string& path);

/// Writes beside the path under another name, which then takes its place.
///
/// @throws Error  it cannot be written; the path is as it was
void write_text(const std::string& path, const std::string& text);

}  // namespace nanodet::bench
