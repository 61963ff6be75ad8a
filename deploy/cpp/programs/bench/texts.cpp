#include "texts.h"

#include <cctype>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

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
