#include "ncnn_shapes.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <set>

#include "nanodet/error.h"
#include "ncnn_parameters.h"
#include "split.h"

namespace nanodet {

namespace {

using Shapes = std::vector<Shape>;

constexpr double most_bytes = 2147483648.0;  // that the blobs alive at one time may take
constexpr int unset = -233;

std::string words_of_shapes(const Shapes& shapes) {
    std::string text;
    for (std::size_t i = 0; i < shapes.size(); ++i)
        text += (i ? ", " : "") + text_of(shapes[i]);
    return text;
}

/// Values of a shape; as a double, since sides that a graph asks for may be of any size.
double count_of(const Shape& shape) {
    return std::accumulate(shape.begin(), shape.end(), 1.0,
                           [](double product, std::int64_t side) { return product * double(side); });
}

double bytes_of(const Shapes& shapes) {
    double bytes = 0;
    for (const Shape& shape : shapes) bytes += 4 * count_of(shape);
    return bytes;
}

std::int64_t divide_up(std::int64_t value, std::int64_t by) {
    return (value + by - 1) / by;
}

/// One layer, and what goes into it.
struct Step {
    const NcnnLayer& layer;
    const Shapes& given;
    std::string where;

    [[noreturn]] void fail(const std::string& what) const { throw Error(where + ": " + what); }

    int whole(int key, int otherwise = 0) const { return layer.whole(key, otherwise); }

    const Shape& map() const {
        if (given.size() != 1 || given[0].size() != 3)
            fail(layer.kind + ": cannot work on " + words_of_shapes(given));
        return given[0];
    }

    std::size_t axis(int axis) const {
        const int dims = int(given[0].size());
        if (axis < -dims || axis >= dims) fail("has no axis " + std::to_string(axis));
        return std::size_t((axis + dims) % dims);
    }
};

std::int64_t side_after(const Step& step, std::int64_t side, int kernel, int stride, int dilation,
                        int before, int behind) {
    if (before < 0 || behind < 0) {  // a rule: the output has ceil(input / stride) columns
        return divide_up(side, stride);
    }
    const std::int64_t left = side + before + behind - std::int64_t(dilation) * (kernel - 1) - 1;
    if (left < 0) step.fail("cannot work on " + words_of_shapes(step.given));
    return left / stride + 1;
}

Shapes convolution(const Step& step) {
    const Shape& map = step.map();
    const int groups = step.layer.kind == "ConvolutionDepthWise" ? step.whole(7, 1) : 1;
    const int outputs = step.whole(0), count = step.whole(6);
    const int kernel_w = step.whole(1), kernel_h = step.whole(11, kernel_w);
    if (groups < 1 || map[0] % groups || outputs % groups)
        step.fail(std::to_string(groups) + " groups do not divide " + std::to_string(map[0]) +
                  " channels");
    // divided instead of multiplied: the product may be larger than any number
    std::int64_t left = count;
    bool fits = outputs > 0 && kernel_w > 0 && kernel_h > 0;
    for (const std::int64_t factor : {std::int64_t(outputs), map[0] / groups,
                                      std::int64_t(kernel_h), std::int64_t(kernel_w)}) {
        if (!fits) break;
        fits = left % factor == 0;
        left /= factor;
    }
    if (!fits || left != 1)
        step.fail(std::to_string(count) + " weights do not fit its " + std::to_string(map[0]) +
                  " input channels");
    const int stride_w = step.whole(3, 1), stride_h = step.whole(13, stride_w);
    const int dilation_w = step.whole(2, 1), dilation_h = step.whole(12, dilation_w);
    const int pad_left = step.whole(4), pad_right = step.whole(15, pad_left);
    const int pad_top = step.whole(14, pad_left), pad_bottom = step.whole(16, pad_top);
    std::set<int> rules;
    for (const int pad : {pad_left, pad_right, pad_top, pad_bottom}) rules.insert(std::min(pad, 0));
    if (rules.size() > 1) step.fail("some of its pads are counts, some a rule");
    return {{outputs,
             side_after(step, map[1], kernel_h, stride_h, dilation_h, pad_top, pad_bottom),
             side_after(step, map[2], kernel_w, stride_w, dilation_w, pad_left, pad_right)}};
}

Shapes pooling(const Step& step) {
    const Shape& map = step.map();
    if (step.whole(4) || step.whole(7)) step.fail("global pooling is not known in a NanoDet");
    const int kernel_w = step.whole(1), kernel_h = step.whole(11, kernel_w);
    const int stride_w = step.whole(2, 1), stride_h = step.whole(12, stride_w);
    const int left = step.whole(3), top = step.whole(13, left);
    const int pad_h = top + step.whole(15, top), pad_w = left + step.whole(14, left);
    const int mode = step.whole(5);
    const bool same = mode == 2 || mode == 3;
    const auto fits = [](std::int64_t side, int kernel, int pad) {
        return 0 < kernel && kernel <= side + pad;
    };
    if (!same && (!fits(map[1], kernel_h, pad_h) || !fits(map[2], kernel_w, pad_w)))
        step.fail("its kernel is larger than " + words_of_shapes(step.given));
    const auto side = [&](std::int64_t side, int kernel, int stride, int pad) {
        if (same) return divide_up(side, stride);
        const std::int64_t rest = side + pad - kernel;
        return (mode == 0 ? divide_up(rest, stride) : rest / stride) + 1;
    };
    return {{map[0], side(map[1], kernel_h, stride_h, pad_h),
             side(map[2], kernel_w, stride_w, pad_w)}};
}

Shapes concat(const Step& step) {
    const std::size_t axis = step.axis(step.whole(0));
    Shape joined = step.given[0];
    joined[axis] = 0;
    for (Shape shape : step.given) {
        if (shape.size() != joined.size()) step.fail("cannot join " + words_of_shapes(step.given));
        joined[axis] += shape[axis];
        shape[axis] = joined[axis];
        if (shape != joined) step.fail("cannot join " + words_of_shapes(step.given));
    }
    return {joined};
}

Shapes slice(const Step& step) {
    const Shape& shape = step.given[0];
    const std::vector<int> sizes = step.layer.wholes(0);
    const std::size_t axis = step.axis(step.whole(1));
    if (sizes.size() != step.layer.outputs.size())
        step.fail("names " + std::to_string(sizes.size()) + " sizes for " +
                  std::to_string(step.layer.outputs.size()) + " outputs");
    Shapes made;
    std::int64_t left = shape[axis];
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        const std::int64_t size =
            sizes[i] == unset ? left / std::int64_t(sizes.size() - i) : sizes[i];
        if (size < 1 || size > left) {
            std::vector<std::string> words;
            for (const int wanted : sizes) words.push_back(std::to_string(wanted));
            step.fail("cannot cut " + std::to_string(shape[axis]) + " into [" + join(words, ", ") +
                      "]");
        }
        left -= size;
        made.push_back(shape);
        made.back()[axis] = size;
    }
    return made;
}

Shapes crop(const Step& step) {
    const auto starts = step.layer.wholes(9), ends = step.layer.wholes(10),
               axes = step.layer.wholes(11);
    if (starts.size() != 1 || ends.size() != 1 || axes.size() != 1)
        step.fail("this form of Crop is not known in a NanoDet");
    Shape shape = step.given[0];
    const std::size_t axis = step.axis(axes[0]);
    if (starts[0] < 0 || starts[0] >= ends[0] || ends[0] > shape[axis])
        step.fail("cannot crop " + std::to_string(starts[0]) + ".." + std::to_string(ends[0]) +
                  " of " + words_of_shapes(step.given));
    shape[axis] = ends[0] - starts[0];
    return {shape};
}

Shapes shuffle(const Step& step) {
    const std::int64_t channels = step.map()[0];
    if (channels % step.whole(0, 1))
        step.fail("cannot shuffle " + std::to_string(channels) + " channels");
    return step.given;
}

Shapes interp(const Step& step) {
    const Shape& map = step.map();
    if (step.whole(3) || step.whole(4) || step.whole(5))
        step.fail("is made for one input size alone");
    const auto scaled = [&](std::int64_t side, int key) {
        const double scale = step.layer.number(key, 1);
        // quarters are exact in every reader, so that the sides are
        if (scale < 0.25 || scale > 16 || std::floor(4 * scale) != 4 * scale)
            step.fail("cannot scale by " + *step.layer.find(key));
        return std::int64_t(double(side) * scale);
    };
    const std::int64_t rows = scaled(map[1], 1), columns = scaled(map[2], 2);
    const bool bilinear = step.whole(0) == 2 && (rows != map[1] || columns != map[2]);
    // it takes a place and the next one; of one alone, the one before it, which is another's memory
    if (bilinear && (std::min(map[1], map[2]) < 2 ||
                     (step.whole(6) != 0 && std::min(rows, columns) < 2)))
        step.fail("ncnn cannot interpolate between fewer than two rows or columns: " +
                  words_of_shapes(step.given));
    return {{map[0], rows, columns}};
}

Shapes binary(const Step& step) {
    for (const Shape& shape : step.given)
        if (shape != step.given[0]) step.fail("cannot combine " + words_of_shapes(step.given));
    return {step.given[0]};
}

Shapes permute(const Step& step) {
    // order types: where in a shape the new sides stand
    static const std::vector<std::vector<int>> maps = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                                       {1, 2, 0}, {2, 0, 1}, {2, 1, 0}},
                                               tables = {{0, 1}, {1, 0}};
    const Shape& shape = step.given[0];
    const auto& orders = shape.size() == 3 ? maps : tables;
    const int order = step.whole(0);
    if (shape.size() < 2 || order < 0 || order >= int(orders.size()))
        step.fail("has no order " + std::to_string(order) + " for " + words_of_shapes(step.given));
    Shape turned;
    for (const int side : orders[std::size_t(order)]) turned.push_back(shape[std::size_t(side)]);
    return {turned};
}

Shapes reshape(const Step& step) {
    Shape sides = {step.whole(2, unset), step.whole(1, unset), step.whole(0, unset)};
    const auto first = std::find_if(sides.begin(), sides.end(),
                                    [](std::int64_t side) { return side != unset; });
    sides.erase(sides.begin(), first);
    const auto open = std::find(sides.begin(), sides.end(), -1);
    const bool known = std::all_of(sides.begin(), sides.end(),
                                   [](std::int64_t side) { return side >= -1 && side != 0; });
    if (sides.empty() || !known || std::count(sides.begin(), sides.end(), -1) > 1)
        step.fail("this form of Reshape is not known in a NanoDet");
    const double total = count_of(step.given[0]);
    if (open != sides.end()) {
        *open = 1;
        *open = std::int64_t(total / count_of(sides));
    }
    if (count_of(sides) != total)
        step.fail("cannot make " + text_of(sides) + " of " + words_of_shapes(step.given));
    return {sides};
}

Shapes same(const Step& step) {
    return step.given;
}

Shapes copies(const Step& step) {
    return Shapes(step.layer.outputs.size(), step.given[0]);
}

Shapes first_ones(const Step& step) {
    const std::size_t count = std::min(step.given.size(), step.layer.outputs.size());
    return {step.given.begin(), step.given.begin() + std::ptrdiff_t(count)};
}

const std::map<std::string, Shapes (*)(const Step&)> rules = {
    {"Convolution", convolution}, {"ConvolutionDepthWise", convolution},
    {"Pooling", pooling},         {"Concat", concat},
    {"Slice", slice},             {"Crop", crop},
    {"Split", copies},            {"Noop", first_ones},
    {"ShuffleChannel", shuffle},  {"Interp", interp},
    {"BinaryOp", binary},         {"Permute", permute},
    {"Reshape", reshape},         {"Sigmoid", same},
    {"ReLU", same},               {"Clip", same},
    {"HardSwish", same},          {"Swish", same},
    {"Mish", same},               {"HardSigmoid", same},
    {"Dropout", same},
};

/// Checks the number of inputs; that of outputs is checked with the shapes.
void check_count(const Step& step) {
    const std::size_t found = step.given.size();
    const bool any = step.layer.kind == "Concat" || step.layer.kind == "Noop";
    const std::size_t wanted = step.layer.kind == "BinaryOp" && !step.whole(1) ? 2 : 1;
    if (any ? found == 0 : found != wanted)
        step.fail(step.layer.kind + " cannot work on " + std::to_string(found) + " inputs");
}

/// Returns the bytes that a convolution may unfold its input to.
double workspace(const Step& step, const Shapes& made) {
    if (step.layer.kind != "Convolution") return 0;
    const double kernel = double(step.whole(1)) * step.whole(11, step.whole(1));
    return 4 * double(step.given[0][0]) * kernel * double(made[0][1]) * double(made[0][2]);
}

/// Keeps book of the blobs that a convolution leaves in int8; few layers can take those.
void follow_int8(const Step& step, std::set<std::string>& blobs) {
    const NcnnLayer& layer = step.layer;
    const bool convolves = layer.kind.rfind("Convolution", 0) == 0;
    const auto taken = std::find_if(layer.inputs.begin(), layer.inputs.end(),
                                    [&](const std::string& blob) { return blobs.count(blob); });
    const bool takes = taken != layer.inputs.end(), splits = layer.kind == "Split";
    if (takes && !splits && !(convolves && step.whole(8)))
        step.fail(layer.kind + " cannot work on " + *taken + ", which is int8");
    if ((convolves && step.whole(8) > 100) || (takes && splits))
        blobs.insert(layer.outputs.begin(), layer.outputs.end());
}

}  // namespace

std::map<std::string, Shape> blob_shapes(const NcnnGraph& graph, const Shape& input,
                                         const std::string& file) {
    std::map<std::string, Shape> shapes;
    std::set<std::string> quantised;
    double alive = 0;
    for (const NcnnLayer& layer : graph.layers) {
        Shapes given;
        for (const std::string& blob : layer.inputs) given.push_back(shapes.at(blob));
        const Step step{layer, given, file + ": layer " + layer.name};
        check_parameters(layer, step.where);
        Shapes made = {input};
        if (layer.kind != "Input") {
            check_count(step);
            made = rules.at(layer.kind)(step);
        }
        const bool fine = made.size() == layer.outputs.size() &&
                          std::all_of(made.begin(), made.end(), [](const Shape& shape) {
                              return std::all_of(shape.begin(), shape.end(),
                                                 [](std::int64_t side) { return side > 0; });
                          });
        if (!fine) step.fail("cannot work on " + words_of_shapes(given));
        const double bytes = bytes_of(made), needed = alive + bytes + workspace(step, made);
        if (needed > most_bytes) {
            const auto tenths = std::to_string(std::llround(std::min(needed / 1e8, 1e15)));
            const std::string padded = tenths.size() < 2 ? "0" + tenths : tenths;
            step.fail("would need " + padded.substr(0, padded.size() - 1) + "." + padded.back() +
                      " GB of memory");
        }
        alive += bytes - bytes_of(given);
        for (std::size_t i = 0; i < made.size(); ++i) shapes[layer.outputs[i]] = made[i];
        follow_int8(step, quantised);
    }
    for (const std::string& blob : graph.outputs())
        if (quantised.count(blob)) throw Error(file + ": " + blob + ": is left in int8");
    return shapes;
}

std::string text_of(const Shape& shape) {
    std::string text;
    for (std::size_t i = 0; i < shape.size(); ++i)
        text += (i ? " x " : "") + std::to_string(shape[i]);
    return text.empty() ? "one number" : text;
}

}  // namespace nanodet
