/// Binary PPM images (P6): raw pixels with a header, which need no decoder.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nanodet/picture.h"

namespace nanodet {

/// An RGB image with its memory.
struct PpmPicture {
    std::vector<std::uint8_t> pixels;
    int width = 0, height = 0;

    Picture view() const {
        return {pixels.data(), width, height, std::ptrdiff_t(width) * 3, PixelFormat::rgb};
    }
};

/// Reads an image of 8 bits per channel.
///
/// @throws Error  it cannot be read, has another form, or is truncated
PpmPicture read_ppm(const std::string& path);

}  // namespace nanodet
