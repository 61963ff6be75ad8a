#include "nanodet/decode.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "box_codes.h"
#include "nanodet/error.h"

namespace nanodet {

namespace {

constexpr std::size_t none = std::numeric_limits<std::size_t>::max();
// of an image's pairs so many go into NMS, whose time grows with their square
constexpr std::size_t most_candidates = 10'000;
constexpr float unknown = -1;  // quality of a point that was not needed yet
constexpr float thinnest = 1e-3F;  // pixels; what NMS takes a box without width or height for

bool all_finite(const float* values, std::size_t count) {
    constexpr std::uint32_t exponent = 0x7f800000;  // all ones for infinity and NaN
    std::uint32_t found = 0;
    for (std::size_t i = 0; i < count; ++i) {
        std::uint32_t bits;
        std::memcpy(&bits, values + i, sizeof bits);
        found |= (bits & exponent) == exponent ? 1U : 0U;
    }
    return found == 0;
}

bool all_finite(const LevelMap& map) {
    const std::size_t count = map.rows * map.columns;
    if (map.step == count) return all_finite(map.data, map.channels * count);
    for (std::size_t channel = 0; channel < map.channels; ++channel)
        if (!all_finite(map.data + channel * map.step, count)) return false;
    return true;
}

/// Returns a logit that that of every score above a threshold exceeds, whatever the rounding.
float logit_below(float threshold) {
    const double lower = double(threshold) * (1 - 1e-6);  // several steps of a float
    if (lower <= 0) return -std::numeric_limits<float>::infinity();
    return float(std::log(lower / (1 - lower)) - 1e-4);
}

float sigmoid(float logit) {
    return 1 / (1 + std::exp(-logit));
}

/// Returns intersection over union, 0..1. Calculated as OpenCV's NMS does it for Python's boxes: of
/// thin boxes the last bits decide.
template <typename Box>
float iou(const Box& a, const Box& b) {
    const double area_a = double(a.width) * double(a.height);
    const double area_b = double(b.width) * double(b.height);
    const Box &left = a.x < b.x ? a : b, &right = a.x < b.x ? b : a;
    const Box &upper = a.y < b.y ? a : b, &lower = a.y < b.y ? b : a;
    const double width = std::min(double(left.width) - (double(right.x) - double(left.x)),
                                  double(right.width));
    const double height = std::min(double(upper.height) - (double(lower.y) - double(upper.y)),
                                   double(lower.height));
    if (width <= 0 || height <= 0) return 0;
    const double shared = width * height;
    return 1.0F - static_cast<float>(1 - shared / (area_a + area_b - shared));
}

}  // namespace

void check_output(const Spec& spec, const Output& output, Size input, const std::string& file) {
    const auto fail = [&](std::size_t level, const std::string& name, const std::string& shape) {
        throw Error(file + ": its output" + name + " is " + shape + ", but its spec says " +
                    spec.shape_words(level, input));
    };
    if (!spec.maps) {
        if (output.points != spec.point_count(input) || output.channels != spec.channels())
            fail(0, "", std::to_string(output.points) + " x " + std::to_string(output.channels));
        return;
    }
    for (std::size_t level = 0; level < spec.strides.size(); ++level) {
        const LevelMap& map = output.maps[level];
        const Size cells = Spec::level_size(input, spec.strides[level]);
        if (map.channels != spec.channels() || map.rows != std::size_t(cells.height) ||
            map.columns != std::size_t(cells.width))
            fail(level, " " + spec.output_names()[level],
                 std::to_string(map.channels) + " x " + std::to_string(map.rows) + " x " +
                     std::to_string(map.columns));
    }
}

Decoder::Decoder(const Spec& spec)
    : spec_(spec), exponentials_(spec.bins()), edge_values_(4 * spec.edge_values()) {
    if (spec.quality) quality_.emplace(*spec.quality, spec.bins());
}

const std::vector<Detection>& Decoder::decode(const Output& output, Size input,
                                              const Thresholds& thresholds,
                                              const std::string& file) {
    for (std::size_t point = 0; point < output.points; ++point)
        if (!all_finite(output.data + point * output.stride, output.channels))
            throw Error(file + ": its output holds values that are not finite numbers");
    for (std::size_t level = 0; spec_.maps && level < spec_.strides.size(); ++level)
        if (!all_finite(output.maps[level]))
            throw Error(file + ": its output " + spec_.output_names()[level] +
                        " holds values that are not finite numbers");
    const std::vector<float>& scores = thresholds.class_scores;
    const std::size_t classes = spec_.class_names.size();
    if (!scores.empty() && scores.size() != classes)
        throw Error("class_scores: must be " + std::to_string(classes) + ", one per class, not " +
                    std::to_string(scores.size()));
    scores_.assign(classes, thresholds.score);
    if (!scores.empty()) scores_ = scores;
    find_candidates(output, input);
    // ties in the order of the output, as a stable sort would leave them, but without its memory
    std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) {
        return a.confidence != b.confidence ? a.confidence > b.confidence : a.index < b.index;
    });
    limit_levels(thresholds.per_level);
    if (candidates_.size() > most_candidates) candidates_.resize(most_candidates);
    boxes_.clear();
    for (const Candidate& candidate : candidates_) add_box(output, input, candidate);
    suppress(thresholds);
    add_deviations(output);
    return kept_;
}

const std::vector<Detection>& Decoder::decode(const Output& output, const Placement& placement,
                                              Size picture, const Thresholds& thresholds,
                                              const std::string& file) {
    decode(output, placement.canvas, thresholds, file);
    const auto back = [](float at, double ratio, double shift, int side) {
        return static_cast<float>(std::clamp((double(at) - shift) / ratio, 0.0, double(side)));
    };
    for (Detection& box : kept_) {
        box.x1 = back(box.x1, placement.ratio_x, placement.shift_x, picture.width);
        box.y1 = back(box.y1, placement.ratio_y, placement.shift_y, picture.height);
        box.x2 = back(box.x2, placement.ratio_x, placement.shift_x, picture.width);
        box.y2 = back(box.y2, placement.ratio_y, placement.shift_y, picture.height);
        for (std::size_t side = 0; side < 4; ++side)
            box.edge_std[side] /= float(side % 2 == 0 ? placement.ratio_x : placement.ratio_y);
    }
    return kept_;
}

void Decoder::find_candidates(const Output& output, Size input) {
    const std::size_t classes = spec_.class_names.size();
    candidates_.clear();
    level_starts_.clear();
    std::size_t point = 0;
    for (std::size_t level = 0; level < spec_.strides.size(); ++level) {
        level_starts_.push_back(point);
        const Size cells = Spec::level_size(input, spec_.strides[level]);
        const std::size_t end =
            point + std::size_t(cells.width) * std::size_t(cells.height);
        if (spec_.maps) {
            find_in_map(output.maps[level], std::uint32_t(level));
            point = end;
        }
        for (; point < end; ++point) {
            const float* scores = output.data + point * output.stride;
            float quality = quality_ ? unknown : 1;
            for (std::size_t c = 0; c < classes; ++c) {
                if (!(scores[c] > scores_[c])) continue;
                // never above 1, so it is needed of these points alone
                if (quality == unknown) quality = (*quality_)(scores + classes);
                const float score = scores[c] * quality;
                if (score > scores_[c])
                    candidates_.push_back({score, std::uint32_t(level), point * classes + c});
            }
        }
    }
    if (spec_.maps && quality_) multiply_by_quality(output);
}

/// Adds the pairs of a map that score above the threshold of their class.
void Decoder::find_in_map(const LevelMap& map, std::uint32_t level) {
    constexpr std::size_t block = 32;  // few have such a pair: compilers vectorise the look at one
    const std::size_t classes = spec_.class_names.size(), count = map.rows * map.columns;
    for (std::size_t c = 0; c < classes; ++c) {
        const float* logits = map.data + c * map.step;
        const float threshold = scores_[c], lowest = logit_below(threshold);
        const auto add = [&](std::size_t from, std::size_t to) {
            for (std::size_t cell = from; cell < to; ++cell) {
                if (!(logits[cell] > lowest)) continue;
                const float score = sigmoid(logits[cell]);
                if (score > threshold)
                    candidates_.push_back({score, level, (level_starts_[level] + cell) * classes + c});
            }
        };
        std::size_t at = 0;
        for (; at + block <= count; at += block) {
            int found = 0;
            for (std::size_t i = 0; i < block; ++i) found |= int(logits[at + i] > lowest);
            if (found != 0) add(at, at + block);
        }
        add(at, count);
    }
}

/// Multiplies the scores of the candidates of maps by the quality of their points.
void Decoder::multiply_by_quality(const Output& output) {
    const std::size_t classes = spec_.class_names.size();
    std::sort(candidates_.begin(), candidates_.end(),
              [](const Candidate& a, const Candidate& b) { return a.index < b.index; });
    std::uint64_t point = none;
    float quality = unknown;
    std::size_t kept = 0;
    for (Candidate candidate : candidates_) {
        if (candidate.index / classes != point) {
            point = candidate.index / classes;
            quality = (*quality_)(edge_values(output, candidate));
        }
        candidate.confidence *= quality;
        if (candidate.confidence > scores_[candidate.index % classes]) candidates_[kept++] = candidate;
    }
    candidates_.resize(kept);
}

/// Keeps the best pairs of each level; the candidates are in order.
void Decoder::limit_levels(int per_level) {
    if (candidates_.size() <= std::size_t(per_level)) return;
    level_counts_.assign(spec_.strides.size(), 0);
    const auto too_many = [&](const Candidate& candidate) {
        return ++level_counts_[candidate.level] > std::size_t(per_level);
    };
    // not remove_if, which may call its predicate in any order
    std::size_t kept = 0;
    for (const Candidate& candidate : candidates_)
        if (!too_many(candidate)) candidates_[kept++] = candidate;
    candidates_.resize(kept);
}

void Decoder::add_box(const Output& output, Size input, const Candidate& candidate) {
    const std::size_t classes = spec_.class_names.size();
    const std::size_t point = std::size_t(candidate.index) / classes;
    const int stride = spec_.strides[candidate.level];
    const std::size_t columns = std::size_t(Spec::level_size(input, stride).width);
    const std::size_t cell = point - level_starts_[candidate.level];
    const std::size_t row = cell / columns, column = cell % columns;
    const auto x = static_cast<float>((double(column) + spec_.point_offset) * stride);
    const auto y = static_cast<float>((double(row) + spec_.point_offset) * stride);
    float edges[4];
    edge_distances(spec_, edge_values(output, candidate), exponentials_.data(), edges);
    for (float& edge : edges) edge *= float(stride);
    boxes_.push_back({x - edges[0], y - edges[1], x + edges[2], y + edges[3], candidate.confidence,
                      static_cast<int>(candidate.index % classes)});
}

/// Greedy NMS among rivals: the boxes of a class, or all.
void Decoder::suppress(const Thresholds& thresholds) {
    kept_.clear();
    kept_areas_.clear();
    const bool all_rivals = thresholds.class_agnostic_nms;
    last_kept_.assign(all_rivals ? 1 : spec_.class_names.size(), none);
    float origin = std::numeric_limits<float>::max();
    for (const Detection& box : boxes_) origin = std::min({origin, box.x1, box.y1});
    for (const Detection& box : boxes_) {
        if (kept_.size() == std::size_t(thresholds.per_picture)) return;
        std::size_t& last = last_kept_[all_rivals ? 0 : std::size_t(box.class_id)];
        const Area area{box.x1 - origin, box.y1 - origin, std::max(box.x2 - box.x1, thinnest),
                        std::max(box.y2 - box.y1, thinnest), last,
                        std::size_t(&box - boxes_.data())};
        bool overlaps = false;
        for (std::size_t k = last; k != none && !overlaps; k = kept_areas_[k].previous)
            overlaps = iou(kept_areas_[k], area) > thresholds.nms_iou;
        if (overlaps) continue;
        last = kept_.size();
        kept_.push_back(box);
        kept_areas_.push_back(area);
    }
}

/// Gives the kept boxes the standard deviations of their edges.
void Decoder::add_deviations(const Output& output) {
    for (std::size_t i = 0; i < kept_.size(); ++i) {
        const Candidate& candidate = candidates_[kept_areas_[i].candidate];
        float* deviations = kept_[i].edge_std;
        edge_deviations(spec_, edge_values(output, candidate), exponentials_.data(), deviations);
        const std::size_t level = candidate.level;
        float unit = float(spec_.strides[level]);
        if (!spec_.edge_std_factors.empty()) unit *= spec_.edge_std_factors[level];
        for (std::size_t side = 0; side < 4; ++side) deviations[side] *= unit;
    }
}

/// Returns the values behind the class scores of a candidate's point; valid until the next call.
const float* Decoder::edge_values(const Output& output, const Candidate& candidate) {
    const std::size_t classes = spec_.class_names.size();
    const std::size_t point = std::size_t(candidate.index) / classes;
    if (!spec_.maps) return output.data + point * output.stride + classes;
    const LevelMap& map = output.maps[candidate.level];
    const float* value = map.data + classes * map.step + point - level_starts_[candidate.level];
    for (float& edge : edge_values_) {
        edge = *value;
        value += map.step;
    }
    return edge_values_.data();
}

}  // namespace nanodet
