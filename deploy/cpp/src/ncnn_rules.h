/// What each kind of layer makes of the shapes that it is given: one small function a kind.
///
/// A rule throws `Error` where ncnn could not work on what is given, and returns the shapes of the
/// layer's outputs. A new layer is a rule here, its keys in `ncnn_parameters`, and what it keeps in
/// `ncnn_weight_parts`.
#pragma once

#include <map>
#include <string>

#include "ncnn_step.h"

namespace nanodet {

using Rules = std::map<std::string, Shapes (*)(const Step&)>;

extern const Rules map_rules;      ///< of layers that work on channels x rows x columns
extern const Rules form_rules;     ///< of those that join, cut, turn, copy or fold, or keep the form
extern const Rules product_rules;  ///< of those that combine values with each other or with weights

/// Tells whether a layer is a (de)convolution in groups of more than a channel each.
bool is_grouped(const NcnnLayer& layer);

/// Returns the shape of the values that a ``MemoryData`` keeps; with a side of 0 where none can be.
Shape constant_shape(const NcnnLayer& layer);

}  // namespace nanodet
