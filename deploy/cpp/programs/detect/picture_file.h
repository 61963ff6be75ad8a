/// Reads one image file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nanodet/picture.h"

namespace nanodet {

/// An image with its memory.
struct LoadedPicture {
    std::vector<std::uint8_t> pixels;
    int width = 0, height = 0;
    PixelFormat format = PixelFormat::bgr;

    Picture view() const {
        return {pixels.data(), width, height, std::ptrdiff_t(width) * bytes_of(format), format};
    }
};

/// Whether this build reads files with such an ending (lower case, with its dot).
bool is_picture_suffix(const std::string& suffix);

/// Reads an image, turned as its EXIF orientation says, in 8 bits.
///
/// @throws Error  missing, empty, truncated or not an image
LoadedPicture read_picture(const std::string& path);

/// Whether a JPEG or PNG lacks its end; decoders fill the rest with grey.
bool is_cut_off(const std::string& data);

}  // namespace nanodet
