/// The weights of an ncnn model (``.bin``).
///
/// A ``.bin`` has no directory: which values follow which is said by the graph alone, so a file of
/// the wrong length is the wrong file. Main weights begin with a tag that names how they are stored;
/// biases and scales are plain float32.
#pragma once

#include <string>

#include "ncnn_graph.h"

namespace nanodet {

/// Checks the bytes of a ``.bin``, up to the first layer that is not known here: what such a layer
/// keeps, and where that ends, ncnn alone can tell.
///
/// @param graph        they belong to; its parameters and shapes have been checked
/// @param file, param  name both files in messages
/// @throws Error  too short, too long, or values that are not finite
void check_weights(const std::string& bytes, const NcnnGraph& graph, const std::string& file,
                   const std::string& param);

}  // namespace nanodet
