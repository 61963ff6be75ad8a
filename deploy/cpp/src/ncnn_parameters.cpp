#include "ncnn_parameters.h"

#include <algorithm>
#include <map>
#include <set>

#include "nanodet/error.h"
#include "split.h"

namespace nanodet {

namespace {

using Keys = std::set<int>;

constexpr int shape_hints = 30, features = 31;  // keys that every layer may have
constexpr int far = 1 << 14;  // kernels, strides, dilations and pads in pixels

/// The keys of whole numbers, of numbers, of arrays of whole numbers and of arrays of numbers.
struct Known {
    Keys whole, number, whole_arrays, number_arrays;
};

const std::map<std::string, Known> known_kinds = {
    {"Input", {{0, 1, 2, 11}, {}, {}, {}}},
    {"Convolution", {{0, 1, 2, 3, 11, 12, 13, 4, 14, 15, 16, 5, 6, 8, 9}, {18}, {}, {10}}},
    {"ConvolutionDepthWise",
     {{0, 1, 2, 3, 11, 12, 13, 4, 14, 15, 16, 5, 6, 7, 8, 9}, {18}, {}, {10}}},
    {"Deconvolution", {{0, 1, 2, 3, 11, 12, 13, 4, 14, 15, 16, 5, 6, 9, 18, 19}, {}, {}, {10}}},
    {"DeconvolutionDepthWise",
     {{0, 1, 2, 3, 11, 12, 13, 4, 14, 15, 16, 5, 6, 7, 9, 18, 19}, {}, {}, {10}}},
    {"InnerProduct", {{0, 1, 2, 8, 9}, {}, {}, {10}}},
    {"Pooling", {{0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 18}, {}, {}, {}}},
    {"Padding", {{0, 1, 2, 3, 4, 6, 7, 8}, {5}, {}, {}}},
    {"PixelShuffle", {{0, 1}, {}, {}, {}}},
    {"Reorg", {{0, 1}, {}, {}, {}}},
    {"Concat", {{0}, {}, {}, {}}},
    {"Slice", {{1}, {}, {0}, {}}},
    {"Crop", {{}, {}, {9, 10, 11}, {}}},
    {"Split", {}},
    {"ShuffleChannel", {{0, 1}, {}, {}, {}}},
    {"Interp", {{0, 3, 4, 5, 6}, {1, 2}, {}, {}}},
    {"Permute", {{0}, {}, {}, {}}},
    {"Reshape", {{0, 1, 2, 11}, {}, {}, {}}},
    {"Flatten", {}},
    {"Squeeze", {{0, 1, 2, 11}, {}, {3}, {}}},
    {"ExpandDims", {{}, {}, {3}, {}}},
    {"Reduction", {{0, 1, 4, 5}, {2}, {3}, {}}},
    {"GLU", {{0}, {}, {}, {}}},
    {"MemoryData", {{0, 1, 2, 11, 21}, {}, {}, {}}},
    {"BinaryOp", {{0, 1}, {2}, {}, {}}},
    {"UnaryOp", {{0}, {}, {}, {}}},
    {"Eltwise", {{0}, {}, {}, {1}}},
    {"MatMul", {{0}, {}, {}, {}}},
    {"Gemm", {{2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 18, 20, 21, 22}, {0, 1}, {}, {}}},
    {"MultiHeadAttention", {{0, 1, 2, 3, 4, 5, 7, 18}, {6}, {}, {}}},
    {"SDPA", {{5, 7, 18}, {6}, {}, {}}},
    {"Softmax", {{0, 1}, {}, {}, {}}},
    {"BatchNorm", {{0}, {1}, {}, {}}},
    {"Bias", {{0}, {}, {}, {}}},
    {"Scale", {{0, 1}, {}, {}, {}}},
    {"PReLU", {{0}, {}, {}, {}}},
    {"InstanceNorm", {{0, 2}, {1}, {}, {}}},
    {"GroupNorm", {{0, 1, 3}, {2}, {}, {}}},
    {"LayerNorm", {{0, 2}, {1}, {}, {}}},
    {"RMSNorm", {{0, 2}, {1}, {}, {}}},
    {"GELU", {{0}, {}, {}, {}}},
    {"Noop", {}},
    {"Sigmoid", {}},
    {"Swish", {}},
    {"Mish", {}},
    {"TanH", {}},
    {"AbsVal", {}},
    {"Softplus", {}},
    {"Erf", {}},
    {"BNLL", {}},
    {"ReLU", {{}, {0}, {}, {}}},
    {"Dropout", {{}, {0}, {}, {}}},
    {"ELU", {{}, {0}, {}, {}}},
    {"CELU", {{}, {0}, {}, {}}},
    {"Threshold", {{}, {0}, {}, {}}},
    {"Clip", {{}, {0, 1}, {}, {}}},
    {"HardSwish", {{}, {0, 1}, {}, {}}},
    {"HardSigmoid", {{}, {0, 1}, {}, {}}},
    {"SELU", {{}, {0, 1}, {}, {}}},
    {"Shrink", {{}, {0, 1}, {}, {}}},
    {"Exp", {{}, {0, 1, 2}, {}, {}}},
    {"Log", {{}, {0, 1, 2}, {}, {}}},
    {"Power", {{}, {0, 1, 2}, {}, {}}},
};

/// What a value may be: from low to high, or one of a few more.
struct Allowed {
    int low, high;
    Keys more = {};
};

const Allowed side = {1, far - 1, {}}, pad = {0, far - 1, {}}, pad_or_rule = {0, far - 1, {-233, -234}},
              flag = {0, 1, {}}, none = {0, 0, {}}, factor = {1, 64, {}};
const std::map<int, Allowed> of_convolutions = {
    {1, side},     {2, side},     {3, side},     {11, side}, {12, side},
    {13, side},    {4, pad_or_rule},  {14, pad_or_rule}, {15, pad_or_rule}, {16, pad_or_rule},
    {5, flag},     {8, {0, 2, {101, 102}}},      {9, {0, 6, {}}},
};
const std::map<int, Allowed> of_deconvolutions = {
    {1, side},  {2, side}, {3, side}, {11, side}, {12, side}, {13, side}, {4, pad},
    {14, pad},  {15, pad}, {16, pad}, {18, pad},  {19, pad},  {5, flag},  {9, {0, 6, {}}},
};

/// Key to its values, by kind; what is not here is bounded by the shapes.
const std::map<std::string, std::map<int, Allowed>> allowed_values = {
    {"Convolution", of_convolutions},
    {"ConvolutionDepthWise", of_convolutions},
    {"Deconvolution", of_deconvolutions},
    {"DeconvolutionDepthWise", of_deconvolutions},
    {"InnerProduct", {{1, flag}, {8, {0, 2, {}}}, {9, {0, 6, {}}}}},
    {"Pooling",
     {{1, side}, {2, side}, {11, side}, {12, side}, {3, pad}, {13, pad}, {14, pad}, {15, pad},
      {8, {1, far - 1, {-233}}}, {18, {1, far - 1, {-233}}},
      {0, flag}, {4, flag}, {5, {0, 3, {}}}, {6, flag}, {7, flag}}},
    {"Padding",
     {{0, pad}, {1, pad}, {2, pad}, {3, pad}, {6, pad}, {7, pad}, {8, pad}, {4, {0, 2, {}}}}},
    {"PixelShuffle", {{0, factor}, {1, flag}}},
    {"Reorg", {{0, factor}, {1, flag}}},
    {"ShuffleChannel", {{0, side}, {1, flag}}},
    {"Interp", {{0, {1, 2, {}}}, {3, pad}, {4, pad}, {6, flag}}},
    {"Squeeze", {{0, flag}, {1, flag}, {2, flag}, {11, flag}}},
    {"Reduction", {{0, {0, 10, {}}}, {1, flag}, {4, flag}, {5, flag}}},
    {"MemoryData", {{21, flag}}},
    {"BinaryOp", {{0, {0, 11, {}}}, {1, flag}}},
    {"UnaryOp", {{0, {0, 27, {}}}}},
    {"Eltwise", {{0, {0, 2, {}}}}},
    {"MatMul", {{0, flag}}},
    {"Gemm",
     {{2, flag}, {3, flag}, {4, flag}, {5, flag}, {6, flag}, {11, flag}, {14, flag}, {12, none},
      {13, none}, {18, none}, {20, none}, {21, none}, {22, none}, {10, {-1, 4, {}}}}},
    {"MultiHeadAttention", {{1, side}, {5, flag}, {7, none}, {18, none}}},
    {"SDPA", {{5, flag}, {7, none}, {18, none}}},
    {"Scale", {{1, flag}}},
    {"InstanceNorm", {{2, flag}}},
    {"GroupNorm", {{0, side}, {3, flag}}},
    {"LayerNorm", {{2, flag}}},
    {"RMSNorm", {{2, flag}}},
    {"GELU", {{0, flag}}},
};

// activation of a convolution: length of its array of parameters
const std::map<int, std::size_t> activations = {{2, 1}, {3, 2}, {6, 2}};

/// Tells whether ncnn reads a text as floating point: by its looks, except that 0 is 0.
bool is_float(const std::string& text) {
    const bool is_word = text[0] != '-' && (text[0] < '0' || text[0] > '9');
    const bool is_number = !is_word && text.find(',') == std::string::npos;
    return is_number && (!is_whole(text) || std::atoi(text.c_str()) == 0);
}

bool is_allowed(const NcnnLayer& layer, int key, int value) {
    const auto kind = allowed_values.find(layer.kind);
    if (kind == allowed_values.end()) return true;
    const auto found = kind->second.find(key);
    if (found == kind->second.end()) return true;
    const Allowed& allowed = found->second;
    return (allowed.low <= value && value <= allowed.high) || allowed.more.count(value);
}

}  // namespace

bool is_known(const std::string& kind) {
    return known_kinds.count(kind) > 0;
}

void check_parameters(const NcnnLayer& layer, const std::string& where) {
    const auto found = known_kinds.find(layer.kind);
    if (found == known_kinds.end())
        throw NotKnown(where + ": " + layer.kind + " is not known in a NanoDet");
    const Known& known = found->second;
    for (const auto& [written, text] : layer.values) {
        const bool is_array = written < 0;
        const int key = is_array ? -array_keys - written : written;
        const std::string name = "parameter " + std::to_string(key) + ": ";
        std::vector<std::string> items = {text};
        if (is_array) {
            items = split(text, ",");
            items.erase(items.begin());
        }
        const bool belongs =
            is_array ? known.whole_arrays.count(key) || known.number_arrays.count(key) ||
                           key == shape_hints
                     : known.whole.count(key) || known.number.count(key) || key == features;
        if (!belongs)
            throw Error(where + ": " + layer.kind + " has no parameter " + std::to_string(key));
        const bool whole = !(is_array ? known.number_arrays : known.number).count(key);
        if (!std::all_of(items.begin(), items.end(), whole ? is_whole : is_float))
            throw Error(where + ": " + name + "must be of " +
                        (whole ? "whole numbers" : "numbers with a point") + ", not " +
                        text.substr(0, 40));
        if (!is_array && whole && !is_allowed(layer, key, layer.whole(written)))
            throw Error(where + ": " + name + layer.kind + " cannot work with " + text);
    }
    if (layer.kind == "Softmax" && !layer.whole(1))  // of a time when its axis meant something else
        throw NotKnown(where + ": Softmax is not known in a NanoDet without its parameter 1");
    if (!known.number_arrays.count(10)) return;
    const auto needed = activations.find(layer.whole(9));
    const std::string* array = layer.find(-array_keys - 10);
    const std::size_t given = array == nullptr ? 0 : split(*array, ",").size() - 1;
    if (needed != activations.end() && given < needed->second)
        throw Error(where + ": activation " + std::to_string(needed->first) +
                    " lacks its parameters");
}

}  // namespace nanodet
