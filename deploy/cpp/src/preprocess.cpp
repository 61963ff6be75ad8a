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

/// Mixes two resampled rows of one channel, rounds to grey levels and normalises.
void finish_row(const float* first, const float* second, float first_weight, float second_weight,
                float mean, float scale, int count, float* out) {
    for (int x = 0; x < count; ++x) {
        const float grey = first[x] * first_weight + second[x] * second_weight;
        out[x] = (static_cast<float>(static_cast<int>(grey + 0.5F)) - mean) * scale;
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
    line_offsets_ = {-1, -1};  // the same memory may hold another picture now
    for (int y = 0; y < height; ++y) {
        const Tap& tap = rows_[std::size_t(y)];
        // a row of weight 0 may lie outside of the picture: the other one stands in for it
        const std::ptrdiff_t above = tap.first_weight > 0 ? tap.first : tap.second;
        const std::ptrdiff_t below = tap.second_weight > 0 ? tap.second : above;
        const float* first = row_of(picture, above, below == line_offsets_[0] ? 1 : 0);
        const float* second = row_of(picture, below, first == lines_[0].data() ? 1 : 0);
        for (std::size_t c = 0; c < 3; ++c) {
            float* out = tensor_.data() + c * plane +
                         std::size_t(y) * std::size_t(placement_.canvas.width);
            const std::ptrdiff_t from = std::ptrdiff_t(c) * width;
            finish_row(first + from, second + from, tap.first_weight, tap.second_weight, mean_[c],
                       scale_[c], width, out);
        }
    }
    return placement_;
}

/// Works out, for pictures of another size or form than the last, where they lie.
void Preprocessor::prepare(const Picture& picture) {
    const Size size{picture.width, picture.height};
    if (size == picture_size_ && picture.format == format_ && picture.stride == stride_) return;
    placement_ = place(fit_, size, size_);
    const int width = placement_.content.width;
    fill_taps(columns_, width, size.width, placement_.ratio_x, placement_.shift_x,
              bytes_of(picture.format));
    fill_taps(rows_, placement_.content.height, size.height, placement_.ratio_y, placement_.shift_y,
              picture.stride);
    for (auto& line : lines_) line.assign(3 * std::size_t(width), 0.0F);
    // also the padding of Fit::own, which nothing else writes
    tensor_.assign(3 * std::size_t(placement_.canvas.width) *
                       std::size_t(placement_.canvas.height), 0.0F);
    picture_size_ = size;
    format_ = picture.format;
    stride_ = picture.stride;
}

/// @param count   network pixels along the axis
/// @param length  picture pixels along it
/// @param step    bytes from picture pixel to picture pixel
void Preprocessor::fill_taps(std::vector<Tap>& taps, int count, int length, double ratio,
                             double shift, std::ptrdiff_t step) {
    taps.resize(std::size_t(count));
    for (int i = 0; i < count; ++i) {
        const double at = (i - shift) / ratio;
        // beyond the pixels on both sides all is black, however far
        const double before = std::clamp(std::floor(at), -2.0, double(length) + 1);
        const double part = std::clamp(at - before, 0.0, 1.0);
        const auto first = static_cast<std::ptrdiff_t>(before);
        const auto offset = [&](std::ptrdiff_t pixel) {
            return std::clamp<std::ptrdiff_t>(pixel, 0, length - 1) * step;
        };
        const auto inside = [&](std::ptrdiff_t pixel) { return pixel >= 0 && pixel < length; };
        Tap& tap = taps[std::size_t(i)];
        tap.first = offset(first);
        tap.second = offset(first + 1);
        tap.first_weight = inside(first) ? static_cast<float>(1 - part) : 0.0F;
        tap.second_weight = inside(first + 1) ? static_cast<float>(part) : 0.0F;
    }
}

/// Returns a row of the picture resampled along x, three planes of content.width in the input's
/// colour order.
///
/// @param offset  bytes from the picture's first row to it
/// @param slot    which of the two lines to overwrite if neither holds it
const float* Preprocessor::row_of(const Picture& picture, std::ptrdiff_t offset, int slot) {
    for (std::size_t i = 0; i < 2; ++i)
        if (line_offsets_[i] == offset) return lines_[i].data();
    std::array<int, 3> channels = channels_of(picture.format);
    if (rgb_) std::swap(channels[0], channels[2]);
    const std::uint8_t* row = picture.data + offset;
    const std::size_t width = columns_.size();
    float* line = lines_[std::size_t(slot)].data();
    for (std::size_t x = 0; x < width; ++x) {
        const Tap& tap = columns_[x];
        const std::uint8_t *first = row + tap.first, *second = row + tap.second;
        for (std::size_t c = 0; c < 3; ++c)
            line[c * width + x] = float(first[channels[c]]) * tap.first_weight +
                                  float(second[channels[c]]) * tap.second_weight;
    }
    line_offsets_[std::size_t(slot)] = offset;
    return line;
}

}  // namespace nanodet
