#include "json_keys.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "nanodet/error.h"

namespace nanodet {

using nlohmann::json;

namespace {

constexpr int deepest = 100;  // far more than any spec has; keeps a hostile file off the stack

/// Calls ``read`` for every value of a list, with its key for messages.
template <typename Value, typename Read>
std::vector<Value> read_all(const json& values, const std::string& key, Read read) {
    std::vector<Value> all;
    all.reserve(values.size());
    for (std::size_t i = 0; i < values.size(); ++i)
        all.push_back(read(values[i], key + "[" + std::to_string(i) + "]"));
    return all;
}

}  // namespace

JsonKeys::JsonKeys(const json& object, std::string file, std::string prefix)
    : object_(object), file_(std::move(file)), prefix_(std::move(prefix)) {
    if (!object.is_object()) {
        const std::string where =
            prefix_.empty() ? "the file" : prefix_.substr(0, prefix_.size() - 1);
        throw Error(file_ + ": " + where + ": must be a JSON object");
    }
}

const json& JsonKeys::at(const std::string& key) const {
    const auto found = object_.find(key);
    if (found == object_.end())
        throw Error(file_ + ": " + prefix_ + key + ": this key is missing");
    return *found;
}

const json& JsonKeys::list(const std::string& key) const {
    const json& value = at(key);
    if (!value.is_array()) wrong(key, "a JSON list");
    return value;
}

void JsonKeys::wrong(const std::string& key, const std::string& expected) const {
    throw Error(file_ + ": " + prefix_ + key + ": must be " + expected);
}

JsonKeys JsonKeys::object(const std::string& key) const {
    const json& value = at(key);
    if (!value.is_object()) wrong(key, "a JSON dict");
    return {value, file_, prefix_ + key + "."};
}

std::string JsonKeys::text(const std::string& key) const {
    return as_text(at(key), key);
}

bool JsonKeys::flag(const std::string& key) const {
    const json& value = at(key);
    if (!value.is_boolean()) wrong(key, "true or false");
    return value.get<bool>();
}

double JsonKeys::number(const std::string& key) const {
    return as_number(at(key), key);
}

int JsonKeys::whole(const std::string& key) const {
    return as_whole(at(key), key);
}

std::vector<std::string> JsonKeys::texts(const std::string& key) const {
    return read_all<std::string>(list(key), key, [this](const json& value, const std::string& at) {
        return as_text(value, at);
    });
}

std::vector<double> JsonKeys::numbers(const std::string& key) const {
    return read_all<double>(list(key), key, [this](const json& value, const std::string& at) {
        return as_number(value, at);
    });
}

std::vector<int> JsonKeys::wholes(const std::string& key) const {
    return read_all<int>(list(key), key, [this](const json& value, const std::string& at) {
        return as_whole(value, at);
    });
}

std::string JsonKeys::as_text(const json& value, const std::string& key) const {
    if (!value.is_string()) wrong(key, "a text");
    return value.get<std::string>();
}

double JsonKeys::as_number(const json& value, const std::string& key) const {
    if (!value.is_number()) wrong(key, "a number");
    const double number = value.get<double>();
    if (!std::isfinite(number)) wrong(key, "a number");
    return number;
}

int JsonKeys::as_whole(const json& value, const std::string& key) const {
    // JSON has one kind of number: 1 and 1.0 are the same
    const bool whole = value.is_number() && std::isfinite(value.get<double>()) &&
                       std::floor(value.get<double>()) == value.get<double>();
    if (!whole) wrong(key, "a whole number");
    const double low = std::numeric_limits<int>::min(), high = std::numeric_limits<int>::max();
    return static_cast<int>(std::clamp(value.get<double>(), low, high));
}

json parse_json(const std::string& text, const std::string& file, const std::string& what) {
    const auto check_depth = [&](int depth, json::parse_event_t, json&) {
        if (depth > deepest)
            throw Error(file + ": " + what + " is not valid JSON (nested deeper than " +
                        std::to_string(deepest) + ")");
        return true;
    };
    if (text.rfind("\xef\xbb\xbf", 0) == 0)
        throw Error(file + ": " + what + " is not valid JSON (it begins with a byte order mark)");
    if (text.find('\0') != std::string::npos)  // for the library the text would end there
        throw Error(file + ": " + what + " is not valid JSON (it is not text)");
    try {
        return json::parse(text, check_depth);
    } catch (const json::exception& error) {
        std::string reason = error.what();
        // the library's own label, such as "[json.exception.parse_error.101] ", is for programmers
        const auto label = reason.find("] ");
        if (label != std::string::npos) reason.erase(0, label + 2);
        throw Error(file + ": " + what + " is not valid JSON (" + reason + ")");
    }
}

}  // namespace nanodet
