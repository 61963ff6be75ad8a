/// One layer and the shapes that it is given, as the rules see them.
#pragma once

#include <string>
#include <vector>

#include "ncnn_graph.h"
#include "ncnn_shapes.h"

namespace nanodet {

using Shapes = std::vector<Shape>;

constexpr int unset = -233;  ///< of a side that ncnn finds itself

std::string text_of(const Shapes& shapes);

/// Values of a shape; as a double, since sides that a graph asks for may be of any size.
double count_of(const Shape& shape);

/// Bytes of float32 values of some shapes, as far as they are known.
double bytes_of(const Shapes& shapes);

/// One layer, the shapes of its inputs, and what names it in messages.
struct Step {
    const NcnnLayer& layer;
    const Shapes& given;
    std::string where;

    [[noreturn]] void fail(const std::string& what) const;

    /// Fails: the layer cannot work on what it is given.
    [[noreturn]] void refuse() const;

    int whole(int key, int otherwise = 0) const { return layer.whole(key, otherwise); }

    /// Returns the shape of the only input: channels, rows, columns.
    const Shape& map() const;

    /// Returns an axis counted from the first one; ``rank``: of what, 0: of the first input.
    std::size_t axis(int axis, std::size_t rank = 0) const;
};

}  // namespace nanodet
