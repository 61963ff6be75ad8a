/// Bytes in memory as ncnn reads a file.
#pragma once

#include <datareader.h>

#include <algorithm>
#include <cstring>
#include <string>

namespace nanodet {

/// Gives the bytes of a text one after the other. ncnn copies them, so that the text need not stay.
class TextReader : public ncnn::DataReader {
public:
    explicit TextReader(const std::string& text) : text_(text) {}

    std::size_t read(void* buffer, std::size_t size) const override {
        size = std::min(size, text_.size() - at_);
        std::memcpy(buffer, text_.data() + at_, size);
        at_ += size;
        return size;
    }

private:
    const std::string& text_;
    mutable std::size_t at_ = 0;
};

}  // namespace nanodet
