/// Frames of phone cameras: YUV 4:2:0 to BGR, turned upright on the way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "nanodet/picture.h"

namespace nanodet {

/// A frame as Android's camera2 gives it (YUV_420_888): full-range BT.601 (JFIF), chroma at half
/// width and height. Covers NV12, NV21 and I420.
struct Yuv420 {
    const std::uint8_t *y = nullptr, *u = nullptr, *v = nullptr;
    int width = 0, height = 0;                                    ///< pixels, of the luma plane
    std::ptrdiff_t y_stride = 0, u_stride = 0, v_stride = 0;      ///< bytes from row to row
    std::ptrdiff_t u_step = 1, v_step = 1;                        ///< bytes from value to value
};

/// Converts a frame.
///
/// @param turn  degrees clockwise to turn it upright: 0, 90, 180 or 270
/// @param bgr   memory that is grown as needed and holds the pixels
/// @returns a view of ``bgr``; for 90 and 270 its sides are swapped
/// @throws Error  a frame without pixels, or another turn
Picture to_bgr(const Yuv420& frame, int turn, std::vector<std::uint8_t>& bgr);

}  // namespace nanodet
