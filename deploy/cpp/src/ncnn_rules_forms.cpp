#include <algorithm>
#include <set>

#include "ncnn_rules.h"
#include "split.h"

namespace nanodet {

namespace {

constexpr std::size_t most_dimensions = 4;

Shapes same(const Step& step) {
    return step.given;
}

Shapes copies(const Step& step) {
    return Shapes(step.layer.outputs.size(), step.given[0]);
}

Shapes pass_on(const Step& step) {
    const std::size_t count = std::min(step.given.size(), step.layer.outputs.size());
    return {step.given.begin(), step.given.begin() + std::ptrdiff_t(count)};
}

Shapes concat(const Step& step) {
    const std::size_t axis = step.axis(step.whole(0));
    Shape joined = step.given[0];
    joined[axis] = 0;
    for (Shape shape : step.given) {
        if (shape.size() != joined.size()) step.fail("cannot join " + text_of(step.given));
        joined[axis] += shape[axis];
        shape[axis] = joined[axis];
        if (shape != joined) step.fail("cannot join " + text_of(step.given));
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
    if (starts.empty() || starts.size() != ends.size() || starts.size() != axes.size())
        step.fail("this form of Crop is not known in a NanoDet");
    Shape shape = step.given[0];
    std::set<std::size_t> cropped;
    for (std::size_t i = 0; i < axes.size(); ++i) {
        const std::size_t axis = step.axis(axes[i]);
        if (starts[i] < 0 || starts[i] >= ends[i] || ends[i] > shape[axis])
            step.fail("cannot crop " + std::to_string(starts[i]) + ".." + std::to_string(ends[i]) +
                      " of " + text_of(step.given));
        shape[axis] = ends[i] - starts[i];
        cropped.insert(axis);
    }
    if (cropped.size() != axes.size()) step.refuse();
    return {shape};
}

Shapes permute(const Step& step) {
    // order types: which of w, h, d, c become the new w, h, d, c
    static const std::vector<std::vector<std::string>> orders = {
        {}, {}, words_of("wh hw"), words_of("whc hwc wch cwh hcw chw"),
        words_of("whdc hwdc wdhc dwhc hdwc dhwc whcd hwcd wchd cwhd hcwd chwd "
                 "wdch dwch wcdh cwdh dcwh cdwh hdcw dhcw hcdw chdw dchw cdhw")};
    const Shape& shape = step.given[0];
    const std::vector<std::string>& known = orders[shape.size()];
    const int order = step.whole(0);
    if (order < 0 || order >= int(known.size()))
        step.fail("has no order " + std::to_string(order) + " for " + text_of(step.given));
    const std::string& letters = known[std::size_t(order)];
    Shape turned;
    for (auto letter = letters.rbegin(); letter != letters.rend(); ++letter)
        turned.push_back(shape[shape.size() - 1 - known[0].find(*letter)]);
    return {turned};
}

Shapes reshape(const Step& step) {
    Shape sides = {step.whole(2, unset), step.whole(1, unset), step.whole(0, unset)};
    if (step.layer.find(11)) {
        sides.insert(sides.begin() + 1, step.whole(11));
    } else {
        const auto first = std::find_if(sides.begin(), sides.end(),
                                        [](std::int64_t side) { return side != unset; });
        sides.erase(sides.begin(), first);
    }
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
        step.fail("cannot make " + text_of(sides) + " of " + text_of(step.given));
    return {sides};
}

Shapes flatten(const Step& step) {
    return {{std::int64_t(count_of(step.given[0]))}};
}

/// Returns the axes of an array of the first input.
std::set<std::size_t> axes_of(const Step& step) {
    std::set<std::size_t> axes;
    for (const int axis : step.layer.wholes(3)) axes.insert(step.axis(axis));
    return axes;
}

Shapes squeeze(const Step& step) {
    const Shape& shape = step.given[0];
    auto gone = axes_of(step);
    if (gone.empty()) {
        const std::vector<int> keys = shape.size() == 4 ? std::vector<int>{2, 11, 1, 0}
                                                        : std::vector<int>{2, 1, 0};
        for (std::size_t i = 0; i < shape.size(); ++i)
            if (step.whole(keys[keys.size() - shape.size() + i])) gone.insert(i);
    }
    Shape made;
    for (std::size_t i = 0; i < shape.size(); ++i)
        if (shape[i] != 1 || !gone.count(i)) made.push_back(shape[i]);
    return {made.empty() ? Shape{1} : made};
}

Shapes expand(const Step& step) {
    Shape shape = step.given[0];
    const auto axes = step.layer.wholes(3);
    const std::size_t rank = shape.size() + axes.size();
    std::set<std::size_t> added;
    for (const int axis : axes) added.insert(step.axis(axis, rank));
    if (rank > most_dimensions || added.size() != axes.size()) step.refuse();
    for (const std::size_t axis : added) shape.insert(shape.begin() + std::ptrdiff_t(axis), 1);
    return {shape};
}

Shapes reduce(const Step& step) {
    const Shape& shape = step.given[0];
    auto axes = axes_of(step);
    // without 5=1 ncnn takes axes for those of an older form, and refuses
    if (!axes.empty() && !step.whole(5)) step.refuse();
    if (step.whole(1, 1))
        for (std::size_t i = 0; i < shape.size(); ++i) axes.insert(i);
    if (axes.empty()) step.refuse();
    Shape made;
    for (std::size_t i = 0; i < shape.size(); ++i) {
        if (!axes.count(i))
            made.push_back(shape[i]);
        else if (step.whole(4))
            made.push_back(1);
    }
    return {made.empty() ? Shape{1} : made};
}

Shapes halve(const Step& step) {
    Shape shape = step.given[0];
    std::int64_t& side = shape[step.axis(step.whole(0))];
    if (side % 2) step.refuse();
    side /= 2;
    return {shape};
}

Shapes constant(const Step& step) {
    return {constant_shape(step.layer)};
}

/// Kinds that give what they are given, whatever its shape, and work on each value alone.
const char* const elementwise =
    "Sigmoid ReLU Clip HardSwish Swish Mish HardSigmoid Dropout GELU TanH AbsVal ELU CELU SELU "
    "Softplus Exp Log Power Erf BNLL Threshold Shrink UnaryOp";

Rules with_elementwise(Rules rules) {
    for (const std::string& kind : words_of(elementwise)) rules[kind] = same;
    return rules;
}

}  // namespace

Shape constant_shape(const NcnnLayer& layer) {
    if (layer.whole(11)) return {layer.whole(2), layer.whole(11), layer.whole(1), layer.whole(0)};
    Shape sides = {layer.whole(2), layer.whole(1), layer.whole(0)};
    while (sides.size() > 1 && sides[0] == 0) sides.erase(sides.begin());
    return sides;
}

const Rules form_rules = with_elementwise({
    {"Concat", concat},
    {"Slice", slice},
    {"Crop", crop},
    {"Split", copies},
    {"Noop", pass_on},
    {"Permute", permute},
    {"Reshape", reshape},
    {"Flatten", flatten},
    {"Squeeze", squeeze},
    {"ExpandDims", expand},
    {"Reduction", reduce},
    {"GLU", halve},
    {"MemoryData", constant},
});

}  // namespace nanodet
