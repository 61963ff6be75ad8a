#include "nanodet/picture.h"

#include <cstdlib>
#include <string>

#include "nanodet/error.h"

namespace nanodet {

int bytes_of(PixelFormat format) {
    switch (format) {
        case PixelFormat::gray: return 1;
        case PixelFormat::bgr:
        case PixelFormat::rgb: return 3;
        case PixelFormat::bgra:
        case PixelFormat::rgba: return 4;
    }
    throw Error("picture: this pixel format is not known");
}

void check(const Picture& picture) {
    const std::ptrdiff_t row = std::ptrdiff_t(picture.width) * bytes_of(picture.format);
    if (picture.data == nullptr || picture.width < 1 || picture.height < 1)
        throw Error("picture: has no pixels (" + std::to_string(picture.width) + " x " +
                    std::to_string(picture.height) + ")");
    if (picture.stride < row)
        throw Error("picture: its row stride is " + std::to_string(picture.stride) +
                    " bytes, less than the " + std::to_string(row) + " of a row");
}

}  // namespace nanodet
