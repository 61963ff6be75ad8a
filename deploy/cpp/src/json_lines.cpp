#include "nanodet/json_lines.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "printable.h"

namespace nanodet {

namespace {

/// Rounds to some decimals; JSON then has the shortest text that means this number.
double rounded(float value, double unit) {
    return std::round(double(value) * unit) / unit;
}

}  // namespace

std::string to_json_line(const Spec& spec, const std::vector<Detection>& detections,
                         const std::string& source, Size picture, std::optional<long> frame,
                         std::optional<double> time_s, bool edge_std) {
    using nlohmann::ordered_json;
    ordered_json line;
    line["source"] = source;
    line["frame"] = frame ? ordered_json(*frame) : ordered_json();
    line["time_s"] = time_s ? ordered_json(*time_s) : ordered_json();
    line["width"] = picture.width;
    line["height"] = picture.height;
    line["detections"] = ordered_json::array();
    for (const Detection& found : detections) {
        ordered_json one;
        one["class_id"] = found.class_id;
        one["class_name"] = spec.class_names.at(std::size_t(found.class_id));
        one["confidence"] = rounded(found.confidence, 1e5);
        for (float side : {found.x1, found.y1, found.x2, found.y2})
            one["xyxy"].push_back(rounded(side, 1e2));
        if (edge_std)
            for (float side : found.edge_std) one["edge_std"].push_back(rounded(side, 1e2));
        line["detections"].push_back(std::move(one));
    }
    // file names need not be UTF-8
    return printable_json(line.dump(-1, ' ', false, ordered_json::error_handler_t::replace));
}

}  // namespace nanodet
