/// The shape of every blob of an ncnn graph, worked out without running it.
///
/// ncnn reads beyond its memory, divides by zero or takes all memory there is when the counts of a
/// graph do not fit together.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "ncnn_graph.h"

namespace nanodet {

/// Channels, depth, rows, columns; or channels, rows, columns; or rows, columns. Empty where it is
/// not known.
using Shape = std::vector<std::int64_t>;

/// Tells whether there is a kind of layer.
using HasLayer = std::function<bool(const std::string& kind)>;

/// Works out the shapes of a graph.
///
/// @param input  channels, height and width of every input
/// @param file   names the graph in messages
/// @param others  tells which kinds of layers may pass that are not known here; null: none
/// @returns name of the blob to its shape; unknown for what a layer makes that is not known here, and
///   for what depends on that
/// @throws Error  counts that do not fit together; `NotKnown` where the kind of a layer, or what it
///   asks for, is not known here
std::map<std::string, Shape> blob_shapes(const NcnnGraph& graph, const Shape& input,
                                         const std::string& file, const HasLayer& others = nullptr);

/// Returns a shape as text, such as ``2100 x 112``.
std::string text_of(const Shape& shape);

}  // namespace nanodet
