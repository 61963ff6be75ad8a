/// Text of strangers on a terminal: names, and what devices say, may hold what steers it.
#pragma once

#include <string>

namespace nanodet {

/// Returns a text as one line that is only shown, as nanodet/text/printable.py does: what would
/// steer a terminal becomes ``\x1b``, bytes that are no UTF-8 become ``\udce9``. Letters of all scripts
/// stay as they are.
std::string printable(const std::string& text);

/// Returns JSON that can be shown: letters as they are, what steers escaped.
std::string printable_json(const std::string& json);

}  // namespace nanodet
