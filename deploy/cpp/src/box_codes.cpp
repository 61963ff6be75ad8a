#include "box_codes.h"

#include <algorithm>
#include <cmath>

namespace nanodet {

namespace {

constexpr float farthest = 1e6F;  // strides; keeps coordinates finite
constexpr float largest_log = 80;  // of a variance; keeps deviations finite

float softplus(float value) {
    return std::max(value, 0.0F) + std::log1p(std::exp(-std::abs(value)));
}

/// @param logits  ``bins`` of them, before softmax
float expectation(const float* logits, std::size_t bins, float spacing, float* exponentials) {
    const float sum = unscaled_softmax(logits, bins, exponentials);
    float weighted = 0;
    for (std::size_t i = 0; i < bins; ++i) weighted += exponentials[i] * (float(i) * spacing);
    return weighted / sum;
}

float deviation(const float* logits, std::size_t bins, float spacing, float* exponentials) {
    const float sum = unscaled_softmax(logits, bins, exponentials);
    float weighted = 0, squares = 0;
    for (std::size_t i = 0; i < bins; ++i) weighted += exponentials[i] * (float(i) * spacing);
    const float mean = weighted / sum;
    for (std::size_t i = 0; i < bins; ++i) {
        const float off = float(i) * spacing - mean;
        squares += exponentials[i] * off * off;
    }
    return std::sqrt(squares / sum);
}

}  // namespace

float unscaled_softmax(const float* logits, std::size_t count, float* exponentials) {
    const float largest = *std::max_element(logits, logits + count);
    float sum = 0;
    for (std::size_t i = 0; i < count; ++i) exponentials[i] = std::exp(logits[i] - largest);
    for (std::size_t i = 0; i < count; ++i) sum += exponentials[i];
    return sum;
}

void edge_distances(const Spec& spec, const float* values, float* exponentials, float* distances) {
    const std::size_t bins = spec.bins();
    for (std::size_t side = 0; side < 4; ++side)
        distances[side] = spec.form == BoxForm::distributions
                              ? expectation(values + side * bins, bins, float(spec.bin_spacing),
                                            exponentials)
                              : std::min(softplus(values[side]), farthest);
}

void edge_deviations(const Spec& spec, const float* values, float* exponentials,
                     float* deviations) {
    const std::size_t bins = spec.bins();
    for (std::size_t side = 0; side < 4; ++side) {
        if (spec.form == BoxForm::distributions)
            deviations[side] =
                deviation(values + side * bins, bins, float(spec.bin_spacing), exponentials);
        else if (spec.form == BoxForm::gaussians)
            deviations[side] = std::exp(std::min(values[4 + side], largest_log) / 2);
        else
            deviations[side] = 0;
    }
}

}  // namespace nanodet
