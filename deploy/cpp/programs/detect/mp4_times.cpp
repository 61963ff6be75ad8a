#include "mp4_times.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <functional>
#include <map>

#include "nanodet/error.h"

namespace nanodet {

namespace {

using Change = std::function<std::string(const std::string& kind, std::string body)>;

std::uint64_t number(const std::string& data, std::size_t at, int bytes) {
    std::uint64_t value = 0;
    for (int i = 0; i < bytes; ++i)
        value = value << 8 | static_cast<unsigned char>(data.at(at + std::size_t(i)));
    return value;
}

void put(std::string& data, std::size_t at, int bytes, std::uint64_t value) {
    for (int i = bytes - 1; i >= 0; --i, value >>= 8)
        data.at(at + std::size_t(i)) = static_cast<char>(value & 0xFF);
}

std::string with_size(const std::string& kind, const std::string& body) {
    std::string part(4, '\0');
    put(part, 0, 4, body.size() + 8);
    return part + kind + body;
}

/// Returns the parts of ``data``, each body through ``change``.
std::string rewrite(const std::string& data, const Change& change) {
    static const std::string parents = "moov trak mdia minf stbl edts";
    std::string result;
    for (std::size_t at = 0; at + 8 <= data.size();) {
        const std::uint64_t size = number(data, at, 4);
        if (size < 8) throw Error("its index is damaged");
        const std::string kind = data.substr(at + 4, 4);
        std::string body = data.substr(at + 8, std::size_t(size) - 8);
        const bool parent = parents.find(kind) != std::string::npos;
        result += with_size(kind, parent ? rewrite(body, change) : change(kind, std::move(body)));
        at += std::size_t(size);
    }
    return result;
}

/// Returns where the last part begins, which must be the index.
std::streamoff find_index(std::fstream& file) {
    std::streamoff at = 0, found = 0;
    std::string head(16, '\0'), kind;
    while (file.clear(), file.seekg(at), file.read(head.data(), 8)) {
        std::uint64_t size = number(head, 0, 4);
        kind = head.substr(4, 4);
        if (size == 1 && file.read(head.data() + 8, 8)) size = number(head, 8, 8);
        found = at;
        if (size < 8) break;
        at += std::streamoff(size);
    }
    file.clear();
    if (kind != "moov") throw Error("it does not end in its index");
    return found;
}

/// Where a part says how long all is: in its form of 32 bits, and of 64.
const std::map<std::string, std::pair<std::size_t, std::size_t>> lengths = {
    {"mdhd", {16, 24}}, {"mvhd", {16, 24}}, {"tkhd", {20, 28}}, {"elst", {8, 8}}};

}  // namespace

void set_frame_times(const std::string& path, const std::vector<double>& times) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const std::streamoff at = find_index(file);
    file.seekg(at);
    const std::string index{std::istreambuf_iterator<char>(file), {}};
    std::map<std::string, std::string> parts;
    rewrite(index, [&](const std::string& kind, std::string body) { return parts[kind] = body; });
    const auto rate_of = [&](const char* kind) {  // in ticks a second
        const std::string& body = parts[kind];
        return double(number(body, body.at(0) ? 20 : 12, 4));
    };
    if (number(parts["stsz"], 8, 4) + 1 != times.size() || parts.count("ctts") != 0)
        throw Error("it has not the frames that were written");
    const double rate = rate_of("mdhd"), film_rate = rate_of("mvhd");
    const auto tick = [&](double time) { return std::llround((time - times[0]) * rate); };
    std::string table(8, '\0');
    std::uint64_t total = 0;
    for (std::size_t i = 0; i + 1 < times.size(); ++i) {
        const long long shown = std::max(1LL, tick(times[i + 1]) - tick(times[i]));
        total += std::uint64_t(shown);
        table.resize(table.size() + 8);
        put(table, table.size() - 8, 4, 1);
        put(table, table.size() - 4, 4, std::uint64_t(shown));
    }
    put(table, 4, 4, times.size() - 1);
    // rounded up, or the last frame would be cut off
    const auto film = std::uint64_t(std::ceil(double(total) * film_rate / rate));
    const std::string changed = rewrite(index, [&](const std::string& kind, std::string body) {
        if (kind == "stts") return table;
        const auto place = lengths.find(kind);
        if (place == lengths.end()) return body;
        const std::uint64_t length = kind == "mdhd" ? total : film;
        if (body.at(0))
            put(body, place->second.second, 8, length);
        else
            put(body, place->second.first, 4, std::min<std::uint64_t>(length, 0xFFFFFFFF));
        return body;
    });
    file.clear();
    file.seekp(at);
    file.write(changed.data(), std::streamsize(changed.size()));
    if (!file.flush()) throw Error("is the disk full?");
}

}  // namespace nanodet
