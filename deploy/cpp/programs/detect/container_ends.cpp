#include "container_ends.h"

#include <algorithm>

namespace nanodet::ends {

namespace {

/// How many bytes a number of Matroska has, by its first one; 9 where that is none.
std::size_t width_of(char first) {
    std::size_t width = 1;
    for (unsigned bit = 0x80; bit != 0 && !(static_cast<unsigned char>(first) & bit); bit >>= 1)
        ++width;
    return width;
}

/// The last bytes of a file.
std::string tail_of(FileBytes& file, std::size_t count) {
    return file.at(file.size() - std::min<std::uint64_t>(count, file.size()), count);
}

}  // namespace

bool matroska(FileBytes& file) {
    constexpr std::uint64_t segment = 0x18538067, cluster = 0x1F43B675, group = 0xA0, block = 0xA3;
    const std::uint64_t size = file.size();
    std::uint64_t at = 0, stop = size;
    bool known = false, clusters = false;
    for (int part = 0; part < most_parts; ++part) {
        if (at >= std::min(stop, size)) return stop > size;
        const std::string head = file.at(at, 12);
        const std::size_t number = width_of(head[0]);
        const std::size_t width = number < head.size() ? width_of(head[number]) : 1;
        // no element: where one must be, the rest is lost
        if (number > 4 || width > 8) return known && clusters;
        if (head.size() < number + width) return true;
        const std::uint64_t kind = big_endian(head, 0, number), mark = 1ULL << 7 * width;
        const std::uint64_t length = big_endian(head, number, width) & ~mark;
        const bool unknown = length == mark - 1;
        at += number + width;
        clusters = clusters || kind == cluster;
        if (kind == segment && !known) {
            known = !unknown;
            stop = unknown ? size : at + length;
        } else if (kind != cluster || !unknown) {
            // what follows the frames, an index, may be lost
            if (at + length > size) return kind == cluster || kind == group || kind == block || !clusters;
            at += length;
        }
    }
    return false;
}

bool flash(FileBytes& file) {
    std::uint64_t at = 13;
    for (int part = 0; part < most_parts; ++part) {
        const std::string head = file.at(at, 4);
        if (head.size() < 4) return !head.empty();
        const int kind = head[0] & 0x1F;
        if (kind != 8 && kind != 9 && kind != 18) return false;
        at += 11 + big_endian(head, 1, 3) + 4;
        if (at - 4 > file.size()) return true;
    }
    return false;
}

bool program_stream(FileBytes& file) {
    const std::string tail = tail_of(file, 1 << 18), start("\0\0\1", 3);
    std::size_t at = tail.rfind(start + '\xba');
    if (at == std::string::npos) return false;
    while (at < tail.size()) {
        const std::string code = tail.substr(at, 4);
        if (start.compare(0, std::min<std::size_t>(code.size(), 3), code, 0, 3) != 0 ||
            code == start + '\xb9')
            return false;
        if (tail.size() - at < 14) return true;
        if (code[3] != '\xba')
            at += 6 + std::size_t(big_endian(tail, at + 4, 2));
        else
            at += (tail[at + 4] & 0xC0) == 0x40 ? 14 + std::size_t(tail[at + 13] & 7) : 12;
    }
    return at > tail.size();
}

bool ogg(FileBytes& file) {
    const std::string tail = tail_of(file, 1 << 17);
    const std::size_t found = tail.rfind("OggS");
    const std::string page = tail.substr(found == std::string::npos ? 0 : found);
    if (page.size() < 27) return true;
    std::size_t length = 27 + std::size_t(big_endian(page, 26, 1));
    if (page.size() < length) return true;
    for (std::size_t i = 27, segments = length; i < segments; ++i)
        length += std::size_t(big_endian(page, i, 1));
    return page.size() < length;
}

bool windows_media(FileBytes& file) {
    std::uint64_t at = 0;
    for (int part = 0; part < most_parts && at + 24 <= file.size(); ++part) {
        const std::string head = file.at(at, 24);
        const std::uint64_t length = little_endian(head, 16, 8);
        const std::string name = head.substr(0, 4);
        if (length > file.size() - at)
            return name == "\x30\x26\xb2\x75" || name == "\x36\x26\xb2\x75";
        if (length < 24) return false;
        at += length;
    }
    return false;
}

bool transport_stream(FileBytes& file) {
    const std::string start = file.at(0, 1024);
    if (start.size() < 1024) return false;
    for (const std::size_t length : {188, 192, 204}) {
        for (std::size_t first = 0; first < length; ++first) {
            bool synchronous = true;
            for (std::size_t i = 0; i < 4; ++i)
                synchronous = synchronous && start[first + i * length] == 'G';
            if (!synchronous) continue;
            const std::uint64_t rest = (file.size() - first) % length;
            return rest > 0 && rest < 188 && file.at(file.size() - rest, 1) == "G";
        }
    }
    return false;
}

}  // namespace nanodet::ends
