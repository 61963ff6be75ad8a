/// Taking texts apart.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace nanodet {

/// Returns the text without some characters at both ends.
std::string strip(const std::string& text, const std::string& characters = " \t\r\n\f\v");

/// Returns the parts between the separators; at least one.
std::vector<std::string> split(const std::string& text, const std::string& separator);

/// Returns the words between blanks.
std::vector<std::string> words_of(const std::string& text);

std::string join(const std::vector<std::string>& parts, const std::string& separator);

/// Returns the whole number that a text of decimal digits alone is, at most `digits` of them.
std::optional<int> whole_number(const std::string& text, std::size_t digits = 9);

}  // namespace nanodet
