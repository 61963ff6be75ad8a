/// The spec: the JSON beside each exported model that says all a user of it must know (docs/spec.md).
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "nanodet/fit.h"

namespace nanodet {

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
    bool boxes = false;  ///< whether the model ends in boxes instead of distributions
    std::vector<int> strides;
    int reg_max = 0;          ///< edges are distributions over 0..reg_max, in units of the stride
    double point_offset = 0;  ///< point (row i, column j) sits at ((j + offset) s, (i + offset) s)

    double score = 0, nms_iou = 0;       ///< defaults, 0..1
    int per_level = 0, per_picture = 0;  ///< defaults, 1 and more
    bool class_agnostic_nms = false;     ///< default, see Thresholds

    std::map<std::string, std::string> files;  ///< file name to SHA-256

    /// Values per point: class scores, then four distributions.
    std::size_t channels() const { return class_names.size() + 4 * (std::size_t(reg_max) + 1); }

    /// Columns and rows of a level for an input of ``input`` pixels.
    static Size level_size(Size input, int stride);

    /// Points over all levels.
    std::size_t point_count(Size input) const;
};

/// Reads a spec from its JSON.
///
/// @param text  the JSON
/// @param file  names it in messages
/// @throws Error  no JSON, nested too deeply, a missing key, a wrong type, an impossible value
Spec parse_spec(const std::string& text, const std::string& file);

/// Reads the spec of a file; see parse_spec.
Spec load_spec(const std::string& path);

}  // namespace nanodet
