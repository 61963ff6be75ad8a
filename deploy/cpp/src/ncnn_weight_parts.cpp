#include "ncnn_weight_parts.h"

#include <algorithm>
#include <limits>
#include <map>

#include "nanodet/error.h"
#include "ncnn_rules.h"

namespace nanodet {

namespace {

using Parts = std::vector<NcnnPart>;

Parts of_convolution(const NcnnLayer& layer, const std::string& where) {
    const bool inner = layer.kind == "InnerProduct", deconvolves = layer.kind[0] == 'D';
    const int outputs = layer.whole(0), count = layer.whole(inner ? 2 : 6);
    if (outputs < 1 || count < outputs || count % outputs)
        throw Error(where + ": " + std::to_string(count) + " weights cannot make " +
                    std::to_string(outputs) + " outputs");
    Parts parts = {{"weight", count, true}};
    if (layer.whole(inner ? 1 : 5)) parts.push_back({"bias", outputs});
    const int term = deconvolves ? 0 : layer.whole(8);
    if (!term) return parts;
    int scales = outputs;
    if (layer.kind == "ConvolutionDepthWise") scales = term % 100 == 1 ? layer.whole(7, 1) : 1;
    parts.push_back({"weight_scales", scales});
    parts.push_back({"input_scale", 1});
    if (term > 100 && !inner) parts.push_back({"output_scale", 1});
    return parts;
}

Parts of_batch_norm(const NcnnLayer& layer, const std::string& /*where*/) {
    const int count = layer.whole(0);
    return {{"slope", count}, {"mean", count}, {"variance", count}, {"bias", count}};
}

Parts of_scale(const NcnnLayer& layer, const std::string& /*where*/) {
    Parts parts = {{"scale", layer.whole(0)}};
    if (layer.whole(1)) parts.push_back({"bias", layer.whole(0)});
    return parts;
}

Parts of_slope(const NcnnLayer& layer, const std::string& /*where*/) {
    return {{"slope", layer.whole(0)}};
}

Parts of_bias(const NcnnLayer& layer, const std::string& /*where*/) {
    return {{"bias", layer.whole(0)}};
}

Parts of_padding(const NcnnLayer& layer, const std::string& /*where*/) {
    return layer.whole(6) ? Parts{{"value", layer.whole(6)}} : Parts{};
}

Parts of_norm(const NcnnLayer& layer, const std::string& /*where*/) {
    const bool groups = layer.kind == "GroupNorm";
    if (!layer.whole(groups ? 3 : 2, 1)) return {};
    const int count = layer.whole(groups ? 1 : 0);
    Parts parts = {{"gamma", count}};
    if (layer.kind != "RMSNorm") parts.push_back({"beta", count});
    return parts;
}

Parts of_constant(const NcnnLayer& layer, const std::string& /*where*/) {
    const double count = count_of(constant_shape(layer));  // its memory has been checked
    return {{"weight", std::int64_t(std::min(std::max(count, -1.0), 1e15)), layer.whole(21, 1) == 0}};
}

Parts of_gemm(const NcnnLayer& layer, const std::string& /*where*/) {
    const std::int64_t rows = layer.whole(7), columns = layer.whole(8), inner = layer.whole(9);
    Parts parts;
    if (layer.whole(4)) parts.push_back({"a", rows * inner, true});
    if (layer.whole(5)) parts.push_back({"b", columns * inner, true});
    const int kind = layer.whole(10);
    if (layer.whole(6) && kind != -1) {
        const std::int64_t counts[] = {1, rows, rows, rows * columns, columns};
        parts.push_back({"c", counts[kind], true});
    }
    return parts;
}

Parts of_attention(const NcnnLayer& layer, const std::string& where) {
    const std::int64_t embedded = layer.whole(0), count = layer.whole(2);
    if (embedded < 1 || count % embedded)
        throw Error(where + ": " + std::to_string(count) + " weights cannot make " +
                    std::to_string(embedded) + " outputs");
    const std::int64_t key = embedded * layer.whole(3, int(embedded));
    const std::int64_t value = embedded * layer.whole(4, int(embedded));
    return {{"query", count, true}, {"query_bias", embedded}, {"key", key, true},
            {"key_bias", embedded}, {"value", value, true},   {"value_bias", embedded},
            {"weight", count, true}, {"bias", count / embedded}};
}

const std::map<std::string, Parts (*)(const NcnnLayer&, const std::string&)> kept_by = {
    {"Convolution", of_convolution},
    {"ConvolutionDepthWise", of_convolution},
    {"Deconvolution", of_convolution},
    {"DeconvolutionDepthWise", of_convolution},
    {"InnerProduct", of_convolution},
    {"BatchNorm", of_batch_norm},
    {"Scale", of_scale},
    {"PReLU", of_slope},
    {"Bias", of_bias},
    {"Padding", of_padding},
    {"LayerNorm", of_norm},
    {"GroupNorm", of_norm},
    {"InstanceNorm", of_norm},
    {"RMSNorm", of_norm},
    {"MemoryData", of_constant},
    {"Gemm", of_gemm},
    {"MultiHeadAttention", of_attention},
};

}  // namespace

std::vector<NcnnPart> layout(const NcnnLayer& layer, const std::string& where) {
    const auto kind = kept_by.find(layer.kind);
    if (kind == kept_by.end()) return {};
    Parts parts = kind->second(layer, where);
    for (const NcnnPart& part : parts)
        if (part.count < 1 || part.count > std::numeric_limits<int>::max())
            throw Error(where + ": " + std::to_string(part.count) + " values of " + part.name +
                        " cannot be");
    return parts;
}

}  // namespace nanodet
