/// What the header of an image file tells of its pixels; as nanodet/images/header.py has it.
#pragma once

#include <optional>
#include <string>

namespace nanodet {

struct PictureHeader {
    int orientation = 1;             ///< 1 to 8 as in EXIF: how to turn the stored pixels
    std::optional<int> white = 255;  ///< the largest value; nothing where 16 bits may not all be used
};

/// Reads the header of an image's bytes; never fails.
PictureHeader read_picture_header(const std::string& data);

}  // namespace nanodet
