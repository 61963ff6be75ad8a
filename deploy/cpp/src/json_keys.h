/// Reading the keys of a JSON object; every complaint names the file and the key.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace nanodet {

/// Reads keys of one JSON object; the object must live as long as it is used.
class JsonKeys {
public:
    /// @param file, prefix  name the file and the key that ``object`` lies under in messages
    /// @throws Error  not an object
    JsonKeys(const nlohmann::json& object, std::string file, std::string prefix = "");

    JsonKeys object(const std::string& key) const;
    std::string text(const std::string& key) const;
    bool flag(const std::string& key) const;
    double number(const std::string& key) const;
    /// A whole number; those too large for an int come back as the largest or smallest int.
    int whole(const std::string& key) const;
    std::vector<std::string> texts(const std::string& key) const;
    std::vector<double> numbers(const std::string& key) const;
    std::vector<int> wholes(const std::string& key) const;

    const nlohmann::json& raw() const { return object_; }

private:
    const nlohmann::json& at(const std::string& key) const;
    const nlohmann::json& list(const std::string& key) const;
    [[noreturn]] void wrong(const std::string& key, const std::string& expected) const;
    std::string as_text(const nlohmann::json& value, const std::string& key) const;
    double as_number(const nlohmann::json& value, const std::string& key) const;
    int as_whole(const nlohmann::json& value, const std::string& key) const;

    const nlohmann::json& object_;
    std::string file_, prefix_;
};

/// Parses a text.
///
/// @throws Error  no JSON, or nested deeper than 100; ``file`` and ``what`` name it
nlohmann::json parse_json(const std::string& text, const std::string& file,
                          const std::string& what);

}  // namespace nanodet
