#include "containers.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <vector>

#include "container_bytes.h"
#include "container_ends.h"

namespace nanodet {

namespace {

constexpr int most_parts = ends::most_parts;
constexpr std::uint64_t largest_index = 1 << 26;  // bytes of an AVI's index that are read

/// What a box of MP4, or a chunk of RIFF, holds; it may end behind the file.
struct Part {
    std::string kind;
    std::uint64_t start = 0, stop = 0;
};

/// Calls ``look`` with each box between two places of an MP4 file until it returns false.
void each_box(FileBytes& file, std::uint64_t at, std::uint64_t stop,
              const std::function<bool(const Part&)>& look) {
    for (int part = 0; part < most_parts / 2 && at + 8 <= stop; ++part) {
        const std::string head = file.at(at, 16);
        if (head.size() < 8) return;
        std::uint64_t size = big_endian(head, 0, 4), start = at + 8;
        if (size == 1 && head.size() == 16) {
            size = big_endian(head, 8, 8);
            start = at + 16;
        } else if (size == 0) {  // all that is left
            size = stop - at;
        }
        if (at + size < start) return;  // also where it is more than 64 bits hold
        if (!look({head.substr(4, 4), start, at + size})) return;
        at += size;
    }
}

/// Returns the first box of the first kind, in it the first of the second, ...
std::optional<Part> find_box(FileBytes& file, const Part& outer,
                             const std::vector<std::string>& kinds) {
    Part found = outer;
    for (const std::string& kind : kinds) {
        bool there = false;
        each_box(file, found.start, found.stop, [&](const Part& box) {
            there = box.kind == kind;
            if (there) found = box;
            return !there;
        });
        if (!there) return {};
    }
    return found;
}

/// Returns the ticks a second, and the length in ticks, that an ``mdhd`` or ``mvhd`` tells.
std::pair<double, double> length_of(FileBytes& file, const std::optional<Part>& box) {
    const std::string data = box ? file.at(box->start, 32) : std::string();
    if (!data.empty() && data[0] == 1)
        return {double(big_endian(data, 20, 4)), double(big_endian(data, 24, 8))};
    return {double(big_endian(data, 12, 4)), double(big_endian(data, 16, 4))};
}

/// Returns how long an ``elst`` shows frames, in ticks of the whole film.
double edited(FileBytes& file, const Part& box) {
    const std::string head = file.at(box.start, 8);
    const std::size_t width = big_endian(head, 0, 1) != 0 ? 8 : 4, row = 2 * width + 4;
    const auto count = std::min<std::uint64_t>(big_endian(head, 4, 4), most_parts);
    const std::string data = file.at(box.start + 8, std::size_t(count) * row);
    double shown = 0;
    for (std::size_t at = 0; at + row <= data.size(); at += row)
        if (!(data[at + width] & 0x80)) shown += double(big_endian(data, at, width));
    return shown;
}

Extent mp4(FileBytes& file) {
    Extent extent;
    std::optional<Part> index;
    each_box(file, 0, file.size(), [&](const Part& box) {
        if (box.stop > file.size())
            extent.cut_off = box.kind == "mdat" || box.kind == "moov" || box.kind == "moof";
        if (box.kind == "moov") index = box;
        return true;
    });
    if (!index || find_box(file, *index, {"mvex"})) return extent;  // it comes in fragments
    std::vector<Part> videos;
    each_box(file, index->start, index->stop, [&](const Part& track) {
        const auto handler = find_box(file, track, {"mdia", "hdlr"});
        if (track.kind == "trak" && handler && file.at(handler->start + 8, 4) == "vide")
            videos.push_back(track);
        return true;
    });
    if (videos.size() != 1) return extent;
    const auto sizes = find_box(file, videos[0], {"mdia", "minf", "stbl", "stsz"});
    if (!sizes) return extent;
    const auto frames = long(big_endian(file.at(sizes->start + 8, 4), 0, 4));
    const auto [rate, length] = length_of(file, find_box(file, videos[0], {"mdia", "mdhd"}));
    const double film_rate = length_of(file, find_box(file, *index, {"mvhd"})).first;
    if (frames == 0 || rate == 0 || film_rate == 0) return extent;
    const double seconds = length / rate;
    const auto edits = find_box(file, videos[0], {"edts", "elst"});
    if (edits && std::abs(edited(file, *edits) / film_rate - seconds) > 1.5 * seconds / double(frames))
        return extent;  // a part of the frames, or one of them again
    return {frames, seconds, extent.cut_off};
}

/// Calls ``look`` with each chunk of a RIFF file; a list's kind is what it lists.
void each_chunk(FileBytes& file, std::uint64_t at, std::uint64_t stop,
                const std::function<void(const Part&)>& look) {
    for (int part = 0; part < most_parts && at + 8 <= stop; ++part) {
        std::string head = file.at(at, 12);
        if (head.size() < 8) return;
        head.resize(12);
        const std::uint64_t length = little_endian(head, 4, 4);
        Part chunk{head.substr(0, 4), at + 8, at + 8 + length};
        at = chunk.stop + length % 2;
        if (chunk.kind == "RIFF" || chunk.kind == "LIST") {
            chunk.kind = head.substr(8, 4);
            chunk.start += 4;
        }
        look(chunk);
    }
}

/// Counts the frames of a stream in the index of an AVI; a frame that is shown twice is followed by
/// an empty chunk.
long count_frames(const std::string& index, const std::string& stream) {
    long frames = 0;
    for (std::size_t row = 0; row + 16 <= index.size(); row += 16) {
        const std::string name = index.substr(row, 4);
        frames += (name == stream + "dc" || name == stream + "db") && little_endian(index, row + 12, 4) > 0;
    }
    return frames;
}

Extent avi(FileBytes& file) {
    Extent extent;
    int films = 0;
    bool others = false;
    std::string index;
    std::vector<std::string> streams;
    each_chunk(file, 0, file.size(), [&](const Part& film) {
        others = others || (film.kind != "AVI " && film.kind != "AVIX");
        if (others) return;
        ++films;
        bool frames_seen = false;
        each_chunk(file, film.start, std::min(film.stop, file.size()), [&](const Part& chunk) {
            if (chunk.kind == "movi") {
                frames_seen = true;
                extent.cut_off = chunk.stop > file.size();
            } else if (chunk.kind == "idx1" &&
                       chunk.stop <= std::min(file.size(), chunk.start + largest_index)) {
                index = file.at(chunk.start, std::size_t(chunk.stop - chunk.start));
            } else if (chunk.kind == "hdrl") {
                streams.clear();
                each_chunk(file, chunk.start, chunk.stop, [&](const Part& list) {
                    if (list.kind != "strl") return;
                    each_chunk(file, list.start, list.stop, [&](const Part& part) {
                        if (part.kind == "strh") streams.push_back(file.at(part.start, 56));
                    });
                });
            }
        });
        extent.cut_off = extent.cut_off || (film.stop > file.size() && !frames_seen);
    });
    std::vector<std::size_t> videos;
    for (std::size_t i = 0; i < streams.size(); ++i)
        if (streams[i].compare(0, 4, "vids") == 0) videos.push_back(i);
    if (videos.size() != 1) return extent;
    const std::string& head = streams[videos[0]];
    auto frames = long(little_endian(head, 32, 4));
    const auto rate = double(little_endian(head, 24, 4));
    if (rate == 0) return extent;
    extent.seconds = double(frames) * double(little_endian(head, 20, 4)) / rate;
    // the length counts time, the index frames
    const std::string number = std::to_string(videos[0]);
    if (!index.empty() && films == 1 && !extent.cut_off)
        frames = count_frames(index, number.size() < 2 ? "0" + number : number);
    if (frames > 0) extent.frames = frames;
    return extent;
}

/// Blocks of sub-blocks, each of them behind a byte that is its length.
Extent gif(FileBytes& file) {
    const auto colours = [](std::uint64_t flags) {
        return flags & 0x80 ? std::uint64_t(3) << ((flags & 7) + 1) : 0;
    };
    const auto byte = [&](std::uint64_t place) { return big_endian(file.at(place, 1), 0, 1); };
    long frames = 0, left = most_parts;
    std::uint64_t at = 13 + colours(byte(10));
    for (int part = 0; part < most_parts; ++part) {
        const std::string kind = file.at(at++, 1);
        if (kind == ",") {
            at += 9 + colours(byte(at + 8));
            ++frames;
        } else if (kind != "!") {
            Extent extent;
            if (kind == ";" && frames > 0) extent.frames = frames;
            return extent;
        }
        ++at;  // the width of codes, or the kind of an extension
        while (true) {
            const std::string length = file.at(at, 1);
            if (length.empty()) return {{}, 0, true};
            at += 1 + big_endian(length, 0, 1);
            if (length[0] == '\0') break;
            if (--left <= 0) return {};
        }
    }
    return {};
}

bool is_mp4(const std::string& start) {
    const std::string kind = start.size() < 8 ? "" : start.substr(4, 4);
    const std::vector<std::string> first = {"ftyp", "moov", "mdat", "wide", "free", "skip"};
    return std::find(first.begin(), first.end(), kind) != first.end();
}

}  // namespace

bool Extent::lacks(long read, double time_s) const {
    if (!frames || read >= *frames || cut_off) return cut_off && (!frames || read < *frames);
    // some count what is no image: half images, repeated ones; those do not end too early
    const bool few = read < *frames - std::max(2L, *frames / 100);
    return few && time_s + std::max(1.0, 3 * seconds / double(*frames)) < seconds;
}

Extent extent_of(const std::string& path) {
    std::error_code ignored;
    // of a pipe: what was read of it does not come again
    if (!std::filesystem::is_regular_file(path, ignored)) return {};
    FileBytes file(path);
    const std::string start = file.at(0, 16);
    const auto starts = [&](const std::string& mark) { return start.compare(0, mark.size(), mark) == 0; };
    try {
        if (is_mp4(start)) return mp4(file);
        if (starts("RIFF") && start.compare(8, 4, "AVI ") == 0) return avi(file);
        if (starts("GIF8")) return gif(file);
        if (starts("\x1a\x45\xdf\xa3")) return {{}, 0, ends::matroska(file)};
        if (starts("FLV\1")) return {{}, 0, ends::flash(file)};
        if (starts(std::string("\0\0\1\xba", 4))) return {{}, 0, ends::program_stream(file)};
        if (starts("OggS")) return {{}, 0, ends::ogg(file)};
        if (starts("\x30\x26\xb2\x75\x8e\x66\xcf\x11")) return {{}, 0, ends::windows_media(file)};
        return {{}, 0, ends::transport_stream(file)};
    } catch (const std::out_of_range&) {
        return {};  // damaged: its parts lead nowhere
    }
}

}  // namespace nanodet
