/// The parameters of the layers that a NanoDet of any age has, and the values that ncnn can take.
///
/// ncnn checks none of them: it takes 3 for 3.0 and the other way round by their bits, divides by a
/// stride of 0, and reads an array by the length that it expects.
#pragma once

#include <string>

#include "ncnn_graph.h"

namespace nanodet {

/// Tells whether a NanoDet of any age has such layers.
bool is_known(const std::string& kind);

/// @param where  names file and layer in the message
/// @throws Error  for the first parameter of a layer that ncnn could not work with
void check_parameters(const NcnnLayer& layer, const std::string& where);

}  // namespace nanodet
