#include <algorithm>

#include "ncnn_rules.h"

namespace nanodet {

namespace {

[[noreturn]] void cannot_combine(const Step& step) {
    step.fail("cannot combine " + text_of(step.given));
}

/// Tells whether each side goes with the other one: they are the same, or one is 1.
bool goes_with(const Shape& one, const Shape& other) {
    return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                      [](std::int64_t a, std::int64_t b) { return a == b || a == 1 || b == 1; });
}

Shape larger_sides(const Shape& one, const Shape& other) {
    Shape sides;
    for (std::size_t i = 0; i < one.size(); ++i) sides.push_back(std::max(one[i], other[i]));
    return sides;
}

/// Returns a shape with as many sides as ncnn gives it beside a larger one.
Shape widened(Shape shape, const Shape& beside, std::size_t rank) {
    // a value for each column, else for each channel
    const bool columns = shape.size() == 1 && rank > 1 && shape[0] != beside[0];
    shape.insert(columns ? shape.begin() : shape.end(), rank - shape.size(), 1);
    return shape;
}

Shapes binary(const Step& step) {
    if (step.given.size() == 1) return step.given;
    const std::size_t rank = std::max(step.given[0].size(), step.given[1].size());
    const Shape one = widened(step.given[0], step.given[1], rank);
    const Shape other = widened(step.given[1], step.given[0], rank);
    if (!goes_with(one, other)) cannot_combine(step);
    return {larger_sides(one, other)};
}

Shapes combine(const Step& step) {
    for (const Shape& shape : step.given)
        if (shape != step.given[0]) cannot_combine(step);
    const std::size_t factors = step.layer.wholes(1).size();
    if (factors != 0 && factors != step.given.size()) cannot_combine(step);
    return {step.given[0]};
}

Shapes inner_product(const Step& step) {
    const Shape& shape = step.given[0];
    const int outputs = step.whole(0), count = step.whole(2);
    if (outputs < 1 || count < 1 || count % outputs)
        step.fail(std::to_string(count) + " weights cannot make " + std::to_string(outputs) + " outputs");
    const int inputs = count / outputs;
    if (shape.size() == 2 && shape[1] == inputs) return {{shape[0], outputs}};
    if (count_of(shape) != inputs) step.refuse();
    return {{outputs}};
}

/// As numpy's, but for a matrix and maps of four dimensions, which ncnn cannot take.
Shapes matmul(const Step& step) {
    const std::size_t first = step.given[0].size(), second = step.given[1].size();
    Shape left = step.given[0], right = step.given[1];
    if (first == 1) left.insert(left.begin(), 1);
    if (second == 1) right.push_back(1);
    if (step.whole(0) && second > 1) std::swap(right[right.size() - 1], right[right.size() - 2]);
    const std::int64_t rows = left[left.size() - 2], columns = right.back();
    if (left.back() != right[right.size() - 2] || (std::min(first, second) == 2 && std::max(first, second) == 4))
        step.refuse();
    left.resize(left.size() - 2);
    right.resize(right.size() - 2);
    const std::size_t rank = std::max(left.size(), right.size());
    left.insert(left.begin(), rank - left.size(), 1);
    right.insert(right.begin(), rank - right.size(), 1);
    if (!goes_with(left, right)) step.refuse();
    Shape made = larger_sides(left, right);
    if (first > 1) made.push_back(rows);
    if (second > 1) made.push_back(columns);
    return {made.empty() ? Shape{1} : made};
}

Shapes gemm(const Step& step) {
    for (const Shape& shape : step.given)
        if (shape.size() > 2) step.refuse();
    std::size_t at = 0;
    // rows and columns of a matrix of weights, or of the next input, turned if so asked
    const auto matrix = [&](bool constant, int key, bool turned) -> Shape {
        if (constant) return {step.whole(key), step.whole(9)};
        const Shape& shape = step.given[at++];
        if (shape.size() != 2) step.refuse();
        return turned ? Shape{shape[1], shape[0]} : shape;
    };
    const Shape left = matrix(step.whole(4), 7, step.whole(2));
    const Shape right = matrix(step.whole(5), 8, !step.whole(3));
    if (left[1] != right[1]) step.refuse();
    const std::int64_t rows = left[0], columns = right[0];
    if (step.whole(6)) {
        const int kind = step.whole(10);
        if ((kind >= 1 && kind <= 3 && step.whole(7) != rows) ||
            ((kind == 3 || kind == 4) && step.whole(8) != columns))
            step.refuse();
    } else if (at < step.given.size()) {
        const Shapes fitting = {{1},       {rows},          {columns},
                                {rows, 1}, {rows, columns}, {1, columns}};
        if (!std::count(fitting.begin(), fitting.end(), step.given[at])) step.refuse();
    }
    const Shape made = step.whole(14) ? Shape{columns, rows} : Shape{rows, columns};
    return {step.whole(11) ? Shape{made[0], 1, made[1]} : made};
}

void check_mask(const Step& step, std::int64_t heads, std::int64_t rows, std::int64_t columns) {
    const Shapes fitting = {{rows, columns}, {1, rows, columns}, {heads, rows, columns}};
    if (step.whole(5) && !std::count(fitting.begin(), fitting.end(), step.given.back()))
        step.refuse();
}

Shapes attention(const Step& step) {
    const int embedded = step.whole(0), heads = step.whole(1, 1), count = step.whole(2);
    if (embedded < 1 || count < 1 || embedded % heads || count % embedded)
        step.fail(std::to_string(count) + " weights cannot make " + std::to_string(heads) + " heads of " +
                  std::to_string(embedded) + " values");
    const std::size_t last = step.given.size() - (step.whole(5) ? 2 : 1);
    for (std::size_t i = 0; i <= last; ++i)
        if (step.given[i].size() != 2) step.refuse();
    const Shape &query = step.given[0], &key = step.given[last < 2 ? last : 1],
                &value = step.given[last];
    if (query[1] != count / embedded || key[1] != step.whole(3, embedded) ||
        value[1] != step.whole(4, embedded) || key[0] != value[0])
        step.refuse();
    check_mask(step, heads, query[0], key[0]);
    return {{query[0], count / embedded}};
}

Shapes scaled_attention(const Step& step) {
    const Shape &query = step.given[0], &key = step.given[1], &value = step.given[2];
    if (query.size() != 3 || key.size() != 3 || value.size() != 3 || query[0] % key[0] ||
        query[2] != key[2] || key[0] != value[0] || key[1] != value[1])
        step.refuse();
    check_mask(step, query[0], query[1], key[1]);
    return {{query[0], query[1], value[2]}};
}

Shapes softmax(const Step& step) {
    step.axis(step.whole(0));
    return step.given;
}

Shapes per_channel(const Step& step) {
    const int count = step.whole(0);
    if (count != step.given[0][0] && !(step.layer.kind == "PReLU" && count == 1)) step.refuse();
    return step.given;
}

Shapes instance_norm(const Step& step) {
    if (step.whole(0) != step.map()[0]) step.refuse();
    return step.given;
}

Shapes group_norm(const Step& step) {
    if (step.whole(1) != step.given[0][0] || step.whole(1) % step.whole(0, 1)) step.refuse();
    return step.given;
}

Shapes layer_norm(const Step& step) {
    const Shape& shape = step.given[0];
    const int count = step.whole(0);
    const bool of_rows = shape.size() > 2 && count == shape.back() * shape[shape.size() - 2];
    if (count != shape.back() && !of_rows) step.refuse();
    return step.given;
}

}  // namespace

const Rules product_rules = {
    {"BinaryOp", binary},
    {"Eltwise", combine},
    {"InnerProduct", inner_product},
    {"MatMul", matmul},
    {"Gemm", gemm},
    {"MultiHeadAttention", attention},
    {"SDPA", scaled_attention},
    {"Softmax", softmax},
    {"BatchNorm", per_channel},
    {"Bias", per_channel},
    {"Scale", per_channel},
    {"PReLU", per_channel},
    {"InstanceNorm", instance_norm},
    {"GroupNorm", group_norm},
    {"LayerNorm", layer_norm},
    {"RMSNorm", layer_norm},
};

}  // namespace nanodet
