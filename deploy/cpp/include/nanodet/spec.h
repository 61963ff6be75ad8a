/// The spec: the JSON beside each exported model that says all a user of it must know (docs/spec.md).
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "nanodet/fit.h"

namespace nanodet {

/// How the four edges of a box follow from the values behind a point's class scores.
///
/// ``distributions``: those over the bins, before softmax. ``distances``: one value each, the distance
/// before softplus. ``gaussians``: four means before softplus, then four log variances.
enum class BoxForm { distributions, distances, gaussians };

/// The distribution-guided quality predictor (paper eqs. 5 to 7), two small layers.
struct Quality {
    int topk = 0;    ///< probabilities of each edge that it looks at, 1 to the number of bins
    int hidden = 0;  ///< units of the first layer
    std::vector<float> hidden_weight;  ///< hidden x 4 (topk + 1), row by row
    std::vector<float> hidden_bias, output_weight;
    float output_bias = 0;
};

/// What a model takes and gives. Field names and bounds are those of the JSON.
struct Spec {
    std::string model;
    std::vector<std::string> class_names;

    std::string input_name;
    Size input_size;
    bool any_size = false;  ///< whether the file also takes other multiples of 32
    Fit fit = Fit::letterbox;
    bool rgb = false;                 ///< colour order of the input: RGB, else BGR
    std::array<float, 3> mean{}, std{};  ///< grey levels, in the input's colour order

    std::string output_name;
    bool boxes = false;  ///< whether the model ends in boxes instead of one of the forms
    BoxForm form = BoxForm::distributions;
    /// Whether there is one output per level, channels x rows x columns with class logits before
    /// sigmoid, instead of one of points x channels with scores after it.
    bool maps = false;
    std::vector<int> strides;
    int reg_max = 0;          ///< edges are distributions over 0..reg_max, in units of the stride
    double bin_spacing = 1;   ///< from bin to bin of a distribution, in units of the stride
    double point_offset = 0;  ///< point (row i, column j) sits at ((j + offset) s, (i + offset) s)

    std::optional<Quality> quality;  ///< scores are multiplied by it
    /// Per level, what the standard deviations of edges are multiplied by; empty: 1.
    std::vector<float> edge_std_factors;

    double score = 0, nms_iou = 0;       ///< defaults, 0..1
    int per_level = 0, per_picture = 0;  ///< defaults, 1 and more
    bool class_agnostic_nms = false;     ///< default, see Thresholds
    std::vector<float> class_scores;     ///< default, one per class; empty: score for all

    std::map<std::string, std::string> files;  ///< file name to SHA-256

    /// The names of the outputs, in the order of the levels; without those of boxes.
    std::vector<std::string> output_names() const;

    /// Tells whether an output is a level that the spec leaves out, and so would the boxes.
    bool leaves_out(const std::string& output) const;

    /// Values per point: class scores, then those of four edges.
    std::size_t channels() const { return class_names.size() + 4 * edge_values(); }

    /// Values per edge.
    std::size_t edge_values() const;

    /// Whether the values tell the standard deviations of edges, see Detection::edge_std.
    bool has_edge_std() const { return form != BoxForm::distances; }

    /// Bins of an edge's distribution: 0, bin_spacing, .., reg_max.
    std::size_t bins() const;

    /// Columns and rows of a level for an input of ``input`` pixels.
    static Size level_size(Size input, int stride);

    /// Points over all levels.
    std::size_t point_count(Size input) const;

    /// Returns the shape of an output in words, such as ``2100 points x 112 (80 classes + 4 x 8) at
    /// 320 x 320``; ``level`` is its index, 0 without maps.
    std::string shape_words(std::size_t level, Size input) const;
};

/// Returns ``distributions``, ``distances`` or ``gaussians``.
const char* name_of(BoxForm form);

/// Reads a spec from its JSON.
///
/// @param text  the JSON
/// @param file  names it in messages
/// @throws Error  no JSON, nested too deeply, a missing key, a wrong type, an impossible value
Spec parse_spec(const std::string& text, const std::string& file);

/// Reads the spec of a file; see parse_spec.
Spec load_spec(const std::string& path);

}  // namespace nanodet
