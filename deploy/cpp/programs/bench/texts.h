/// Small work on texts and numbers.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace nanodet::bench {

/// Formats as printf does.
__attribute__((format(printf, 1, 2))) std::string format(const char* form, ...);

/// Rounds to so many decimals, as the decimal number that is nearest.
double round_to(double value, int decimals);

/// Returns the text without some characters at both ends.
std::string strip(const std::string& text, const std::string& characters = " \t\r\n\f\v");

/// Returns the parts between the separators; at least one.
std::vector<std::string> split(const std::string& text, const std::string& separator);

/// Returns the words between blanks.
std::vector<std::string> words_of(const std::string& text);

std::string join(const std::vector<std::string>& parts, const std::string& separator);

/// Returns the whole number that a text of decimal digits alone is, at most `digits` of them.
std::optional<int> whole_number(const std::string& text, std::size_t digits = 9);

/// Returns the number that a text as a whole is, in decimal form; no infinity.
std::optional<double> decimal_number(const std::string& text);

/// Returns the number that a text as a whole is in base 16, with or without ``0x``.
std::optional<long> hexadecimal(const std::string& text);

/// Returns a command line that a shell splits into these words again.
std::string shell_line(const std::vector<std::string>& words);

/// Returns ``1 thread``, ``2 threads`` and so on.
std::string count_threads(int threads);

}  // namespace nanodet::bench
