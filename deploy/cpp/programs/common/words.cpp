#include "common/words.h"

#include "nanodet/error.h"

namespace nanodet {

bool Words::next(std::string& word) {
    if (at_ == words_.size()) return false;
    word = words_[at_++];
    joined_.reset();
    const auto equals = word.find('=');
    if (is_option(word) && equals != std::string::npos) {
        joined_ = word.substr(equals + 1);
        word.erase(equals);
    }
    return true;
}

std::string Words::value(const std::string& option) {
    std::string value;
    if (joined_) {
        value = *joined_;
        joined_.reset();
    } else if (at_ < words_.size()) {
        value = words_[at_++];
    }
    if (value.empty()) throw Error(option + ": needs a value");
    return value;
}

void Words::no_value(const std::string& option) const {
    if (joined_) throw Error(option + ": takes no value");
}

}  // namespace nanodet
