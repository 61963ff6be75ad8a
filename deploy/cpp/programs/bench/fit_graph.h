/// Changes to an ncnn graph so that it can be timed.
#pragma once

#include <string>
#include <vector>

#include "nanodet/fit.h"
#include "ncnn_graph.h"

namespace nanodet::bench {

/// Makes a graph take inputs of a size.
///
/// A graph may say for which input it was written, and the shape of every blob at that input; ncnn
/// chooses by them while it loads. At another size they would be wrong, so they go.
///
/// @returns the channels of its input
/// @throws Error  it has no input, or several
int fit_graph(NcnnGraph& graph, Size size, const std::string& file);

/// Takes the layers that make boxes out of a graph; returns their names.
std::vector<std::string> leave_out_boxes(NcnnGraph& graph);

}  // namespace nanodet::bench
