/// Files that appear when they are whole.
#pragma once

#include <string>

namespace nanodet {

/// Returns a name beside ``path`` with the same ending that no other process writes to.
std::string temporary_beside(const std::string& path);

/// Gives a finished file its name.
///
/// @throws Error  it cannot be renamed
void move_into_place(const std::string& temporary, const std::string& path);

/// Returns the file behind a link, which stays one; else the path itself.
std::string behind_link(const std::string& path);

/// Writes bytes to a file, whole or not at all.
///
/// @throws Error  it cannot be written
void write_whole(const std::string& path, const void* bytes, std::size_t size);

}  // namespace nanodet
