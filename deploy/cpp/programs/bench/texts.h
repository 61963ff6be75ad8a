/// Small work on texts and numbers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "split.h"

namespace nanodet::bench {

/// Formats as printf does.
__attribute__((format(printf, 1, 2))) std::string format(const char* form, ...);

/// Rounds to so many decimals, as the decimal number that is nearest.
double round_to(double value, int decimals);

/// Returns the number that a text as a whole is, in decimal form; no infinity.
std::optional<double> decimal_number(const std::string& text);

/// Returns the number that a text as a whole is in base 16, with or without ``0x``.
std::optional<long> hexadecimal(const std::string& text);

/// Returns a command line that a shell splits into these words again.
std::string shell_line(const std::vector<std::string>& words);

/// Returns ``1 thread``, ``2 threads`` and so on.
std::string count_threads(int threads);

}  // namespace nanodet::bench
