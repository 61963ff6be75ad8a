#include "param_graph.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <set>

#include "files.h"
#include "nanodet/error.h"
#include "texts.h"

namespace nanodet::bench {

namespace {

const char* const magic = "7767517";
constexpr int array_keys = 23300, shape_hint = -23330;
constexpr int keys = 32;  // ncnn keeps so many parameters, and writes elsewhere for others
constexpr int most = 100'000;  // layers or blobs
constexpr std::size_t longest_name = 255, longest_value = 15;  // characters, ncnn's buffers

std::size_t skip_digits(const std::string& text, std::size_t at) {
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return at;
}

/// Returns the whole number of 32 bits that a text is, with or without a minus.
std::optional<int> whole_of(const std::string& text) {
    const std::size_t start = text.rfind('-', 0) == 0 ? 1 : 0;
    const std::size_t end = skip_digits(text, start);
    if (end == start || end != text.size() || end - start > 10) return std::nullopt;
    const long long value = std::atoll(text.c_str());
    if (value < std::numeric_limits<int>::min() || value > std::numeric_limits<int>::max())
        return std::nullopt;
    return int(value);
}

bool is_number(const std::string& text) {
    const std::size_t start = text.rfind('-', 0) == 0 ? 1 : 0;
    std::size_t at = skip_digits(text, start);
    if (at == start) return false;
    if (at == text.size() && at - start <= 10) return whole_of(text).has_value();
    if (at < text.size() && text[at] == '.') at = skip_digits(text, at + 1);
    if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
        ++at;
        if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
        const std::size_t exponent = at;
        at = skip_digits(text, at);
        if (at == exponent) return false;
    }
    return at == text.size() && std::abs(std::strtod(text.c_str(), nullptr)) < 3e38;
}

/// Tells whether ncnn reads ``key=text``: a number, an array with its length first, or a text.
bool is_value(int key, const std::string& text) {
    const bool is_array = key <= -array_keys;
    const int index = is_array ? -array_keys - key : key;
    if (index < 0 || index >= keys || text.empty()) return false;
    const char first = text[0];
    if (first == '"' || (first >= 'a' && first <= 'z') || (first >= 'A' && first <= 'Z'))
        return !is_array;
    const auto items = split(text, ",");
    const auto length = whole_of(items[0]);
    if (is_array && (!length || *length != int(items.size()) - 1)) return false;
    return std::all_of(items.begin(), items.end(), [](const std::string& item) {
        return item.size() <= longest_value && is_number(item);
    });
}

std::optional<int> count_of(const std::string& text) {
    const auto count = whole_number(text);
    return count && *count < most ? count : std::nullopt;
}

ParamLayer parse_layer(const std::string& line, const std::string& where) {
    const auto words = words_of(line);
    const auto inputs = words.size() > 3 ? count_of(words[2]) : std::nullopt;
    const auto outputs = words.size() > 3 ? count_of(words[3]) : std::nullopt;
    if (!inputs || !outputs)
        throw Error(where + ": must be kind, name, number of inputs, number of outputs, ...");
    const auto blobs = words.begin() + 4;
    const auto end = std::min<std::ptrdiff_t>(*inputs + *outputs, words.end() - blobs);
    const bool named = std::none_of(blobs, blobs + end, [](const std::string& word) {
        return word.find('=') != std::string::npos;
    });
    if (end < *inputs + *outputs || !named)
        throw Error(where + ": names fewer blobs than its " + words[2] + " inputs and " + words[3] +
                    " outputs");
    for (auto word = words.begin(); word != blobs + end; ++word)
        if (word->size() > longest_name)
            throw Error(where + ": a name is longer than " + std::to_string(longest_name) +
                        " characters");
    ParamLayer layer{words[0], words[1], {blobs, blobs + *inputs}, {blobs + *inputs, blobs + end},
                     {}};
    for (auto word = blobs + end; word != words.end(); ++word) {
        const auto equals = word->find('=');
        const auto key = whole_of(word->substr(0, equals));
        const std::string value = equals == std::string::npos ? "" : word->substr(equals + 1);
        if (!key || !is_value(*key, value))
            throw Error(where + ": '" + word->substr(0, 40) + "' is not a parameter such as 0=24");
        layer.values.emplace_back(*key, value);
    }
    return layer;
}

/// @throws Error  unless names are unique, and blobs made once and before they are used once
std::size_t check(const ParamGraph& graph, const std::string& file) {
    std::set<std::string> names, made, used;
    for (const ParamLayer& layer : graph.layers) {
        const std::string where = file + ": layer " + layer.name + ": ";
        if (!names.insert(layer.name).second) throw Error(where + "this name occurs twice");
        for (const std::string& blob : layer.inputs) {
            if (!made.count(blob))
                throw Error(where + "its input " + blob + " is made by no layer before it");
            if (!used.insert(blob).second)  // ncnn wants a Split layer there
                throw Error(where + "its input " + blob + " is another layer's input too");
        }
        for (const std::string& blob : layer.outputs)
            if (!made.insert(blob).second)
                throw Error(where + "its output " + blob + " is another layer's too");
    }
    return made.size();
}

}  // namespace

const std::string* ParamLayer::find(int key) const {
    const auto found = std::find_if(values.rbegin(), values.rend(),
                                    [key](const auto& value) { return value.first == key; });
    return found == values.rend() ? nullptr : &found->second;
}

ParamGraph ParamGraph::load(const std::string& path) {
    std::vector<std::string> lines;
    for (const std::string& line : split(read_file(path, "this model"), "\n"))
        if (!strip(line).empty()) lines.push_back(line);
    if (lines.empty() || strip(lines[0]) != magic)
        throw Error(path + ": not an ncnn param file (it does not start with " + magic + ")");
    const auto counts = words_of(lines.size() > 1 ? lines[1] : "");
    const auto layer_count = counts.size() == 2 ? count_of(counts[0]) : std::nullopt;
    const auto blob_count = counts.size() == 2 ? count_of(counts[1]) : std::nullopt;
    if (layer_count.value_or(0) < 1 || blob_count.value_or(0) < 1)
        throw Error(path + ": line 2: must be the numbers of layers and of blobs");
    ParamGraph graph;
    // ncnn too leaves out what comes behind
    for (std::size_t i = 2; i < lines.size() && int(i) < *layer_count + 2; ++i)
        graph.layers.push_back(parse_layer(lines[i], path + ": line " + std::to_string(i + 1)));
    if (int(graph.layers.size()) != *layer_count)
        throw Error(path + ": has " + std::to_string(graph.layers.size()) +
                    " layers, but its second line says " + counts[0] + " (is it truncated?)");
    const std::size_t blobs = check(graph, path);
    if (blobs > std::size_t(*blob_count))
        throw Error(path + ": has " + std::to_string(blobs) + " blobs, but its second line says " +
                    counts[1]);
    return graph;
}

std::string ParamGraph::to_text() const {
    std::size_t blobs = 0;
    std::string lines;
    for (const ParamLayer& layer : layers) {
        std::vector<std::string> words{layer.kind, layer.name, std::to_string(layer.inputs.size()),
                                       std::to_string(layer.outputs.size())};
        words.insert(words.end(), layer.inputs.begin(), layer.inputs.end());
        words.insert(words.end(), layer.outputs.begin(), layer.outputs.end());
        for (const auto& [key, value] : layer.values)
            words.push_back(std::to_string(key) + "=" + value);
        lines += join(words, " ") + "\n";
        blobs += layer.outputs.size();
    }
    return std::string(magic) + "\n" + std::to_string(layers.size()) + " " + std::to_string(blobs) +
           "\n" + lines;
}

int fit_graph(ParamGraph& graph, Size size, const std::string& file) {
    ParamLayer* entrance = nullptr;
    std::size_t inputs = 0;
    for (ParamLayer& layer : graph.layers) {
        if (layer.kind != "Input") continue;
        inputs += layer.outputs.size();
        entrance = &layer;
    }
    if (inputs != 1)
        throw Error(file + ": has " + std::to_string(inputs) +
                    " inputs; a graph with one can be timed");
    const auto side = [&](int key) {
        const std::string* text = entrance->find(key);
        const auto value = text ? whole_of(*text) : std::optional<int>(0);
        if (!value)
            throw Error(file + ": layer " + entrance->name + ": " + std::to_string(key) + "=" +
                        *text + ": must be a whole number");
        return *value;
    };
    const int channels = side(2) != 0 ? side(2) : 3;
    if (channels < 1 || channels > 4096)
        throw Error(file + ": layer " + entrance->name + ": cannot have " +
                    std::to_string(channels) + " channels");
    if (Size{side(0), side(1)} != size) {
        entrance->values.clear();
        for (ParamLayer& layer : graph.layers)
            layer.values.erase(
                std::remove_if(layer.values.begin(), layer.values.end(),
                               [](const auto& value) { return value.first == shape_hint; }),
                layer.values.end());
    }
    return channels;
}

std::vector<std::string> leave_out_boxes(ParamGraph& graph) {
    const std::string end = "DetectionOutput";
    const auto makes_boxes = [&](const ParamLayer& layer) {
        return layer.kind.size() >= end.size() &&
               layer.kind.compare(layer.kind.size() - end.size(), end.size(), end) == 0;
    };
    std::vector<std::string> names;
    for (const ParamLayer& layer : graph.layers)
        if (makes_boxes(layer)) names.push_back(layer.name);
    graph.layers.erase(std::remove_if(graph.layers.begin(), graph.layers.end(), makes_boxes),
                       graph.layers.end());
    return names;
}

}  // namespace nanodet::bench
