#include "nanodet/quality.h"

#include <algorithm>
#include <cmath>

#include "box_codes.h"

namespace nanodet {

QualityPredictor::QualityPredictor(const Quality& quality, std::size_t bins)
    : weights_(quality),
      by_input_(quality.hidden_weight.size()),
      exponentials_(bins),
      features_(4 * (std::size_t(quality.topk) + 1)),
      hidden_(std::size_t(quality.hidden)) {
    // in this order the inner loop is over independent sums, which compilers vectorise
    for (std::size_t unit = 0; unit < hidden_.size(); ++unit)
        for (std::size_t input = 0; input < features_.size(); ++input)
            by_input_[input * hidden_.size() + unit] =
                quality.hidden_weight[unit * features_.size() + input];
    weights_.hidden_weight = {};
}

float QualityPredictor::operator()(const float* logits) {
    find_features(logits);
    hidden_ = weights_.hidden_bias;
    const float* weights = by_input_.data();
    for (const float feature : features_) {
        for (std::size_t unit = 0; unit < hidden_.size(); ++unit)
            hidden_[unit] += weights[unit] * feature;
        weights += hidden_.size();
    }
    float sum = weights_.output_bias;
    for (std::size_t unit = 0; unit < hidden_.size(); ++unit)
        sum += weights_.output_weight[unit] * std::max(hidden_[unit], 0.0F);
    return 1 / (1 + std::exp(-sum));
}

/// For each edge its largest probabilities, in descending order, then their mean.
void QualityPredictor::find_features(const float* logits) {
    const std::size_t bins = exponentials_.size();
    float* feature = features_.data();
    for (std::size_t side = 0; side < 4; ++side) {
        const float sum = unscaled_softmax(logits + side * bins, bins, exponentials_.data());
        const auto end = exponentials_.begin() + weights_.topk;
        for (auto at = exponentials_.begin(); at != end; ++at)
            std::iter_swap(at, std::max_element(at, exponentials_.end()));
        float total = 0;
        for (auto largest = exponentials_.begin(); largest != end; ++largest) {
            *feature = *largest / sum;
            total += *feature++;
        }
        *feature++ = total / float(weights_.topk);
    }
}

}  // namespace nanodet
