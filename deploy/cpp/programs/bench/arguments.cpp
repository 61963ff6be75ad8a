#include "arguments.h"

#include <algorithm>
#include <optional>

#include "nanodet/error.h"
#include "texts.h"

namespace nanodet::bench {

const char* const usage =
    "usage: nanodet-bench MODEL[@WxH]... [--graph GRAPH.param --size WxH]... [--threads 1,2,4]\n"
    "                     [--precision fp32,bf16,fp16] [--cores big|little|all|0,2]\n"
    "                     [--image FILE.ppm] [--strict] [--runs N] [--seconds S] [--json OUT]\n"
    "       nanodet-bench --machine\n"
    "\n"
    "Times models side by side, and prints tables.\n"
    "\n"
    "MODEL[@WxH]   .param (ncnn; .bin and .json beside it) or .onnx (OpenVINO); another input\n"
    "              size than its own\n"
    "--graph FILE  ncnn graph to time with empty weights, for an input of the --size behind it\n"
    "--threads     CPU threads to time each with (default: 1)\n"
    "--precision   arithmetic to time each .param in (default: fp32)\n"
    "--cores       CPU cores to run on (default: the big ones, all where they are alike)\n"
    "--image FILE  picture, binary PPM (default: a generated one of 640 x 480)\n"
    "--strict      1024 runs and 60 s each instead of 100 and 10 s\n"
    "--runs N      at least so many runs each; below 100 the result is marked as quick\n"
    "--seconds S   at least so many seconds each; below 10 the result is marked as quick\n"
    "--json OUT    write everything to this file; - writes it to standard output, without tables\n"
    "--machine     print what this machine tells of itself and its sensors, as JSON\n"
    "--root DIR    take sys and proc of this folder, a copy of another machine's (for tests)\n"
    "--help, --version\n";

namespace {

/// Returns the parts of ``1,2,4``, each once.
std::vector<std::string> parts_of(const std::string& text) {
    std::vector<std::string> parts;
    for (const std::string& part : split(text, ",")) {
        const std::string word = strip(part);
        if (std::find(parts.begin(), parts.end(), word) == parts.end()) parts.push_back(word);
    }
    return parts;
}

int count_of(const std::string& option, const std::string& text, int most) {
    const auto value = whole_number(text);
    if (!value || *value < 1 || *value > most)
        throw Error(option + ": must be a whole number, 1 to " + std::to_string(most) + ", not '" +
                    text + "'");
    return *value;
}

double seconds_of(const std::string& option, const std::string& text) {
    const auto value = decimal_number(text);
    if (!value || *value <= 0 || *value > 1e6)
        throw Error(option + ": must be a number of seconds above 0, not '" + text + "'");
    return *value;
}

Size size_of(const std::string& option, const std::string& text) {
    const auto size = parse_size(text);
    if (!size) throw Error(option + ": must be WxH, such as 320x320, not '" + text + "'");
    return *size;
}

std::vector<int> threads_of(const std::string& option, const std::string& text) {
    std::vector<int> counts;
    for (const std::string& part : parts_of(text)) counts.push_back(count_of(option, part, 1024));
    return counts;
}

std::vector<Precision> precisions_of(const std::string& option, const std::string& text) {
    std::vector<Precision> precisions;
    for (const std::string& part : parts_of(text)) {
        Precision precision{};
        if (!parse_precision(part, precision))
            throw Error(option + ": must be of fp32, bf16 and fp16, not '" + part + "'");
        precisions.push_back(precision);
    }
    return precisions;
}

/// The words of the command line, taken one after the other.
class Words {
public:
    Words(int count, char** words) : words_(words + 1, words + count) {}

    /// Takes the next word, an option without its ``=value``; returns false at the end.
    bool next(std::string& word) {
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

    static bool is_option(const std::string& word) { return word.size() > 1 && word[0] == '-'; }

    /// Takes the value of an option.
    std::string value(const std::string& option) {
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

    /// @throws Error  a value behind an option that takes none
    void no_value(const std::string& option) const {
        if (joined_) throw Error(option + ": takes no value");
    }

private:
    std::vector<std::string> words_;
    std::size_t at_ = 0;
    std::optional<std::string> joined_;
};

}  // namespace

Arguments parse_arguments(int count, char** all) {
    Arguments arguments;
    Words words(count, all);
    std::vector<std::string> graphs;
    std::vector<Size> sizes;
    bool strict = false;
    std::optional<int> runs;
    std::optional<double> seconds;
    const std::vector<std::pair<std::string, bool*>> flags = {
        {"--strict", &strict},
        {"--machine", &arguments.machine},
        {"--help", &arguments.help},
        {"--version", &arguments.version},
    };
    const std::vector<std::pair<std::string, std::string*>> texts = {
        {"--cores", &arguments.cores},
        {"--image", &arguments.image},
        {"--json", &arguments.json},
        {"--root", &arguments.root},
    };
    const auto find = [](const auto& options, const std::string& word) {
        return std::find_if(options.begin(), options.end(),
                            [&](const auto& option) { return option.first == word; });
    };
    for (std::string word; words.next(word);) {
        const auto flag = find(flags, word);
        const auto text = find(texts, word);
        if (!Words::is_option(word)) {
            arguments.models.push_back(word);
        } else if (flag != flags.end()) {
            words.no_value(word);
            *flag->second = true;
        } else if (text != texts.end()) {
            *text->second = words.value(word);
        } else if (word == "--graph") {
            graphs.push_back(words.value(word));
        } else if (word == "--size") {
            sizes.push_back(size_of(word, words.value(word)));
        } else if (word == "--threads") {
            arguments.threads = threads_of(word, words.value(word));
        } else if (word == "--precision") {
            arguments.precisions = precisions_of(word, words.value(word));
        } else if (word == "--runs") {
            runs = count_of(word, words.value(word), 999'999'999);
        } else if (word == "--seconds") {
            seconds = seconds_of(word, words.value(word));
        } else {
            throw Error(word + ": there is no such option (--help lists them)");
        }
    }
    if (graphs.size() != sizes.size())
        throw Error("--graph: " + std::to_string(graphs.size()) + " graphs and " +
                    std::to_string(sizes.size()) +
                    " sizes; each --graph needs one --size WxH behind it (a MODEL takes its size "
                    "as FILE@WxH)");
    for (std::size_t i = 0; i < graphs.size(); ++i)
        arguments.graphs.emplace_back(graphs[i], sizes[i]);
    arguments.effort = effort_of(strict, runs, seconds);
    std::vector<std::string> line{"nanodet-bench"};
    line.insert(line.end(), all + 1, all + count);
    arguments.command = shell_line(line);
    return arguments;
}

}  // namespace nanodet::bench
