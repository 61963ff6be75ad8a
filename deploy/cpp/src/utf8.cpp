#include "utf8.h"

#include <array>

namespace nanodet {

std::size_t letter_at(const std::string& text, std::size_t at, std::uint32_t& letter) {
    const auto byte = [&](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const std::uint32_t first = byte(at);
    if (first < 0x80) {
        letter = first;
        return 1;
    }
    const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    letter = first & (0xFFU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(at + i) & 0xC0) != 0x80) return 0;
        letter = letter << 6 | (byte(at + i) & 0x3F);
    }
    constexpr std::array<std::uint32_t, 5> least = {0, 0, 0x80, 0x800, 0x10000};
    const bool surrogate = letter >= 0xD800 && letter < 0xE000;
    return first < 0xC2 || first > 0xF4 || letter < least[length] || letter > 0x10FFFF || surrogate
               ? 0
               : length;
}

bool is_utf8(const std::string& bytes) {
    std::uint32_t letter = 0;
    for (std::size_t at = 0; at < bytes.size();) {
        const std::size_t length = letter_at(bytes, at, letter);
        if (length == 0) return false;
        at += length;
    }
    return true;
}

}  // namespace nanodet
