/// The quality that is read from the shape of a point's distributions (paper eqs. 5 to 7).
#pragma once

#include <cstddef>
#include <vector>

#include "nanodet/spec.h"

namespace nanodet {

/// Evaluates the quality predictor of a spec. Keeps its memory from point to point.
class QualityPredictor {
public:
    /// @param bins  of each edge's distribution, see Spec::bins
    QualityPredictor(const Quality& quality, std::size_t bins);

    /// @param logits  4 x bins, of left, top, right, bottom, before softmax
    /// @returns what the class scores of the point are multiplied by, 0..1
    float operator()(const float* logits);

private:
    void find_features(const float* logits);

    Quality weights_;              // without hidden_weight
    std::vector<float> by_input_;  // that, transposed: the weights of all units, input after input
    std::vector<float> exponentials_, features_, hidden_;
};

}  // namespace nanodet
