/// From the network's output to boxes: score threshold, distances of edges, NMS.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "nanodet/fit.h"
#include "nanodet/quality.h"
#include "nanodet/spec.h"

namespace nanodet {

/// One found object.
struct Detection {
    float x1, y1, x2, y2;  ///< left, top, right, bottom in pixels of the image
    float confidence;      ///< 0..1
    int class_id;          ///< index into Spec::class_names
    /// Standard deviations of left, top, right, bottom in pixels of the image; 0 without
    /// Spec::has_edge_std.
    float edge_std[4] = {0, 0, 0, 0};
};

/// The map of a level: a view of ``channels`` planes of ``rows`` x ``columns`` floats.
struct LevelMap {
    const float* data = nullptr;
    std::size_t channels = 0, rows = 0, columns = 0;
    std::size_t step = 0;  ///< floats from plane to plane
};

/// What a network gave: a view of ``points`` rows of ``channels`` floats, or with Spec::maps of a map
/// for each level.
struct Output {
    const float* data = nullptr;
    std::size_t points = 0, channels = 0;
    std::size_t stride = 0;  ///< floats from row to row
    std::array<LevelMap, 16> maps{};  ///< in the order of Spec::strides, of at most as many levels

    bool empty() const { return data == nullptr && maps[0].data == nullptr; }
};

/// What is kept.
struct Thresholds {
    float score = 0;      ///< (point, class) pairs must score above it, 0..1
    float nms_iou = 0;    ///< a box goes when its IoU with a better one of its class is above it
    int per_level = 1;    ///< the best pairs of each level before NMS
    int per_picture = 1;  ///< the best boxes after NMS
    bool class_agnostic_nms = false;  ///< whether a box goes whatever the better one's class
    /// One per class, which replaces `score`; empty: `score` for all.
    std::vector<float> class_scores = {};
};

/// @throws Error  unless the output has the shape that the spec describes; ``file`` names the model
void check_output(const Spec& spec, const Output& output, Size input, const std::string& file);

/// Decodes outputs of one model. Keeps its memory: after the first frames nothing is allocated, as
/// long as no frame has more candidates than those before.
class Decoder {
public:
    explicit Decoder(const Spec& spec);

    /// Decodes one output (paper eq. 4, and section 4 "Inference details").
    ///
    /// @param output  checked with check_output
    /// @param input   size of the tensor that gave it
    /// @param file    names the model in messages
    /// @returns best first, in pixels of the input, not clipped; valid until the next call
    /// @throws Error  an output with values that are not finite, or another number of class scores
    ///                than of classes
    const std::vector<Detection>& decode(const Output& output, Size input,
                                         const Thresholds& thresholds, const std::string& file);

    /// Decodes one output into pixels of the image, clipped to it; see decode.
    const std::vector<Detection>& decode(const Output& output, const Placement& placement,
                                         Size picture, const Thresholds& thresholds,
                                         const std::string& file);

private:
    struct Candidate {
        float confidence;
        std::uint32_t level;
        std::uint64_t index;  // point * classes + class
    };

    /// A kept box as NMS compares it, measured from the smallest coordinate of all.
    struct Area {
        float x, y, width, height;
        std::size_t previous;   // the rival that was kept before it
        std::size_t candidate;  // its index
    };

    void find_candidates(const Output& output, Size input);
    void find_in_map(const LevelMap& map, std::uint32_t level);
    void multiply_by_quality(const Output& output);
    void limit_levels(int per_level);
    void add_box(const Output& output, Size input, const Candidate& candidate);
    void suppress(const Thresholds& thresholds);
    void add_deviations(const Output& output);
    const float* edge_values(const Output& output, const Candidate& candidate);

    Spec spec_;
    std::optional<QualityPredictor> quality_;
    std::vector<Candidate> candidates_;
    std::vector<float> scores_;  // per class, what its pairs must score above
    std::vector<std::size_t> level_starts_, level_counts_;
    std::vector<Detection> boxes_, kept_;
    std::vector<Area> kept_areas_;
    std::vector<std::size_t> last_kept_;  // per group of rivals, the box that was kept last
    std::vector<float> exponentials_;
    std::vector<float> edge_values_;  // of a point of a map, whose values lie apart
};

}  // namespace nanodet
