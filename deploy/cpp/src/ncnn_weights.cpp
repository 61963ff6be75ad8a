#include "ncnn_weights.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "nanodet/error.h"
#include "ncnn_parameters.h"
#include "ncnn_weight_parts.h"

namespace nanodet {

namespace {

// how weights are stored; any other tag than these: 256 float32 values, then one byte per weight
constexpr std::uint32_t fp16 = 0x01306B47, int8 = 0x000D4B38, fp32 = 0x0002C056, plain = 0,
                        table = 1;
constexpr std::size_t table_bytes = 1024;

/// Takes the bytes of a ``.bin`` one after the other.
class Reader {
public:
    Reader(const std::string& bytes) : bytes_(bytes) {}

    const char* take(std::size_t length, const std::string& where) {
        if (length > bytes_.size() - at_)
            throw Error(where + ": the file ends here, " +
                        std::to_string(length - (bytes_.size() - at_)) +
                        " bytes too early: it is truncated, or belongs to another .param");
        at_ += length;
        return bytes_.data() + (at_ - length);
    }

    std::size_t at() const { return at_; }

private:
    const std::string& bytes_;
    std::size_t at_ = 0;
};

std::size_t aligned(std::size_t length) {
    return (length + 3) / 4 * 4;
}

template <typename Bits>
Bits bits_at(const char* bytes, std::size_t index) {
    Bits bits;
    std::memcpy(&bits, bytes + index * sizeof bits, sizeof bits);
    return bits;
}

/// Tells whether numbers are finite: the bits of their exponent are not all ones.
template <typename Bits>
bool finite(const char* bytes, std::size_t count, Bits exponent) {
    bool fine = true;
    for (std::size_t i = 0; i < count; ++i)
        fine = fine && (bits_at<Bits>(bytes, i) & exponent) != exponent;
    return fine;
}

bool finite_floats(const char* bytes, std::size_t count) {
    return finite<std::uint32_t>(bytes, count, 0x7f800000);
}

/// Tells whether the scales of int8 weights are finite, or infinite as some converters write it for a
/// channel of zeros.
bool sound_scales(const char* bytes, std::size_t count) {
    bool fine = true;
    for (std::size_t i = 0; i < count; ++i)
        fine = fine && (finite_floats(bytes + 4 * i, 1) || bits_at<std::uint32_t>(bytes, i) == 0x7f800000);
    return fine;
}

/// Tells whether those of the 256 values of a table that are used are finite.
bool finite_table(const char* values, const char* indices, std::size_t count) {
    bool fine = true;
    for (std::size_t i = 0; i < count; ++i)
        fine = fine && finite_floats(values + 4 * std::size_t(std::uint8_t(indices[i])), 1);
    return fine;
}

std::string hexadecimal_of(std::uint32_t tag) {
    std::string text;
    for (int shift = 28; shift >= 0; shift -= 4) text += "0123456789abcdef"[tag >> shift & 15];
    return text;
}

bool read_tagged(Reader& reader, std::size_t count, bool has_scales, const std::string& where,
                 const std::string& param) {
    const auto tag = bits_at<std::uint32_t>(reader.take(4, where), 0);
    switch (tag) {
        case fp16:
            return finite<std::uint16_t>(reader.take(aligned(2 * count), where), count, 0x7c00);
        case int8:
            reader.take(aligned(count), where);
            if (!has_scales)  // ncnn would take the bytes for floats
                throw Error(where + ": int8, but " + param + " has no scales for it");
            return true;
        case plain:
        case fp32:
            return finite_floats(reader.take(4 * count, where), count);
        case table: {
            const char* values = reader.take(table_bytes, where);
            return finite_table(values, reader.take(aligned(count), where), count);
        }
        default:
            throw Error(where + ": begins with 0x" + hexadecimal_of(tag) +
                        ", which is no known way to store weights: damaged, or of another .param");
    }
}

/// Tells whether a layer may keep its weights in int8.
bool has_scales(const NcnnLayer& layer) {
    const bool may = layer.kind == "Convolution" || layer.kind == "ConvolutionDepthWise" ||
                     layer.kind == "InnerProduct";
    return may && layer.whole(8) != 0;
}

/// Checks that a file holds what the layers that are known keep at least.
void check_least(const std::string& bytes, const NcnnGraph& graph, const std::string& file,
                 const std::string& param) {
    std::int64_t least = 0;
    for (const NcnnLayer& layer : graph.layers)
        for (const NcnnPart& part : layout(layer, param + ": layer " + layer.name))
            least += part.least_bytes();
    if (least > std::int64_t(bytes.size()))
        throw Error(file + ": is " + std::to_string(bytes.size()) + " bytes long, but " + param +
                    " has weights for " + std::to_string(least) +
                    " at least: these two files do not belong together");
}

}  // namespace

void check_weights(const std::string& bytes, const NcnnGraph& graph, const std::string& file,
                   const std::string& param) {
    const auto unknown = std::find_if(
        graph.layers.begin(), graph.layers.end(),
        [](const NcnnLayer& layer) { return !is_known(layer.kind); });
    if (unknown != graph.layers.end()) check_least(bytes, graph, file, param);
    Reader reader(bytes);
    for (auto layer = graph.layers.begin(); layer != unknown; ++layer) {
        for (const NcnnPart& part : layout(*layer, param + ": layer " + layer->name)) {
            const std::string where = file + ": layer " + layer->name + ": " + part.name;
            const auto count = std::size_t(part.count);
            const bool fine =
                part.tagged ? read_tagged(reader, count, has_scales(*layer), where, param)
                : part.name == "weight_scales"
                    ? sound_scales(reader.take(4 * count, where), count)
                    : finite_floats(reader.take(4 * count, where), count);
            if (!fine) throw Error(where + ": holds values that are not finite numbers");
        }
    }
    if (unknown == graph.layers.end() && reader.at() != bytes.size())
        throw Error(file + ": is " + std::to_string(bytes.size()) + " bytes long, but " + param +
                    " has weights for " + std::to_string(reader.at()) +
                    ": these two files do not belong together");
}

}  // namespace nanodet
