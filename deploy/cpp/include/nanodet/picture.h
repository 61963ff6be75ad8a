/// An image in somebody else's memory.
#pragma once

#include <cstddef>
#include <cstdint>

namespace nanodet {

/// Order of the bytes of a pixel; ``gray`` has one byte, ``bgra`` and ``rgba`` four, the last unused.
enum class PixelFormat { bgr, rgb, bgra, rgba, gray };

/// A view; the pixels must live as long as it is used.
struct Picture {
    const std::uint8_t* data = nullptr;  ///< the first byte of the top row
    int width = 0, height = 0;           ///< pixels
    std::ptrdiff_t stride = 0;           ///< bytes from row to row; at least width * bytes per pixel
    PixelFormat format = PixelFormat::bgr;
};

/// Bytes per pixel.
int bytes_of(PixelFormat format);

/// @throws Error  unless the image has pixels and its rows do not overlap
void check(const Picture& picture);

}  // namespace nanodet
