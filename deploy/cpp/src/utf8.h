/// Letters in UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace nanodet {

/// Returns how many bytes the UTF-8 letter at a place has, and the letter; 0 where there is none.
std::size_t letter_at(const std::string& text, std::size_t at, std::uint32_t& letter);

/// Tells whether bytes are UTF-8: no surrogates, no overlong forms.
bool is_utf8(const std::string& bytes);

}  // namespace nanodet
