/// From an image to the tensor that the network takes.
#pragma once

#include <array>
#include <vector>

#include "nanodet/fit.h"
#include "nanodet/picture.h"
#include "nanodet/spec.h"

namespace nanodet {

/// Fits and normalises images. Keeps its memory: images of one size allocate only once.
class Preprocessor {
public:
    /// @param spec  gives colour order, mean and std
    /// @param fit, size  how images are fitted, and into what
    Preprocessor(const Spec& spec, Fit fit, Size size);

    /// Bilinear at ``x_picture = (x_network - shift) / ratio``, `fill_level` outside, to whole grey levels,
    /// then ``(value - mean) / std``. With Fit::own the padding is zero after that.
    ///
    /// @returns where the image lies; `tensor` holds 3 x canvas.height x canvas.width floats
    /// @throws Error  see check(const Picture&)
    const Placement& run(const Picture& picture);

    /// The planes that the last `run` wrote, in the input's colour order.
    const std::vector<float>& tensor() const { return tensor_; }

private:
    /// The two image pixels (or rows) that one network pixel lies between.
    struct Tap {
        std::ptrdiff_t first = 0, second = 0;  // offsets in bytes
        float part = 0;                        // of the way from the first to the second
    };

    static void fill_taps(std::vector<Tap>& taps, int count, int length, double ratio, double shift,
                          std::ptrdiff_t step);
    void prepare(const Picture& picture);
    const float* row_of(const Picture& picture, std::ptrdiff_t offset, int slot);

    Fit fit_;
    Size size_, picture_size_;
    PixelFormat format_ = PixelFormat::bgr;
    std::ptrdiff_t stride_ = 0;
    bool rgb_;
    std::array<float, 3> mean_, scale_;
    Placement placement_;
    std::vector<Tap> columns_, rows_;
    std::array<std::vector<float>, 2> lines_;            // two resampled rows of the image
    std::array<std::ptrdiff_t, 2> line_offsets_{};  // and which they are
    std::vector<float> outside_;                    // a row outside of the image
    std::vector<float> tensor_;
};

}  // namespace nanodet
