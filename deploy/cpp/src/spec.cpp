#include "nanodet/spec.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "files.h"
#include "json_keys.h"
#include "nanodet/error.h"

namespace nanodet {

namespace {

constexpr int most_bins = 1025;  // of an edge's distribution
constexpr std::size_t longest_name = 1000;  // bytes
constexpr int most = 1'000'000'000;  // candidates or boxes
constexpr std::uintmax_t longest_spec = 64U << 20;  // bytes

bool is_sha256(const nlohmann::json& value) {
    if (!value.is_string()) return false;
    const auto& digits = value.get_ref<const std::string&>();
    return digits.size() == 64 && std::all_of(digits.begin(), digits.end(), [](char digit) {
               return (digit >= '0' && digit <= '9') || (digit >= 'a' && digit <= 'f');
           });
}

bool within(double value, double low, double high) {
    return low <= value && value <= high;
}

bool all_within(const std::vector<double>& values, double low, double high) {
    return std::all_of(values.begin(), values.end(),
                       [=](double value) { return within(value, low, high); });
}

bool ascend(const std::vector<int>& values) {
    return std::adjacent_find(values.begin(), values.end(), std::greater_equal<>()) == values.end();
}

std::vector<float> floats(const std::vector<double>& values) {
    return {values.begin(), values.end()};
}

std::array<float, 3> three(const std::vector<double>& values) {
    return {float(values[0]), float(values[1]), float(values[2])};
}

/// Throws `Error` unless it is so; ``key`` and ``rule`` say what must be.
using Require = std::function<void(bool fine, const std::string& key, const std::string& rule)>;

/// Reads ``output.quality`` of a model whose edges have so many bins.
Quality read_quality(const JsonKeys& keys, int bins, const Require& require) {
    Quality quality;
    quality.topk = keys.whole("topk");
    quality.hidden = keys.whole("hidden");
    require(within(quality.topk, 1, bins), "output.quality.topk",
            "be 1 to " + std::to_string(bins) + ", the number of bins");
    require(within(quality.hidden, 1, 4096), "output.quality.hidden", "be 1 to 4096");
    const auto check = [&](const std::string& key, const std::vector<double>& values, int count) {
        require(values.size() == std::size_t(count), "output.quality." + key,
                "have " + std::to_string(count) + " numbers");
        require(all_within(values, -1e6, 1e6), "output.quality." + key, "be -1000000 to 1000000");
        return floats(values);
    };
    const auto list = [&](const std::string& key, int count) {
        return check(key, keys.numbers(key), count);
    };
    quality.hidden_weight = list("hidden_weight", quality.hidden * 4 * (quality.topk + 1));
    quality.hidden_bias = list("hidden_bias", quality.hidden);
    quality.output_weight = list("output_weight", quality.hidden);
    quality.output_bias = check("output_bias", {keys.number("output_bias")}, 1)[0];
    return quality;
}

constexpr BoxForm known_forms[] = {BoxForm::distributions, BoxForm::distances, BoxForm::gaussians};

/// Reads ``output.form``; readers of formats before 4 do not know all.
///
/// @returns whether it is ``boxes``
bool read_form(const std::string& text, int format, BoxForm& form, const Require& require) {
    std::string names;
    bool fine = text == "boxes";
    for (BoxForm known : known_forms) {
        if (format < 4 && known != BoxForm::distributions) continue;
        names += name_of(known) + std::string(", ");
        if (text != name_of(known)) continue;
        form = known;
        fine = true;
    }
    require(fine, "output.form", "be one of " + names + "boxes");
    return text == "boxes";
}

/// Says why the bins 0, spacing, 2 spacing, .. do not end at reg_max; empty where they do.
std::string problem_of_bins(double spacing, int reg_max) {
    const std::string largest = std::to_string(reg_max);
    if (!(spacing > 0 && spacing <= reg_max)) return "must be above 0 and at most reg_max, " + largest;
    const double steps = reg_max / spacing;
    if (steps >= most_bins)
        return "makes more than " + std::to_string(most_bins) + " bins of reg_max " + largest;
    // 0.1 is not exact in binary
    const bool whole = std::abs(steps - std::round(steps)) <= 1e-6;
    return whole ? "" : "reg_max, " + largest + ", must be a whole multiple of it";
}

}  // namespace

const char* name_of(BoxForm form) {
    return form == BoxForm::distributions ? "distributions"
           : form == BoxForm::distances   ? "distances"
                                          : "gaussians";
}

std::vector<std::string> Spec::output_names() const {
    if (!maps) return {output_name};
    std::vector<std::string> names;
    for (int stride : strides) names.push_back(output_name + "_" + std::to_string(stride));
    return names;
}

bool Spec::leaves_out(const std::string& output) const {
    const std::string start = output_name + "_";
    if (!maps || output.size() == start.size() || output.rfind(start, 0) != 0 ||
        output.find_first_not_of("0123456789", start.size()) != std::string::npos)
        return false;
    const std::vector<std::string> names = output_names();
    return std::find(names.begin(), names.end(), output) == names.end();
}

std::size_t Spec::bins() const {
    return static_cast<std::size_t>(std::lround(reg_max / bin_spacing)) + 1;
}

std::size_t Spec::edge_values() const {
    return form == BoxForm::distributions ? bins() : form == BoxForm::distances ? 1 : 2;
}

Size Spec::level_size(Size input, int stride) {
    return {(input.width + stride - 1) / stride, (input.height + stride - 1) / stride};
}

std::size_t Spec::point_count(Size input) const {
    std::size_t points = 0;
    for (int stride : strides) {
        const Size level = level_size(input, stride);
        points += std::size_t(level.width) * std::size_t(level.height);
    }
    return points;
}

std::string Spec::shape_words(std::size_t level, Size input) const {
    const auto times = [](auto a, auto b) { return std::to_string(a) + " x " + std::to_string(b); };
    const Size cells = level_size(input, strides[level]);
    std::string text = maps ? "" : std::to_string(point_count(input)) + " points x ";
    text += std::to_string(channels()) + " (" + std::to_string(class_names.size()) +
            " classes + " + times(4, edge_values()) + ")";
    if (maps) text += " x " + times(cells.height, cells.width);
    return text + " at " + times(input.width, input.height);
}

Spec parse_spec(const std::string& text, const std::string& file) {
    const nlohmann::json json = parse_json(text, file, "this spec");
    const JsonKeys top(json, file);
    const int format = top.whole("format");
    if (format < 1 || format > 6)
        throw Error(file + ": format: " + std::to_string(format) +
                    " is not known; this version reads 1, 2, 3, 4, 5 and 6");
    const JsonKeys into = top.object("input"), out = top.object("output");
    const JsonKeys limits = top.object("thresholds");
    if (json["input"].contains("batch") && into.whole("batch") != 1)
        throw Error(file + ": input.batch: the model takes " +
                    std::to_string(into.whole("batch")) + " images at once, this library one: export without --batch");
    // keys of formats 2 to 6, so a reader of lower formats does not look at them
    const std::string form = format >= 2 ? out.text("form") : "distributions";
    const Require require = [&](bool fine, const std::string& key, const std::string& rule) {
        if (!fine) throw Error(file + ": " + key + ": must " + rule);
    };
    const auto has_four = [&](const JsonKeys& keys, const std::string& key) {
        return format >= 4 && keys.raw().contains(key);
    };

    Spec spec;
    spec.class_names = top.texts("class_names");
    spec.model = top.text("model");
    spec.input_name = into.text("name");
    spec.input_size = {into.whole("width"), into.whole("height")};
    spec.any_size = into.flag("any_size");
    const std::string fit = into.text("fit"), order = into.text("colour_order");
    const std::vector<double> mean = into.numbers("mean"), std = into.numbers("std");
    spec.output_name = out.text("name");
    spec.boxes = read_form(form, format, spec.form, require);
    if (spec.boxes) {
        out.text("scores");
        out.text("labels");
    }
    const std::string layout = format >= 5 && out.raw().contains("layout") ? out.text("layout") : "rows";
    spec.maps = layout == "maps";
    spec.strides = out.wholes("strides");
    spec.reg_max = out.whole("reg_max");
    spec.point_offset = out.number("point_offset");
    spec.score = limits.number("score");
    spec.nms_iou = limits.number("nms_iou");
    spec.per_level = limits.whole("per_level");
    spec.per_picture = limits.whole("per_picture");
    spec.class_agnostic_nms = format == 3 || has_four(limits, "class_agnostic_nms")
                                  ? limits.flag("class_agnostic_nms")
                                  : false;
    if (top.raw().contains("rewriting")) top.object("rewriting");
    const JsonKeys files = top.object("files");
    top.object("source");
    top.object("measured");

    const std::size_t classes = spec.class_names.size();
    const Size size = spec.input_size;
    const bool shorts = std::all_of(spec.class_names.begin(), spec.class_names.end(),
                                    [](const std::string& name) { return name.size() <= longest_name; });
    require(within(double(classes), 1, 65536) && shorts, "class_names",
            "name 1 to 65536 classes, each in at most " + std::to_string(longest_name) + " bytes");
    require(parse_fit(fit, spec.fit), "input.fit", "be one of own, letterbox, stretch");
    require(order == "bgr" || order == "rgb", "input.colour_order", "be bgr or rgb");
    require(mean.size() == 3 && all_within(mean, -1e4, 1e4), "input.mean",
            "have three values, -10000 to 10000");
    require(std.size() == 3 && all_within(std, 1e-3, 1e4), "input.std",
            "have three values, 0.001 to 10000");
    require(within(size.width, 32, 16384), "input.width", "be 32 to 16384");
    require(within(size.height, 32, 16384), "input.height", "be 32 to 16384");
    require(layout == "rows" || (spec.maps && !spec.boxes), "output.layout",
            spec.boxes ? "be rows" : "be one of rows, maps");
    require(within(double(spec.strides.size()), 1, 16) && ascend(spec.strides) &&
                spec.strides.front() >= 1 && spec.strides.back() <= 1024,
            "output.strides", "be 1 to 16 ascending whole numbers, 1 to 1024");
    require(within(spec.reg_max, 1, 256), "output.reg_max", "be 1 to 256");
    if (has_four(out, "bin_spacing")) {
        spec.bin_spacing = out.number("bin_spacing");
        const std::string problem = problem_of_bins(spec.bin_spacing, spec.reg_max);
        if (!problem.empty()) throw Error(file + ": output.bin_spacing: " + problem);
    }
    if (has_four(out, "quality")) {
        const JsonKeys quality = out.object("quality");
        if (form != "distributions")
            throw Error(file + ": output.quality: is for the form distributions only");
        spec.quality = read_quality(quality, int(spec.bins()), require);
    }
    if (out.raw().contains("edge_std_factors")) {
        const std::vector<double> factors = out.numbers("edge_std_factors");
        require(factors.size() == spec.strides.size() && all_within(factors, 1e-6, 1e6),
                "output.edge_std_factors",
                "be " + std::to_string(spec.strides.size()) +
                    " numbers, one per stride, each 0.000001 to 1000000");
        spec.edge_std_factors = floats(factors);
    }
    require(within(spec.point_offset, -16, 16), "output.point_offset", "be -16 to 16");
    require(within(spec.score, 0, 1), "thresholds.score", "be 0 to 1");
    require(within(spec.nms_iou, 0, 1), "thresholds.nms_iou", "be 0 to 1");
    const std::string count = "be 1 to " + std::to_string(most);
    require(within(spec.per_level, 1, most), "thresholds.per_level", count);
    require(within(spec.per_picture, 1, most), "thresholds.per_picture", count);
    if (format >= 6 && limits.raw().contains("class_scores")) {
        const std::vector<double> scores = limits.numbers("class_scores");
        require(scores.size() == classes && all_within(scores, 0, 1), "thresholds.class_scores",
                "be " + std::to_string(classes) + " numbers, one per class, each 0 to 1");
        if (spec.boxes && spec.class_agnostic_nms)
            throw Error(file + ": thresholds.class_scores: a model with class-agnostic NMS in its graph "
                               "takes one score for all classes");
        spec.class_scores = floats(scores);
    }
    for (const auto& [name, hash] : files.raw().items()) {
        require(is_sha256(hash), "files",
                "give a SHA-256 of 64 hexadecimal digits for each name");
        spec.files[name] = hash.get<std::string>();
    }
    spec.mean = three(mean);
    spec.std = three(std);
    spec.rgb = order == "rgb";
    return spec;
}

Spec load_spec(const std::string& path) {
    return parse_spec(read_file(path, "this spec", longest_spec), path);
}

}  // namespace nanodet
