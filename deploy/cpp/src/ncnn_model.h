/// A ``.param``, its ``.bin`` and its spec, read once and checked before ncnn sees them: ncnn ends the
/// process on many damaged files, and on many that somebody made for that.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "nanodet/spec.h"
#include "ncnn_graph.h"
#include "ncnn_shapes.h"

namespace nanodet {

struct NcnnModel {
    std::string path;
    Spec spec;
    NcnnGraph graph;
    std::string weights;  ///< the bytes of the ``.bin``

    /// Reads the three files.
    ///
    /// @param path    the ``.param``
    /// @param others  tells which kinds of layers may pass that are not known here; null: none
    /// @throws Error  missing, damaged, not those that the spec describes, or nothing that ncnn could
    ///   run at the spec's size
    static NcnnModel load(const std::string& path, const HasLayer& others = nullptr);

    /// Works out whether the graph takes inputs of a size: ncnn does not.
    ///
    /// @returns whether all its shapes are known: else only a trial can tell
    /// @throws Error  it does not, or gives something other than the spec says
    bool check_size(Size size);

private:
    HasLayer others_;
    std::map<std::pair<int, int>, bool> known_sizes_;
};

}  // namespace nanodet
