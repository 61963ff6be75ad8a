#include <algorithm>
#include <cmath>
#include <cstdint>
#include <set>

#include "ncnn_rules.h"

namespace nanodet {

namespace {

std::int64_t divide_up(std::int64_t value, std::int64_t by) {
    return (value + by - 1) / by;
}

/// Sides of a convolution of any kind: of rows, then of columns; pads before and behind.
struct Sides {
    std::int64_t outputs, groups;
    int kernel[2], strides[2], dilations[2], before[2], behind[2];

    explicit Sides(const Step& step)
        : outputs(step.whole(0)), groups(step.layer.kind.find("DepthWise") == std::string::npos
                                             ? 1
                                             : step.whole(7, 1)),
          kernel{step.whole(11, step.whole(1)), step.whole(1)},
          strides{step.whole(13, step.whole(3, 1)), step.whole(3, 1)},
          dilations{step.whole(12, step.whole(2, 1)), step.whole(2, 1)},
          before{step.whole(14, step.whole(4)), step.whole(4)},
          behind{step.whole(16, before[0]), step.whole(15, before[1])} {
        const std::int64_t channels = step.map()[0];
        if (groups < 1 || channels % groups || outputs % groups)
            step.fail(std::to_string(groups) + " groups do not divide " + std::to_string(channels) +
                      " channels");
        // divided instead of multiplied: the product may be larger than any number
        std::int64_t left = step.whole(6);
        bool fits = true;
        for (const std::int64_t factor :
             {outputs, channels / groups, std::int64_t(kernel[0]), std::int64_t(kernel[1])}) {
            fits = fits && factor > 0 && left % factor == 0;
            if (fits) left /= factor;
        }
        if (!fits || left != 1)
            step.fail(std::to_string(step.whole(6)) + " weights do not fit its " +
                      std::to_string(channels) + " input channels");
    }
};

std::int64_t side_after(const Step& step, std::int64_t side, int kernel, int stride, int dilation,
                        int before, int behind) {
    if (before < 0 || behind < 0) {  // a rule: the output has ceil(input / stride) columns
        return divide_up(side, stride);
    }
    const std::int64_t left = side + before + behind - std::int64_t(dilation) * (kernel - 1) - 1;
    if (left < 0) step.refuse();
    return left / stride + 1;
}

Shapes convolution(const Step& step) {
    const Sides sides(step);
    std::set<int> rules;
    for (const int i : {0, 1}) rules.insert({std::min(sides.before[i], 0), std::min(sides.behind[i], 0)});
    if (rules.size() > 1) step.fail("some of its pads are counts, some a rule");
    Shape made = {sides.outputs};
    for (const int i : {0, 1})
        made.push_back(side_after(step, step.map()[std::size_t(i) + 1], sides.kernel[i],
                                  sides.strides[i], sides.dilations[i], sides.before[i],
                                  sides.behind[i]));
    return {made};
}

Shapes deconvolution(const Step& step) {
    const Sides sides(step);
    const int more[] = {step.whole(19, step.whole(18)), step.whole(18)};
    Shape made = {sides.outputs};
    for (const int i : {0, 1})
        made.push_back((step.map()[std::size_t(i) + 1] - 1) * sides.strides[i] +
                       std::int64_t(sides.dilations[i]) * (sides.kernel[i] - 1) + 1 + more[i] -
                       sides.before[i] - sides.behind[i]);
    return {made};
}

Shapes pooling(const Step& step) {
    const Shape& map = step.map();
    if (step.whole(4)) return {{map[0]}};
    if (step.whole(7)) {
        const int columns = step.whole(8), rows = step.whole(18, columns);
        return {{map[0], rows == unset ? map[1] : rows, columns == unset ? map[2] : columns}};
    }
    const int kernel_w = step.whole(1), kernel_h = step.whole(11, kernel_w);
    const int stride_w = step.whole(2, 1), stride_h = step.whole(12, stride_w);
    const int left = step.whole(3), top = step.whole(13, left);
    const int pad_h = top + step.whole(15, top), pad_w = left + step.whole(14, left);
    const int mode = step.whole(5);
    const bool same = mode == 2 || mode == 3;
    const auto fits = [](std::int64_t side, int kernel, int pad) {
        return 0 < kernel && kernel <= side + pad;
    };
    const bool is_none = std::min(kernel_h, kernel_w) < 1;
    if (is_none || (!same && (!fits(map[1], kernel_h, pad_h) || !fits(map[2], kernel_w, pad_w))))
        step.fail("its kernel is larger than " + text_of(step.given));
    const auto side = [&](std::int64_t side, int kernel, int stride, int pad) {
        if (same) return divide_up(side, stride);
        const std::int64_t rest = side + pad - kernel;
        return (mode == 0 ? divide_up(rest, stride) : rest / stride) + 1;
    };
    return {{map[0], side(map[1], kernel_h, stride_h, pad_h),
             side(map[2], kernel_w, stride_w, pad_w)}};
}

Shapes shuffle(const Step& step) {
    const std::int64_t channels = step.map()[0];
    if (channels % step.whole(0, 1))
        step.fail("cannot shuffle " + std::to_string(channels) + " channels");
    return step.given;
}

Shapes interp(const Step& step) {
    const Shape& map = step.map();
    const int height = step.whole(3), width = step.whole(4);
    const bool fixed = height || width;
    if (step.whole(5) || (fixed && std::min(height, width) < 1))
        step.fail("is made for one input size alone");
    const auto scaled = [&](std::int64_t side, int key) {
        const double scale = step.layer.number(key, 1);
        // quarters are exact in every reader, so that the sides are
        if (scale < 0.25 || scale > 16 || std::floor(4 * scale) != 4 * scale)
            step.fail("cannot scale by " + *step.layer.find(key));
        return std::int64_t(double(side) * scale);
    };
    const std::int64_t rows = fixed ? height : scaled(map[1], 1);
    const std::int64_t columns = fixed ? width : scaled(map[2], 2);
    const bool bilinear = step.whole(0) == 2 && (rows != map[1] || columns != map[2]);
    // it takes a place and the next one; of one alone, the one before it, which is another's memory
    if (bilinear && (std::min(map[1], map[2]) < 2 ||
                     (step.whole(6) != 0 && std::min(rows, columns) < 2)))
        step.fail("ncnn cannot interpolate between fewer than two rows or columns: " +
                  text_of(step.given));
    return {{map[0], rows, columns}};
}

Shapes pixel_shuffle(const Step& step) {
    const Shape& map = step.map();
    const std::int64_t factor = step.whole(0, 1), area = factor * factor;
    if (map[0] % area) step.refuse();
    return {{map[0] / area, map[1] * factor, map[2] * factor}};
}

Shapes reorg(const Step& step) {
    const Shape& map = step.map();
    const std::int64_t stride = step.whole(0, 1);
    if (map[1] % stride || map[2] % stride) step.refuse();
    return {{map[0] * stride * stride, map[1] / stride, map[2] / stride}};
}

Shapes padding(const Step& step) {
    Shape made = step.map();
    const int keys[] = {7, 0, 2};
    for (std::size_t i = 0; i < 3; ++i) {
        const int before = step.whole(keys[i]), behind = step.whole(keys[i] + 1);
        // a reflection takes the values beside the edge
        if (step.whole(4) == 2 && std::max(before, behind) >= made[i]) step.refuse();
        made[i] += before + behind;
    }
    if (step.whole(6) != 0 && step.whole(6) != made[0]) step.refuse();
    return {made};
}

}  // namespace

bool is_grouped(const NcnnLayer& layer) {
    if (layer.kind != "ConvolutionDepthWise" && layer.kind != "DeconvolutionDepthWise") return false;
    const std::int64_t outputs = layer.whole(0), kernel_w = layer.whole(1);
    const std::int64_t kernel_h = layer.whole(11, int(kernel_w));
    const bool alone = layer.whole(7, 1) == outputs && layer.whole(6) == outputs * kernel_w * kernel_h;
    return !alone;
}

const Rules map_rules = {
    {"Convolution", convolution},
    {"ConvolutionDepthWise", convolution},
    {"Deconvolution", deconvolution},
    {"DeconvolutionDepthWise", deconvolution},
    {"Pooling", pooling},
    {"ShuffleChannel", shuffle},
    {"Interp", interp},
    {"PixelShuffle", pixel_shuffle},
    {"Reorg", reorg},
    {"Padding", padding},
};

}  // namespace nanodet
