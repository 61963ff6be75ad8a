#include "nanodet/yuv.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "nanodet/error.h"

namespace nanodet {

namespace {

std::uint8_t clamped(int value) {
    return static_cast<std::uint8_t>(std::clamp(value, 0, 255));
}

/// What chroma adds to luma, in 1/65536 grey levels and with the half that rounds (JFIF 1.02).
struct Chroma {
    int blue, green, red;
};

Chroma chroma_of(int u, int v) {
    constexpr int half = 1 << 15;
    u -= 128;
    v -= 128;
    return {116130 * u + half, -22554 * u - 46802 * v + half, 91881 * v + half};
}

}  // namespace

Picture to_bgr(const Yuv420& frame, int turn, std::vector<std::uint8_t>& bgr) {
    if (!frame.y || !frame.u || !frame.v || frame.width < 1 || frame.height < 1)
        throw Error("frame: has no pixels");
    if (turn != 0 && turn != 90 && turn != 180 && turn != 270)
        throw Error("turn: must be 0, 90, 180 or 270 degrees, not " + std::to_string(turn));
    const bool across = turn == 90 || turn == 270;
    const int width = across ? frame.height : frame.width;
    const int height = across ? frame.width : frame.height;
    const std::ptrdiff_t row = std::ptrdiff_t(width) * 3;
    bgr.resize(std::size_t(row) * std::size_t(height));
    // where the frame's first pixel goes, and the steps to its right and lower neighbours
    const std::ptrdiff_t last_row = (height - 1) * row, last = row - 3;
    const std::ptrdiff_t start = turn == 0     ? 0
                                 : turn == 90  ? last
                                 : turn == 180 ? last_row + last
                                               : last_row;
    const std::ptrdiff_t right = turn == 0 ? 3 : turn == 90 ? row : turn == 180 ? -3 : -row;
    const std::ptrdiff_t down = turn == 0 ? row : turn == 90 ? -3 : turn == 180 ? -row : 3;
    for (int y = 0; y < frame.height; ++y) {
        const std::uint8_t* luma = frame.y + y * frame.y_stride;
        const std::uint8_t* u = frame.u + y / 2 * frame.u_stride;
        const std::uint8_t* v = frame.v + y / 2 * frame.v_stride;
        std::ptrdiff_t to = start + y * down;
        for (int x = 0; x < frame.width; ++x, to += right) {
            const Chroma chroma = chroma_of(u[x / 2 * frame.u_step], v[x / 2 * frame.v_step]);
            const int grey = luma[x] * 65536;
            std::uint8_t* pixel = bgr.data() + to;
            pixel[0] = clamped((grey + chroma.blue) >> 16);
            pixel[1] = clamped((grey + chroma.green) >> 16);
            pixel[2] = clamped((grey + chroma.red) >> 16);
        }
    }
    return {bgr.data(), width, height, row, PixelFormat::bgr};
}

}  // namespace nanodet
