/// The one exception of this library.
#pragma once

#include <stdexcept>

namespace nanodet {

/// Bad input: a file, a key, an image or a model. ``what()`` is one line that names it.
class Error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

}  // namespace nanodet
