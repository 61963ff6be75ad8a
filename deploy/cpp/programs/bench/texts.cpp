#include "texts.h"

#include <cctype>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <sstream>

namespace nanodet::bench {

std::string format(const char* form, ...) {
    std::va_list values;
    va_start(values, form);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized)  it was started the line before
    const int length = std::vsnprintf(nullptr, 0, form, values);
    va_end(values);
    std::string text(length > 0 ? std::size_t(length) : 0, '\0');
    va_start(values, form);
    std::vsnprintf(text.data(), text.size() + 1, form, values);
    va_end(values);
    return text;
}

double round_to(double value, int decimals) {
    return std::strtod(format("%.*f", decimals, value).c_str(), nullptr);
}

std::string strip(const std::string& text, const std::string& characters) {
    const auto first = text.find_first_not_of(characters);
    if (first == std::string::npos) return "";
    return text.substr(first, text.find_last_not_of(characters) - first + 1);
}

std::vector<std::string> split(const std::string& text, const std::string& separator) {
    std::vector<std::string> parts;
    std::size_t start = 0;
    while (true) {
        const auto end = text.find(separator, start);
        parts.push_back(text.substr(start, end - start));
        if (end == std::string::npos) return parts;
        start = end + separator.size();
    }
}

std::vector<std::string> words_of(const std::string& text) {
    std::istringstream stream(text);
    std::vector<std::string> words;
    for (std::string word; stream >> word;) words.push_back(word);
    return words;
}

std::string join(const std::vector<std::string>& parts, const std::string& separator) {
    std::string text;
    for (std::size_t i = 0; i < parts.size(); ++i) text += (i ? separator : "") + parts[i];
    return text;
}

std::optional<int> whole_number(const std::string& text, std::size_t digits) {
    if (text.empty() || text.size() > digits) return std::nullopt;
    if (text.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
    return std::atoi(text.c_str());
}

std::optional<double> decimal_number(const std::string& text) {
    if (text.empty() || text.find_first_not_of("0123456789+-.eE") != std::string::npos)
        return std::nullopt;
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (*end != '\0' || !std::isfinite(value)) return std::nullopt;
    return value;
}

std::optional<long> hexadecimal(const std::string& text) {
    char* end = nullptr;
    const long value = std::strtol(text.c_str(), &end, 16);
    if (text.empty() || *end != '\0') return std::nullopt;
    return value;
}

std::string shell_line(const std::vector<std::string>& words) {
    std::vector<std::string> quoted;
    for (const std::string& word : words) {
        bool plain = !word.empty();
        for (const char letter : word) {
            const auto code = static_cast<unsigned char>(letter);
            const bool known = std::string("@%+=:,./-_").find(letter) != std::string::npos;
            plain = plain && code < 128 && (std::isalnum(code) || known);
        }
        quoted.push_back(plain ? word : "'" + join(split(word, "'"), "'\"'\"'") + "'");
    }
    return join(quoted, " ");
}

std::string count_threads(int threads) {
    return std::to_string(threads) + (threads == 1 ? " thread" : " threads");
}

}  // namespace nanodet::bench
