/// An ncnn graph (``.param``, the text form) as data.
///
/// ncnn itself ends the process on many graphs it cannot understand. What is read here has been
/// checked: counts, names, parameters, and that every blob is made before it is used.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace nanodet {

constexpr int array_keys = 23300;  ///< an array under key k is written as -23300-k=length,value

/// One line of the graph.
struct NcnnLayer {
    std::string kind, name;
    std::vector<std::string> inputs, outputs;  ///< names of blobs
    std::vector<std::pair<int, std::string>> values;  ///< arrays under the key -23300 - k

    /// Returns the value under a key, null where there is none.
    const std::string* find(int key) const;

    /// Returns the whole number under a key.
    ///
    /// @throws Error  it is none
    int whole(int key, int otherwise = 0) const;

    /// Returns the number under a key.
    double number(int key, double otherwise) const;

    /// Returns the array of whole numbers under a key; empty where there is none.
    std::vector<int> wholes(int key) const;

    /// Takes out the values under a key.
    void drop(int key);
};

struct NcnnGraph {
    static constexpr std::uintmax_t longest = 64U << 20;  ///< bytes of a file

    std::vector<NcnnLayer> layers;  ///< in the order in which ncnn runs them

    /// @throws Error  unreadable, or not a graph; names the file and the line
    static NcnnGraph load(const std::string& path);

    /// Reads the text of a ``.param``; ``file`` names it in messages.
    static NcnnGraph parse(const std::string& text, const std::string& file);

    /// The blobs that a user of the model fills, and those that no layer takes.
    std::vector<std::string> inputs() const, outputs() const;

    /// Takes out the shapes that the graph says its blobs have, which ncnn believes, and masks of
    /// features: with some, a layer reads beyond what it is given in bfloat16.
    void drop_hints();

    std::string to_text() const;
};

/// Returns the whole number of 32 bits that a text is, with or without a minus.
bool is_whole(const std::string& text);

}  // namespace nanodet
