/// The edges of a box from the values behind a point's class scores, for each form of a spec.
#pragma once

#include "nanodet/spec.h"

namespace nanodet {

/// Calculates the distances left, top, right, bottom in units of the stride (paper eq. 4).
///
/// @param values        of one point, ``spec.channels()`` without those of the classes
/// @param exponentials  room for ``spec.bins()`` floats
/// @param distances     4 floats
void edge_distances(const Spec& spec, const float* values, float* exponentials, float* distances);

/// Calculates the standard deviations of the four edges in units of the stride; 0 for ``distances``,
/// which say nothing of them. See edge_distances.
void edge_deviations(const Spec& spec, const float* values, float* exponentials, float* deviations);

/// Replaces logits by their softmax times some factor; returns the sum, 1 times that factor.
float unscaled_softmax(const float* logits, std::size_t count, float* exponentials);

}  // namespace nanodet
