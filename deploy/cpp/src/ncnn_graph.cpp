#include "ncnn_graph.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <set>

#include "files.h"
#include "nanodet/error.h"
#include "published.h"
#include "split.h"
#include "utf8.h"

namespace nanodet {

namespace {

const char* const magic = "7767517";
constexpr int shape_hint = -23330, feature_mask = 31;
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

/// Tells whether ncnn reads a text as the number that it is: more digits overflow in its reader.
bool is_number(const std::string& text) {
    constexpr std::size_t digits = 9, exponent_digits = 2;
    const std::size_t start = text.rfind('-', 0) == 0 ? 1 : 0;
    std::size_t at = skip_digits(text, start);
    if (at == text.size()) return whole_of(text).has_value();
    if (at == start || at - start > digits) return false;
    if (text[at] == '.') {
        const std::size_t fraction = ++at;
        at = skip_digits(text, at);
        if (at - fraction > digits) return false;
    }
    if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
        ++at;
        if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
        const std::size_t exponent = at;
        at = skip_digits(text, at);
        if (at == exponent || at - exponent > exponent_digits) return false;
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

std::optional<int> parse_count(const std::string& text) {
    const auto count = whole_number(text);
    return count && *count < most ? count : std::nullopt;
}

NcnnLayer parse_layer(const std::string& line, const std::string& where) {
    const auto words = words_of(line);
    const auto inputs = words.size() > 3 ? parse_count(words[2]) : std::nullopt;
    const auto outputs = words.size() > 3 ? parse_count(words[3]) : std::nullopt;
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
    NcnnLayer layer{words[0], words[1], {blobs, blobs + *inputs}, {blobs + *inputs, blobs + end},
                     {}};
    for (auto word = blobs + end; word != words.end(); ++word) {
        const auto equals = word->find('=');
        const auto key = whole_of(word->substr(0, equals));
        const std::string value = equals == std::string::npos ? "" : word->substr(equals + 1);
        if (!key || !is_value(*key, value))
            throw Error(where + ": '" + word->substr(0, 40) + "' is not a parameter such as 0=24");
        layer.drop(*key);
        layer.values.emplace_back(*key, value);
    }
    return layer;
}

/// @throws Error  unless names are unique, and blobs made once and before they are used once
std::size_t check(const NcnnGraph& graph, const std::string& file) {
    std::set<std::string> names, made, used;
    for (const NcnnLayer& layer : graph.layers) {
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

/// Returns a text with its lines ended by ``\n``, whichever system ended them.
std::string with_plain_ends(const std::string& text) {
    std::string plain;
    plain.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\r')
            plain += text[i];
        else if (i + 1 == text.size() || text[i + 1] != '\n')
            plain += '\n';
    }
    return plain;
}

/// Returns the lines of a text that say something.
///
/// @throws Error  characters that one reader takes for blanks and another does not
std::vector<std::string> lines_of(const std::string& text, const std::string& file) {
    std::vector<std::string> lines;
    std::size_t number = 0;
    for (const std::string& line : split(with_plain_ends(text), "\n")) {
        ++number;
        for (const char letter : line)
            if ((static_cast<unsigned char>(letter) < ' ' && letter != '\t') || letter == '\x7f')
                throw Error(file + ": line " + std::to_string(number) +
                            ": holds a control character");
        if (!strip(line).empty()) lines.push_back(line);
    }
    return lines;
}

}  // namespace

bool is_whole(const std::string& text) {
    return whole_of(text).has_value();
}

const std::string* NcnnLayer::find(int key) const {
    const auto found = std::find_if(values.begin(), values.end(),
                                    [key](const auto& value) { return value.first == key; });
    return found == values.end() ? nullptr : &found->second;
}

int NcnnLayer::whole(int key, int otherwise) const {
    const std::string* text = find(key);
    if (text == nullptr) return otherwise;
    const auto value = whole_of(*text);
    if (!value)
        throw Error("layer " + name + ": " + std::to_string(key) + "=" + *text +
                    ": must be a whole number");
    return *value;
}

double NcnnLayer::number(int key, double otherwise) const {
    const std::string* text = find(key);
    return text == nullptr ? otherwise : std::strtod(text->c_str(), nullptr);
}

std::vector<int> NcnnLayer::wholes(int key) const {
    std::vector<int> numbers;
    if (const std::string* text = find(-array_keys - key)) {
        const auto items = split(*text, ",");
        for (std::size_t i = 1; i < items.size(); ++i)
            numbers.push_back(whole_of(items[i]).value_or(0));
    }
    return numbers;
}

void NcnnLayer::drop(int key) {
    values.erase(std::remove_if(values.begin(), values.end(),
                                [key](const auto& value) { return value.first == key; }),
                 values.end());
}

NcnnGraph NcnnGraph::load(const std::string& path) {
    return parse(read_file(published(path), "this model", longest), path);
}

NcnnGraph NcnnGraph::parse(const std::string& text, const std::string& file) {
    if (!is_utf8(text) || text.find('\0') != std::string::npos)
        throw Error(file + ": not an ncnn param file (it is not text)");
    const auto lines = lines_of(text, file);
    if (lines.empty() || strip(lines[0]) != magic)
        throw Error(file + ": not an ncnn param file (it does not start with " + magic + ")");
    const auto counts = words_of(lines.size() > 1 ? lines[1] : "");
    const auto layer_count = counts.size() == 2 ? parse_count(counts[0]) : std::nullopt;
    const auto blob_count = counts.size() == 2 ? parse_count(counts[1]) : std::nullopt;
    if (layer_count.value_or(0) < 1 || blob_count.value_or(0) < 1)
        throw Error(file + ": line 2: must be the numbers of layers and of blobs");
    if (lines.size() - 2 < std::size_t(*layer_count))
        throw Error(file + ": has " + std::to_string(lines.size() - 2) +
                    " layers, but its second line says " + counts[0] + " (is it truncated?)");
    NcnnGraph graph;
    // ncnn too leaves out what comes behind
    for (std::size_t i = 2; int(i) < *layer_count + 2; ++i)
        graph.layers.push_back(parse_layer(lines[i], file + ": line " + std::to_string(i + 1)));
    const std::size_t blobs = check(graph, file);
    if (blobs > std::size_t(*blob_count))
        throw Error(file + ": has " + std::to_string(blobs) + " blobs, but its second line says " +
                    counts[1]);
    return graph;
}

std::vector<std::string> NcnnGraph::inputs() const {
    std::vector<std::string> names;
    for (const NcnnLayer& layer : layers)
        if (layer.kind == "Input")
            names.insert(names.end(), layer.outputs.begin(), layer.outputs.end());
    return names;
}

std::vector<std::string> NcnnGraph::outputs() const {
    std::set<std::string> used;
    for (const NcnnLayer& layer : layers) used.insert(layer.inputs.begin(), layer.inputs.end());
    std::vector<std::string> names;
    for (const NcnnLayer& layer : layers)
        for (const std::string& blob : layer.outputs)
            if (!used.count(blob)) names.push_back(blob);
    return names;
}

void NcnnGraph::drop_hints() {
    for (NcnnLayer& layer : layers) {
        layer.drop(shape_hint);
        layer.drop(feature_mask);
    }
}

std::string NcnnGraph::to_text() const {
    std::size_t blobs = 0;
    std::string lines;
    for (const NcnnLayer& layer : layers) {
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

}  // namespace nanodet
