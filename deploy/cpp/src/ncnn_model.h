/// A ``.param``, its ``.bin`` and its spec, read once and checked before ncnn sees them: ncnn ends the
/// process on many damaged files, and on many that somebody made for that.
#pragma once

#include <set>
#include <string>
#include <utility>

#include "nanodet/spec.h"
#include "ncnn_graph.h"

namespace nanodet {

struct NcnnModel {
    std::string path;
    Spec spec;
    NcnnGraph graph;
    std::string weights;  ///< the bytes of the ``.bin``

    /// Reads the three files.
    ///
    /// @param path  the ``.param``
    /// @throws Error  missing, damaged, not those that the spec describes, or nothing that ncnn could
    ///   run at the spec's size
    static NcnnModel load(const std::string& path);

    /// Works out whether the graph takes inputs of a size: ncnn does not.
    ///
    /// @throws Error  it does not, or gives something other than the spec says
    void check_size(Size size);

private:
    std::set<std::pair<int, int>> known_sizes_;
};

}  // namespace nanodet
