/// The parameters of the layers that are known here, and the values that ncnn can take.
///
/// ncnn checks few of them: it takes 3 for 3.0 and the other way round by their bits, divides by a
/// stride of 0, and reads an array by the length that it expects.
#pragma once

#include <string>

#include "nanodet/error.h"
#include "ncnn_graph.h"

namespace nanodet {

/// A kind of layer, or a form of one, of which ncnn alone can tell what it does.
class NotKnown : public Error {
public:
    using Error::Error;
};

/// Tells whether layers of a kind are known here.
bool is_known(const std::string& kind);

/// @param where  names file and layer in the message
/// @throws Error  for the first parameter of a layer that ncnn could not work with
void check_parameters(const NcnnLayer& layer, const std::string& where);

}  // namespace nanodet
