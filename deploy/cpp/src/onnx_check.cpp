#include "onnx_check.h"

#include <cstdint>
#include <map>
#include <string_view>

#include "files.h"
#include "nanodet/error.h"

namespace nanodet {

namespace onnx {

namespace {

// the form is Protocol Buffers' (https://protobuf.dev/programming-guides/encoding), the numbers of
// the fields are those of onnx.proto3
constexpr std::uint64_t varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5;  // kinds of fields
constexpr std::uint64_t op_type = 4;
constexpr std::uintmax_t most_bytes = 2ULL << 30;  // protobuf's own limit
constexpr long most_fields = 1L << 20;
constexpr std::size_t longest_name = 200;

/// A message: field to the kind of message in it, or to why it is refused.
struct Message {
    std::map<std::uint64_t, const Message*> parts;
    std::map<std::uint64_t, std::string> refused;
    bool is_node = false;
};

const std::string subgraph = "contains a subgraph, which may run forever";
const std::string external =
    "has values in another file; onnx.save(onnx.load(FILE), ONE_FILE) writes all into one";

const Message tensor{{}, {{13, external}, {14, external}}};
const Message sparse{{{1, &tensor}, {2, &tensor}}, {}};
const Message attribute{{{5, &tensor}, {10, &tensor}, {22, &sparse}, {23, &sparse}},
                        {{6, subgraph}, {11, subgraph}}};
const Message node{{{5, &attribute}}, {}, true};
const Message graph{{{1, &node}, {5, &tensor}, {15, &sparse}}, {}};
const Message model{
    {{7, &graph}},
    {{20, "has graphs for training: export it for inference"},
     {25, "defines functions, which may run forever: export it without"}}};

struct Field {
    std::uint64_t number = 0, kind = 0, value = 0;  // the value of a varint
    std::string_view body;
};

class Check {
public:
    explicit Check(std::string path) : path_(std::move(path)) {}

    void check(std::string_view data, const Message& message, std::string of = {}) {
        if (message.is_node) of = "operation '" + name_of(data) + "' ";
        for (Field field; next(data, field);) {
            const auto refused = message.refused.find(field.number);
            // a tensor may say that its values are here: 0 of field 14
            if (refused != message.refused.end() && (field.kind != varint || field.value != 0))
                throw Error(path_ + ": " + of + refused->second);
            const auto part = message.parts.find(field.number);
            if (part != message.parts.end() && field.kind == bytes)
                check(field.body, *part->second, of);
        }
    }

private:
    std::string name_of(std::string_view data) {
        std::string found;
        for (Field field; next(data, field);)
            if (field.number == op_type && field.kind == bytes)
                found = field.body.substr(0, longest_name);
        return found;
    }

    /// Takes the first field off the data; false where there is none.
    bool next(std::string_view& data, Field& field) {
        if (data.empty()) return false;
        if (--left_ < 0) damaged("more than 1,048,576 fields");
        const std::uint64_t key = take_number(data);
        if (key < 8 || key >> 32 != 0)  // of a larger one, engines take the lower half
            damaged("a field of number " + std::to_string(key >> 3));
        field = {key >> 3, key & 7, 0, {}};
        if (field.kind == varint) {
            field.value = take_number(data);
            return true;
        }
        std::uint64_t size = 0;
        if (field.kind == bytes)
            size = take_number(data);
        else if (field.kind == fixed64 || field.kind == fixed32)
            size = field.kind == fixed64 ? 8 : 4;
        else
            damaged("a field of kind " + std::to_string(field.kind));
        if (size > data.size()) damaged("a field is longer than what it lies in");
        field.body = data.substr(0, std::size_t(size));
        data.remove_prefix(std::size_t(size));
        return true;
    }

    /// Takes a number of 7 bits a byte.
    std::uint64_t take_number(std::string_view& data) {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 70; shift += 7) {
            if (data.empty()) damaged("it ends in a number");
            const auto byte = static_cast<unsigned char>(data.front());
            data.remove_prefix(1);
            value |= std::uint64_t(byte & 0x7F) << shift;
            if (byte < 0x80) return value;
        }
        damaged("a number is too long");
    }

    [[noreturn]] void damaged(const std::string& how) const {
        throw Error(path_ + ": not a usable ONNX model (its form is damaged: " + how + ")");
    }

    std::string path_;
    long left_ = most_fields;
};

}  // namespace

}  // namespace onnx

void check_onnx(const std::string& path) {
    const std::string data = read_file(path, "this model", onnx::most_bytes);
    if (data.empty()) throw Error(path + ": not a usable ONNX model (this file is empty)");
    onnx::Check(path).check(data, onnx::model);
}

}  // namespace nanodet
