/// Reading files whole.
#pragma once

#include <cstdint>
#include <string>

namespace nanodet {

bool is_file(const std::string& path);

/// Tells whether a path leads to what is there and neither a file nor a folder: a device, a pipe or a
/// socket, of which reading may never end.
bool is_special(const std::string& path);

/// Returns the bytes of a file.
///
/// @throws Error  it cannot be read, is no regular file, or has more than `most` bytes; ``what`` names its kind, such as
///   ``this spec``
std::string read_file(const std::string& path, const std::string& what,
                      std::uintmax_t most = 1U << 30);

/// Returns the path with another ending in the place of its last one.
std::string with_suffix(const std::string& path, const std::string& suffix);

/// Returns the ending from the last dot on, in lower case; empty where there is none.
std::string suffix_of(const std::string& path);

/// Returns the part behind the last folder.
std::string file_name(const std::string& path);

}  // namespace nanodet
