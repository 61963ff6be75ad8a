/// What each kind of layer keeps in the ``.bin``, and in which order.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ncnn_graph.h"

namespace nanodet {

/// One array of a layer.
struct NcnnPart {
    std::string name;
    std::int64_t count;   ///< values
    bool tagged = false;  ///< whether it says in the file how it is stored

    /// The bytes that it takes at least: where it is tagged, a byte for each value.
    std::int64_t least_bytes() const { return tagged ? 4 + count : 4 * count; }
};

/// Returns what a layer of a known kind keeps, in order.
///
/// @param where  names file and layer in the message
/// @throws Error  counts that cannot be
std::vector<NcnnPart> layout(const NcnnLayer& layer, const std::string& where);

}  // namespace nanodet
