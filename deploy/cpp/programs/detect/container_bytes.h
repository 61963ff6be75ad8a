/// Reading a file at any place.
#pragma once

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <stdexcept>
#include <string>

namespace nanodet {

/// Bytes of a file; those behind its end are missing, and numbers there are an error.
class FileBytes {
public:
    explicit FileBytes(const std::string& path) : file_(path, std::ios::binary) {
        file_.seekg(0, std::ios::end);
        const std::streamoff end = file_.tellg();
        size_ = end < 0 ? 0 : std::uint64_t(end);
    }

    std::uint64_t size() const { return size_; }

    std::string at(std::uint64_t place, std::size_t count) {
        if (place >= size_) return {};
        std::string data(std::size_t(std::min<std::uint64_t>(count, size_ - place)), '\0');
        file_.clear();
        file_.seekg(std::streamoff(place));
        file_.read(data.data(), std::streamsize(data.size()));
        data.resize(std::size_t(file_.gcount()));
        return data;
    }

private:
    std::ifstream file_;
    std::uint64_t size_ = 0;
};

/// Returns a number of some bytes of a text, the most significant one first.
///
/// @throws std::out_of_range  the text is too short
inline std::uint64_t big_endian(const std::string& data, std::size_t at, std::size_t bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i)
        value = value << 8 | static_cast<unsigned char>(data.at(at + i));
    return value;
}

/// The same with the least significant byte first.
inline std::uint64_t little_endian(const std::string& data, std::size_t at, std::size_t bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = bytes; i-- > 0;)
        value = value << 8 | static_cast<unsigned char>(data.at(at + i));
    return value;
}

}  // namespace nanodet
