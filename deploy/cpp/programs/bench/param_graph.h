/// An ncnn graph (``.param``, the text form) as data.
///
/// ncnn itself ends the process on many graphs it cannot understand. What is read here has been
/// checked: counts, names, parameters, and that every blob is made before it is used.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "nanodet/fit.h"

namespace nanodet::bench {

/// One line of the graph.
struct ParamLayer {
    std::string kind, name;
    std::vector<std::string> inputs, outputs;  ///< names of blobs
    std::vector<std::pair<int, std::string>> values;  ///< arrays under the key -23300 - k

    /// Returns the value under a key, null where there is none.
    const std::string* find(int key) const;
};

struct ParamGraph {
    std::vector<ParamLayer> layers;  ///< in the order in which ncnn runs them

    /// @throws Error  unreadable, or not a graph; names the file and the line
    static ParamGraph load(const std::string& path);

    std::string to_text() const;
};

/// Makes a graph take inputs of a size.
///
/// A graph may say for which input it was written, and the shape of every blob at that input; ncnn
/// chooses by them while it loads. At another size they would be wrong, so they go.
///
/// @returns the channels of its input
/// @throws Error  it has no input, or several
int fit_graph(ParamGraph& graph, Size size, const std::string& file);

/// Takes the layers that make boxes out of a graph; returns their names.
std::vector<std::string> leave_out_boxes(ParamGraph& graph);

}  // namespace nanodet::bench
