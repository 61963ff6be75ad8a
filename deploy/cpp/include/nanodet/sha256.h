/// SHA-256 of files (FIPS 180-4).
#pragma once

#include <cstddef>
#include <string>

namespace nanodet {

/// Returns the digest of some bytes as 64 hexadecimal digits.
std::string sha256(const void* data, std::size_t size);

/// Returns the digest of a file.
///
/// @throws Error  it cannot be read
std::string sha256_of_file(const std::string& path);

}  // namespace nanodet
