/// The shape of every blob of an ncnn graph, worked out without running it.
///
/// ncnn reads beyond its memory, divides by zero or takes all memory there is when the counts of a
/// graph do not fit together. Only the layers that a NanoDet of any age has are known here.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ncnn_graph.h"

namespace nanodet {

/// Channels, rows, columns; or rows, columns.
using Shape = std::vector<std::int64_t>;

/// Works out the shapes of a graph.
///
/// @param input  channels, height and width of every input
/// @param file   names the graph in messages
/// @returns name of the blob to its shape
/// @throws Error  counts that do not fit together, or a kind of layer that is not known here
std::map<std::string, Shape> blob_shapes(const NcnnGraph& graph, const Shape& input,
                                         const std::string& file);

/// Returns a shape as text, such as ``2100 x 112``.
std::string text_of(const Shape& shape);

}  // namespace nanodet
