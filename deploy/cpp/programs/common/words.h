/// The words of a command line, taken one after the other.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace nanodet {

class Words {
public:
    Words(int count, char** words) : words_(words + 1, words + count) {}

    /// Takes the next word, an option without its ``=value``; returns false at the end.
    bool next(std::string& word);

    /// Takes the value of an option.
    ///
    /// @throws Error  there is none, or it is empty
    std::string value(const std::string& option);

    /// @throws Error  a value behind an option that takes none
    void no_value(const std::string& option) const;

    static bool is_option(const std::string& word) { return word.size() > 1 && word[0] == '-'; }

private:
    std::vector<std::string> words_;
    std::size_t at_ = 0;
    std::optional<std::string> joined_;
};

}  // namespace nanodet
