#include "ncnn_shapes.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "nanodet/error.h"
#include "ncnn_parameters.h"
#include "ncnn_rules.h"

namespace nanodet {

namespace {

constexpr double most_bytes = 2147483648.0;  // that the blobs alive at one time may take
constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

Shapes made_by(const Step& step) {
    for (const Rules* rules : {&map_rules, &form_rules, &product_rules}) {
        const auto rule = rules->find(step.layer.kind);
        if (rule != rules->end()) return rule->second(step);
    }
    step.refuse();
}

/// Tells whether a layer may have other than one output.
bool may_split(const std::string& kind) {
    return kind == "Split" || kind == "Slice" || kind == "Noop";
}

/// Returns the least and the most inputs of a layer.
std::pair<std::size_t, std::size_t> counts_of(const NcnnLayer& layer) {
    const std::string& kind = layer.kind;
    const bool attends = kind == "MultiHeadAttention" || kind == "SDPA";
    const std::size_t masked = attends && layer.whole(5) ? 1 : 0;
    if (kind == "Concat" || kind == "Noop") return {1, no_limit};
    if (kind == "Eltwise") return {2, no_limit};
    if (kind == "MatMul") return {2, 2};
    if (kind == "MemoryData") return {0, 0};
    if (kind == "SDPA") return {3 + masked, 3 + masked};
    if (kind == "MultiHeadAttention") return {1 + masked, 3 + masked};
    if (kind == "Gemm") {
        const auto matrices = std::size_t(2 - layer.whole(4) - layer.whole(5));
        return {std::max<std::size_t>(matrices, 1), matrices + 1 - std::size_t(layer.whole(6))};
    }
    if (kind == "BinaryOp" && !layer.whole(1)) return {2, 2};
    return {1, 1};
}

/// Checks the number of inputs; that of outputs is checked with the shapes.
void check_count(const Step& step, bool known) {
    const std::size_t found = step.given.size();
    const auto [least, most] = known ? counts_of(step.layer) : std::make_pair(std::size_t(1), no_limit);
    if (found < least || found > most)
        step.fail(step.layer.kind + " cannot work on " + std::to_string(found) + " inputs");
    if (!known && step.layer.outputs.empty()) step.fail(step.layer.kind + " has no outputs");
}

bool has_unknown(const Shapes& shapes) {
    return std::any_of(shapes.begin(), shapes.end(),
                       [](const Shape& shape) { return shape.empty(); });
}

/// Returns the bytes that a layer may take while it works, beside its inputs and outputs.
double workspace(const Step& step, const Shapes& made) {
    const std::string& kind = step.layer.kind;
    if (has_unknown(step.given) || has_unknown(made)) return 0;
    const auto kernel = [&] { return double(step.whole(1)) * step.whole(11, step.whole(1)); };
    if (kind == "Convolution")  // unfolds its input
        return 4 * double(step.given[0][0]) * kernel() * double(made[0][1]) * double(made[0][2]);
    if (kind == "Deconvolution")  // folds its output
        return 4 * double(step.whole(0)) * kernel() * double(step.given[0][1]) *
               double(step.given[0][2]);
    if (kind == "MatMul" || kind == "Gemm" || kind == "InnerProduct")  // turns or packs them
        return bytes_of(step.given);
    if (kind == "SDPA")
        return 4 * double(step.given[0][0]) * double(step.given[0][1]) * double(step.given[1][1]) +
               bytes_of(step.given);
    if (kind == "MultiHeadAttention") {
        double most = 0;
        for (const Shape& shape : step.given) most = std::max(most, double(shape[0]));
        const auto rows = double(step.given[0][0]);
        return 4 * step.whole(1, 1) * rows * most + 4 * double(step.whole(0)) * (rows + 3 * most);
    }
    return 0;
}

/// Keeps book of the blobs that a convolution leaves in int8; few layers can take those.
void follow_int8(const Step& step, std::set<std::string>& blobs) {
    const NcnnLayer& layer = step.layer;
    const bool quantises =
        (layer.kind == "Convolution" || layer.kind == "ConvolutionDepthWise") && step.whole(8);
    const auto taken = std::find_if(layer.inputs.begin(), layer.inputs.end(),
                                    [&](const std::string& blob) { return blobs.count(blob); });
    const bool takes = taken != layer.inputs.end(), splits = layer.kind == "Split";
    if (takes && !splits && !quantises)
        step.fail(layer.kind + " cannot work on " + *taken + ", which is int8");
    if ((quantises && step.whole(8) > 100) || (takes && splits))
        blobs.insert(layer.outputs.begin(), layer.outputs.end());
}

}  // namespace

std::map<std::string, Shape> blob_shapes(const NcnnGraph& graph, const Shape& input,
                                         const std::string& file, const HasLayer& others) {
    std::map<std::string, Shape> shapes;
    std::set<std::string> quantised;
    double alive = 0;
    for (const NcnnLayer& layer : graph.layers) {
        Shapes given;
        for (const std::string& blob : layer.inputs) given.push_back(shapes.at(blob));
        const Step step{layer, given, file + ": layer " + layer.name};
        const bool known = is_known(layer.kind) || !others || !others(layer.kind);
        if (known) check_parameters(layer, step.where);
        Shapes made = {input};
        if (layer.kind != "Input") {
            check_count(step, known);
            if (known && !has_unknown(given))
                made = made_by(step);
            else
                made = Shapes(known && !may_split(layer.kind) ? 1 : layer.outputs.size());
        }
        const bool fine = made.size() == layer.outputs.size() &&
                          std::all_of(made.begin(), made.end(), [](const Shape& shape) {
                              return std::all_of(shape.begin(), shape.end(),
                                                 [](std::int64_t side) { return side > 0; });
                          });
        if (!fine) step.refuse();
        const double bytes = bytes_of(made), needed = alive + bytes + workspace(step, made);
        if (needed > most_bytes) {
            const auto tenths = std::to_string(std::llround(std::min(needed / 1e8, 1e15)));
            const std::string padded = tenths.size() < 2 ? "0" + tenths : tenths;
            step.fail("would need " + padded.substr(0, padded.size() - 1) + "." + padded.back() +
                      " GB of memory");
        }
        alive += bytes - bytes_of(given);
        for (std::size_t i = 0; i < made.size(); ++i) shapes[layer.outputs[i]] = made[i];
        follow_int8(step, quantised);
    }
    for (const std::string& blob : graph.outputs())
        if (quantised.count(blob)) throw Error(file + ": " + blob + ": is left in int8");
    return shapes;
}

std::string text_of(const Shape& shape) {
    std::string text;
    for (std::size_t i = 0; i < shape.size(); ++i)
        text += (i ? " x " : "") + std::to_string(shape[i]);
    return text.empty() ? "one number" : text;
}

}  // namespace nanodet
