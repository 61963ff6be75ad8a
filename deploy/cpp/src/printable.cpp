#include "printable.h"

#include <array>
#include <cstdint>
#include <cstdio>

#include "utf8.h"

namespace nanodet {

namespace {

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
