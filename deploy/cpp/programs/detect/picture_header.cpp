#include "picture_header.h"

#include <algorithm>
#include <cstdint>
#include <sstream>

namespace nanodet {

namespace {

/// Numbers in a part of the bytes; 0 behind its end.
class Bytes {
public:
    Bytes(const std::string& data, std::size_t start, std::size_t length)
        : data_(data), start_(std::min(start, data.size())),
          end_(start_ + std::min(length, data.size() - start_)) {}

    std::uint32_t number(std::size_t at, int bytes, bool little) const {
        std::uint32_t value = 0;
        for (int i = 0; i < bytes; ++i) {
            const std::size_t here = start_ + at + std::size_t(little ? bytes - 1 - i : i);
            value = value << 8 |
                    (here < end_ ? static_cast<unsigned char>(data_[here]) : 0U);
        }
        return value;
    }

    bool starts_with(const std::string& text) const {
        return end_ - start_ >= text.size() && data_.compare(start_, text.size(), text) == 0;
    }

    Bytes behind(std::size_t at) const { return {data_, start_ + at, end_ - std::min(end_, start_ + at)}; }

private:
    const std::string& data_;
    std::size_t start_, end_;
};

constexpr std::uint32_t bits_tag = 258, orientation_tag = 274, maximum_tag = 281;

/// Returns the number of a tag in the first directory of a TIFF or EXIF block, 0 where it has none.
std::uint32_t tag_of(const Bytes& tiff, std::uint32_t wanted) {
    const bool little = tiff.starts_with("II");
    if (!little && !tiff.starts_with("MM")) return 0;
    const std::uint32_t directory = tiff.number(4, 4, little);
    const std::uint32_t count = tiff.number(directory, 2, little);
    for (std::uint32_t n = 0; n < count; ++n) {
        const std::size_t entry = std::size_t(directory) + 2 + 12 * std::size_t(n);
        if (tiff.number(entry, 2, little) != wanted) continue;
        const int size = tiff.number(entry + 2, 2, little) == 4 ? 4 : 2;
        const bool inside = std::uint64_t(tiff.number(entry + 4, 4, little)) * std::uint64_t(size) <= 4;
        const std::size_t at = inside ? entry + 8 : tiff.number(entry + 8, 4, little);
        return tiff.number(at, size, little);
    }
    return 0;
}

int orientation_of(const Bytes& block) {
    // some writers keep JPEG's mark in front of the block in other formats too
    const std::string mark("Exif\0\0", 6);
    const std::uint32_t found =
        tag_of(block.starts_with(mark) ? block.behind(6) : block, orientation_tag);
    return found >= 1 && found <= 8 ? int(found) : 1;
}

PictureHeader jpeg(const std::string& data) {
    const Bytes all(data, 0, data.size());
    for (std::size_t at = 2; all.number(at, 1, false) == 0xFF;) {
        const std::uint32_t marker = all.number(at + 1, 1, false);
        if (marker == 0xDA) break;  // the pixels begin
        if (marker == 0xFF) {       // a fill byte
            ++at;
            continue;
        }
        const std::uint32_t length = all.number(at + 2, 2, false);
        const Bytes body(data, at + 4, length < 2 ? 0 : length - 2);
        if (marker == 0xE1 && body.starts_with(std::string("Exif\0\0", 6)))
            return {orientation_of(body), 255};
        at += 2 + std::size_t(length);
    }
    return {};
}

PictureHeader png(const std::string& data) {
    const Bytes all(data, 0, data.size());
    PictureHeader header;
    for (std::size_t at = 8; at + 8 <= data.size();) {
        const std::uint32_t length = all.number(at, 4, false);
        const std::string kind = data.substr(at + 4, 4);
        const Bytes body(data, at + 8, length);
        if (kind == "IHDR" && body.number(8, 1, false) > 8) header.white = {};
        if (kind == "eXIf") header.orientation = orientation_of(body);
        if (kind == "sBIT" && !header.white) {
            // values should then be scaled to 16 bits, but some writers leave them as they are
            std::uint32_t bits = 0;
            for (std::size_t i = 0; i < std::min<std::size_t>(length, 3); ++i)
                bits = std::max(bits, body.number(i, 1, false));
            header.white = (1 << std::clamp(int(bits), 1, 16)) - 1;
        }
        at += 12 + std::size_t(length);
    }
    return header;
}

PictureHeader webp(const std::string& data) {
    const Bytes all(data, 0, data.size());
    PictureHeader header;
    for (std::size_t at = 12; at + 8 <= data.size();) {
        const std::uint32_t length = all.number(at + 4, 4, true);
        if (data.compare(at, 4, "EXIF") == 0)
            header.orientation = orientation_of(Bytes(data, at + 8, length));
        at += 8 + std::size_t(length) + length % 2;
    }
    return header;
}

PictureHeader tiff(const std::string& data) {
    const Bytes all(data, 0, data.size());
    PictureHeader header{orientation_of(all), 255};
    const std::uint32_t bits = tag_of(all, bits_tag), reported = tag_of(all, maximum_tag);
    if (bits > 8 && bits < 16) header.white = 65535;  // packed; OpenCV scales them
    if (bits != 16) return header;
    header.white.reset();
    for (int used = 1; used <= 16 && reported > 0 && !header.white; ++used)
        if (reported < (1U << used)) header.white = (1 << used) - 1;
    return header;
}

/// PGM, PPM and PAM, whose third number is white.
PictureHeader pnm(const std::string& data) {
    std::istringstream words(data.substr(0, 4096));
    std::string word;
    int white = 255;
    words >> word;
    if (word == "P7") {
        while (words >> word && word != "ENDHDR")
            if (word == "MAXVAL") words >> white;
    } else {
        for (int numbers = 0; numbers < 3 && words >> word;) {
            if (word[0] == '#')
                std::getline(words, word);
            else if (++numbers == 3)
                white = std::atoi(word.c_str());
        }
    }
    return {1, std::clamp(white, 1, 65535)};
}

}  // namespace

PictureHeader read_picture_header(const std::string& data) {
    const Bytes all(data, 0, data.size());
    if (all.starts_with("\xff\xd8")) return jpeg(data);
    if (all.starts_with("\x89PNG\r\n\x1a\n")) return png(data);
    if (all.starts_with("RIFF") && all.behind(8).starts_with("WEBP")) return webp(data);
    if (all.starts_with(std::string("II*\0", 4)) || all.starts_with(std::string("MM\0*", 4)))
        return tiff(data);
    for (const char* kind : {"P5", "P6", "P7"})
        if (all.starts_with(kind)) return pnm(data);
    return {};
}

}  // namespace nanodet
