#include "printable.h"

#include <array>
#include <cstdint>
#include <cstdio>

namespace nanodet {

namespace {

/// Returns how many bytes the UTF-8 letter at a place has, and the letter; 0 where there is none.
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

/// Whether a letter is a control character, ends a line, or changes the order of what follows.
bool steers(std::uint32_t letter) {
    return letter < 0x20 || (letter >= 0x7F && letter < 0xA0) ||
           (letter >= 0x2028 && letter <= 0x202E) || (letter >= 0x2066 && letter <= 0x2069);
}

std::string escape(const char* form, std::uint32_t code) {
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), form, unsigned(code));
    return text.data();
}

}  // namespace

std::string printable(const std::string& text) {
    std::string shown;
    std::uint32_t letter = 0;
    for (std::size_t at = 0, length = 0; at < text.size(); at += length == 0 ? 1 : length) {
        length = letter_at(text, at, letter);
        if (length == 0) {
            shown += escape("\\udc%02x", static_cast<unsigned char>(text[at]));
        } else if (!steers(letter)) {
            shown.append(text, at, length);
        } else if (letter == '\t' || letter == '\n' || letter == '\r') {
            shown += letter == '\t' ? "\\t" : letter == '\n' ? "\\n" : "\\r";
        } else {
            shown += escape(letter < 0x100 ? "\\x%02x" : "\\u%04x", letter);
        }
    }
    return shown;
}

std::string printable_json(const std::string& json) {
    std::string shown;
    std::uint32_t letter = 0;
    for (std::size_t at = 0, length = 0; at < json.size(); at += length == 0 ? 1 : length) {
        length = letter_at(json, at, letter);
        // within texts JSON itself escapes those below 0x20; elsewhere they are its blanks
        if (length > 0 && letter >= 0x20 && steers(letter))
            shown += escape("\\u%04x", letter);
        else
            shown.append(json, at, length == 0 ? 1 : length);
    }
    return shown;
}

}  // namespace nanodet
