#include "ncnn_step.h"

#include <numeric>

#include "nanodet/error.h"

namespace nanodet {

std::string text_of(const Shapes& shapes) {
    std::string text;
    for (std::size_t i = 0; i < shapes.size(); ++i)
        text += (i ? ", " : "") + (shapes[i].empty() ? "unknown" : text_of(shapes[i]));
    return text;
}

double count_of(const Shape& shape) {
    return std::accumulate(shape.begin(), shape.end(), 1.0,
                           [](double product, std::int64_t side) { return product * double(side); });
}

double bytes_of(const Shapes& shapes) {
    double bytes = 0;
    for (const Shape& shape : shapes)
        if (!shape.empty()) bytes += 4 * count_of(shape);
    return bytes;
}

void Step::fail(const std::string& what) const {
    throw Error(where + ": " + what);
}

void Step::refuse() const {
    fail("cannot work on " + text_of(given));
}

const Shape& Step::map() const {
    if (given.size() != 1 || given[0].size() != 3)
        fail(layer.kind + ": cannot work on " + text_of(given));
    return given[0];
}

std::size_t Step::axis(int axis, std::size_t rank) const {
    const int dims = int(rank ? rank : given[0].size());
    if (axis < -dims || axis >= dims) fail("has no axis " + std::to_string(axis));
    return std::size_t((axis + dims) % dims);
}

}  // namespace nanodet
