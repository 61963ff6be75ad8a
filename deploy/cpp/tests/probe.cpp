/// Lets a test call the library: answers requests on stdin until it ends.
///
/// A request is one JSON line with ``do`` and ``bytes``, then that many bytes; so is an answer. A
/// nanodet::Error is the answer ``{"error": LINE}``.
#include <atomic>
#include <cstring>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "nanodet/decode.h"
#include "nanodet/detector.h"
#include "nanodet/error.h"
#include "nanodet/json_lines.h"
#include "nanodet/preprocess.h"
#include "nanodet/sha256.h"
#include "nanodet/spec.h"
#include "nanodet/yuv.h"
#include "ncnn_model.h"

extern std::atomic<long> allocations;  // of operator new, see count_allocations.cpp

namespace {

using nanodet::Error;
using nlohmann::json;

struct Answer {
    json head;
    std::string bytes;
};

template <typename Value>
std::string bytes_of(const Value* values, std::size_t count) {
    return {reinterpret_cast<const char*>(values), count * sizeof(Value)};
}

nanodet::Spec spec_of(const json& request) {
    return nanodet::parse_spec(request.at("spec").get<std::string>(), "spec.json");
}

nanodet::Size size_of(const json& pair) {
    return {pair.at(0), pair.at(1)};
}

nanodet::PixelFormat format_of(const std::string& name) {
    const std::map<std::string, nanodet::PixelFormat> formats = {
        {"bgr", nanodet::PixelFormat::bgr},   {"rgb", nanodet::PixelFormat::rgb},
        {"bgra", nanodet::PixelFormat::bgra}, {"rgba", nanodet::PixelFormat::rgba},
        {"gray", nanodet::PixelFormat::gray}};
    return formats.at(name);
}

nanodet::Fit fit_of(const json& request) {
    nanodet::Fit fit{};
    if (!nanodet::parse_fit(request.at("fit"), fit)) throw Error("fit: unknown");
    return fit;
}

nanodet::Thresholds thresholds_of(const nanodet::Spec& spec) {
    return {float(spec.score), float(spec.nms_iou), spec.per_level, spec.per_picture,
            spec.class_agnostic_nms, spec.class_scores};
}

nanodet::Picture picture_of(const json& request, const std::string& bytes) {
    return {reinterpret_cast<const std::uint8_t*>(bytes.data()), request.at("width"),
            request.at("height"), request.at("stride"), format_of(request.at("format"))};
}

json to_json(const nanodet::Placement& p) {
    return {{"ratio", {p.ratio_x, p.ratio_y}},
            {"shift", {p.shift_x, p.shift_y}},
            {"content", {p.content.width, p.content.height}},
            {"canvas", {p.canvas.width, p.canvas.height}}};
}

/// Detections as ten floats each.
std::string rows_of(const std::vector<nanodet::Detection>& detections) {
    std::vector<float> rows;
    for (const auto& d : detections)
        rows.insert(rows.end(), {d.x1, d.y1, d.x2, d.y2, d.confidence, float(d.class_id),
                                 d.edge_std[0], d.edge_std[1], d.edge_std[2], d.edge_std[3]});
    return bytes_of(rows.data(), rows.size());
}

json to_json(const std::optional<nanodet::Quality>& quality) {
    if (!quality) return {};
    return {{"topk", quality->topk}, {"hidden", quality->hidden},
            {"hidden_weight", quality->hidden_weight}, {"hidden_bias", quality->hidden_bias},
            {"output_weight", quality->output_weight}, {"output_bias", quality->output_bias}};
}

Answer read_spec(const json&, const std::string& bytes) {
    const nanodet::Spec s = nanodet::parse_spec(bytes, "spec.json");
    return {{{"class_names", s.class_names}, {"model", s.model}, {"input_name", s.input_name},
             {"input_size", {s.input_size.width, s.input_size.height}}, {"any_size", s.any_size},
             {"fit", nanodet::name_of(s.fit)}, {"colour_order", s.rgb ? "rgb" : "bgr"},
             {"mean", s.mean}, {"std", s.std}, {"output_name", s.output_name},
             {"form", s.boxes ? "boxes" : nanodet::name_of(s.form)},
             {"layout", s.maps ? "maps" : "rows"}, {"strides", s.strides},
             {"reg_max", s.reg_max}, {"bin_spacing", s.bin_spacing},
             {"edge_std_factors", s.edge_std_factors.empty() ? json() : json(s.edge_std_factors)},
             {"quality", to_json(s.quality)}, {"point_offset", s.point_offset}, {"score", s.score},
             {"nms_iou", s.nms_iou}, {"per_level", s.per_level}, {"per_picture", s.per_picture},
             {"class_agnostic_nms", s.class_agnostic_nms},
             {"class_scores", s.class_scores.empty() ? json() : json(s.class_scores)},
             {"files", s.files}}, ""};
}

Answer preprocess(const json& request, const std::string& bytes) {
    nanodet::Preprocessor preprocessor(spec_of(request), fit_of(request),
                                       size_of(request.at("size")));
    const nanodet::Picture picture = picture_of(request, bytes);
    const json placement = to_json(preprocessor.run(picture));
    preprocessor.run(picture);  // a second time, with the memory of the first
    const auto& tensor = preprocessor.tensor();
    return {{{"placement", placement}}, bytes_of(tensor.data(), tensor.size())};
}

Answer decode(const json& request, const std::string& bytes) {
    const nanodet::Spec spec = spec_of(request);
    const nanodet::Size size = size_of(request.at("size"));
    const std::size_t channels = request.value("channels", spec.channels());
    std::vector<float> values(bytes.size() / sizeof(float));
    std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
    nanodet::Output output;
    if (!spec.maps) output = {values.data(), values.size() / channels, channels, channels, {}};
    const float* next = values.data();
    for (std::size_t i = 0; spec.maps && i < spec.strides.size(); ++i) {
        // channels, rows, columns, floats from plane to plane
        const std::vector<std::size_t> sides = request.at("maps").at(i);
        output.maps[i] = {next, sides[0], sides[1], sides[2], sides[3]};
        next += sides[0] * sides[3];
    }
    nanodet::check_output(spec, output, size, "model");
    nanodet::Decoder decoder(spec);
    const nanodet::Thresholds thresholds = thresholds_of(spec);
    const bool back = request.contains("picture");
    const auto run = [&]() -> const std::vector<nanodet::Detection>& {
        if (!back) return decoder.decode(output, size, thresholds, "model");
        const nanodet::Size picture = size_of(request.at("picture"));
        return decoder.decode(output, nanodet::place(spec.fit, picture, size), picture,
                              thresholds, "model");
    };
    run();
    const long before = allocations;
    const auto& found = run();
    const long second = allocations - before;
    return {{{"allocations", second}}, rows_of(found)};
}

Answer detect(const json& request, const std::string& bytes) {
    nanodet::DetectorOptions options;
    options.threads = 1;
    nanodet::Detector detector(request.at("model"), options);
    const nanodet::Picture picture = picture_of(request, bytes);
    const auto& found = detector.detect(picture);
    return {{{"line", nanodet::to_json_line(detector.spec(), found, request.at("source"),
                                            {picture.width, picture.height}, {}, {})}},
            rows_of(found)};
}

Answer to_bgr(const json& request, const std::string& bytes) {
    nanodet::Yuv420 frame;
    frame.width = request.at("width");
    frame.height = request.at("height");
    const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
    frame.y = data + request.at("y").get<std::size_t>();
    frame.u = data + request.at("u").get<std::size_t>();
    frame.v = data + request.at("v").get<std::size_t>();
    frame.y_stride = request.at("y_stride");
    frame.u_stride = frame.v_stride = request.at("chroma_stride");
    frame.u_step = frame.v_step = request.at("chroma_step");
    std::vector<std::uint8_t> bgr;
    const nanodet::Picture picture = nanodet::to_bgr(frame, request.at("turn"), bgr);
    return {{{"width", picture.width}, {"height", picture.height}}, bytes_of(bgr.data(), bgr.size())};
}

Answer digest(const json&, const std::string& bytes) {
    return {{{"sha256", nanodet::sha256(bytes.data(), bytes.size())}}, ""};
}

/// Checks a .param and the files beside it as the ncnn engine does before it loads them.
Answer check_ncnn(const json& request, const std::string&) {
    nanodet::NcnnModel model = nanodet::NcnnModel::load(request.at("model"));
    model.check_size(size_of(request.at("size")));
    return {{{"layers", model.graph.layers.size()}}, ""};
}

Answer answer(const json& request, const std::string& bytes) {
    const std::map<std::string, Answer (*)(const json&, const std::string&)> known = {
        {"spec", read_spec}, {"preprocess", preprocess}, {"decode", decode},
        {"detect", detect},  {"to_bgr", to_bgr},         {"sha256", digest},
        {"check_ncnn", check_ncnn}};
    try {
        return known.at(request.at("do"))(request, bytes);
    } catch (const Error& error) {
        return {{{"error", error.what()}}, ""};
    }
}

}  // namespace

int main() {
    std::string line;
    while (std::getline(std::cin, line)) {
        const json request = json::parse(line);
        std::string bytes(request.at("bytes").get<std::size_t>(), '\0');
        std::cin.read(bytes.data(), std::streamsize(bytes.size()));
        Answer reply = answer(request, bytes);
        reply.head["bytes"] = reply.bytes.size();
        std::cout << reply.head.dump(-1, ' ', false, json::error_handler_t::replace) << '\n'
                  << reply.bytes << std::flush;
    }
}
