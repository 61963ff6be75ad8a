#include "nanodet/preprocess.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace nanodet {

namespace {

/// Byte of blue, green and red in a pixel.
std::array<int, 3> channels_of(PixelFormat format) {
    switch (format) {
        case PixelFormat::bgr:
        case PixelFormat::bgra: return {0, 1, 2};
        case PixelFormat::rgb:
        case PixelFormat::rgba: return {2, 1, 0};
        case PixelFormat::gray: break;
    }
    return {0, 0, 0};
}

constexpr std::ptrdiff_t outside = -1;  // offset of pixels and rows outside of the image
constexpr std::ptrdiff_t unknown = -2;  // offset of a line that holds no row yet

// between 2^23 and 2^24 floats are whole numbers: adding it rounds, halves to the even neighbour as
// OpenCV does, and unlike std::nearbyint it is vectorised on every CPU
constexpr float to_whole = 8388608.0F;

/// Mixes two resampled rows of one channel, rounds to grey levels and normalises.
void finish_row(const float* first, const float* second, float part, float mean, float scale,
                int count, float* out) {
    for (int x = 0; x < count; ++x) {
        const float grey = first[x] + part * (second[x] - first[x]);
        out[x] = (((grey + to_whole) - to_whole) - mean) * scale;
    }
}

}  // namespace

Preprocessor::Preprocessor(const Spec& spec, Fit fit, Size size)
    : fit_(fit), size_(size), rgb_(spec.rgb), mean_(spec.mean), scale_() {
    for (std::size_t c = 0; c < 3; ++c) scale_[c] = 1.0F / spec.std[c];
}

const Placement& Preprocessor::run(const Picture& picture) {
    check(picture);
    prepare(picture);
    const int width = placement_.content.width, height = placement_.content.height;
    const std::size_t plane = std::size_t(placement_.canvas.width) *
                              std::size_t(placement_.canvas.height);
    line_offsets_ = {unknown, unknown};  // the same memory may hold another image now
    for (int y = 0; y < height; ++y) {
        const Tap& tap = rows_[std::size_t(y)];
        const float* first = row_of(picture, tap.first, tap.second == line_offsets_[0] ? 1 : 0);
        const float* second = first;
        if (tap.part > 0) second = row_of(picture, tap.second, first == lines_[0].data() ? 1 : 0);
        for (std::size_t c = 0; c < 3; ++c) {
            float* out = tensor_.data() + c * plane +
                         std::size_t(y) * std::size_t(placement_.canvas.width);
            const std::ptrdiff_t from = std::ptrdiff_t(c) * width;
            finish_row(first + from, second + from, tap.part, mean_[c], scale_[c], width, out);
        }
    }
    return placement_;
}

/// Works out, for images of another size or form than the last, where they lie.
void Preprocessor::prepare(const Picture& picture) {
    const Size size{picture.width, picture.height};
    if (size == picture_size_ && picture.format == format_ && picture.stride == stride_) return;
    placement_ = place(fit_, size, size_);
    const int width = placement_.content.width;
    fill_taps(columns_, width, size.width, placement_.ratio_x, placement_.shift_x,
              bytes_of(picture.format));
    fill_taps(rows_, placement_.content.height, size.height, placement_.ratio_y, placement_.shift_y,
              picture.stride);
    for (auto& line : lines_) line.resize(3 * std::size_t(width));
    outside_.assign(3 * std::size_t(width), fill_level);
    // also the padding of Fit::own, which nothing else writes
    tensor_.assign(3 * std::size_t(placement_.canvas.width) *
                       std::size_t(placement_.canvas.height), 0.0F);
    picture_size_ = size;
    format_ = picture.format;
    stride_ = picture.stride;
}

/// Calculates in float and in this order, without fusing, as OpenCV 5 does: so that halves of grey
/// levels are rounded alike.
///
/// @param count   network pixels along the axis
/// @param length  image pixels along it
/// @param step    bytes from image pixel to image pixel
void Preprocessor::fill_taps(std::vector<Tap>& taps, int count, int length, double ratio,
                             double shift, std::ptrdiff_t step) {
    taps.resize(std::size_t(count));
    const auto inverse = static_cast<float>(1 / ratio);
    const auto start = static_cast<float>(-shift / ratio);
    for (int i = 0; i < count; ++i) {
        const float at = float(i) * inverse + start;
        // beyond the pixels on both sides all is filled, however far
        const float before = std::clamp(std::floor(at), -2.0F, float(length) + 1);
        const auto first = static_cast<std::ptrdiff_t>(before);
        const auto offset = [&](std::ptrdiff_t pixel) {
            return pixel >= 0 && pixel < length ? pixel * step : outside;
        };
        taps[std::size_t(i)] = {offset(first), offset(first + 1),
                                std::clamp(at - before, 0.0F, 1.0F)};
    }
}

/// Returns a row of the image resampled along x, three planes of content.width in the input's
/// colour order.
///
/// @param offset  bytes from the image's first row to it
/// @param slot    which of the two lines to overwrite if neither holds it
const float* Preprocessor::row_of(const Picture& picture, std::ptrdiff_t offset, int slot) {
    if (offset == outside) return outside_.data();
    for (std::size_t i = 0; i < 2; ++i)
        if (line_offsets_[i] == offset) return lines_[i].data();
    std::array<int, 3> channels = channels_of(picture.format);
    if (rgb_) std::swap(channels[0], channels[2]);
    const std::uint8_t* row = picture.data + offset;
    const std::size_t width = columns_.size();
    float* line = lines_[std::size_t(slot)].data();
    for (std::size_t x = 0; x < width; ++x) {
        const Tap& tap = columns_[x];
        // for a pixel outside, read any other and multiply it by 0
        const float first_inside = tap.first == outside ? 0.0F : 1.0F;
        const float second_inside = tap.second == outside ? 0.0F : 1.0F;
        const float first_fill = fill_level * (1 - first_inside);
        const float second_fill = fill_level * (1 - second_inside);
        const std::uint8_t* first = tap.first == outside ? row : row + tap.first;
        const std::uint8_t* second = tap.second == outside ? row : row + tap.second;
        for (std::size_t c = 0; c < 3; ++c) {
            const float left = float(first[channels[c]]) * first_inside + first_fill;
            const float right = float(second[channels[c]]) * second_inside + second_fill;
            line[c * width + x] = left + tap.part * (right - left);
        }
    }
    line_offsets_[std::size_t(slot)] = offset;
    return line;
}

}  // namespace nanodet
