#include "arguments.h"

#include <algorithm>
#include <optional>

#include "common/words.h"
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
    "--image FILE  image, binary PPM (default: a generated one of 640 x 480)\n"
    "--strict      1024 runs and 60 s each instead of 100 and 10 s\n"
    "--runs N      minimum number of runs of each; below 100 the result is marked as quick\n"
    "--seconds S   minimum number of seconds for each; below 10 the result is marked as quick\n"
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

}  // namespace

Arguments parse_arguments(int count, char** words) {
    Arguments arguments;
    Words line(count, words);
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
    for (std::string word; line.next(word);) {
        const auto flag = find(flags, word);
        const auto text = find(texts, word);
        if (!Words::is_option(word)) {
            arguments.models.push_back(word);
        } else if (flag != flags.end()) {
            line.no_value(word);
            *flag->second = true;
        } else if (text != texts.end()) {
            *text->second = line.value(word);
        } else if (word == "--graph") {
            graphs.push_back(line.value(word));
        } else if (word == "--size") {
            sizes.push_back(size_of(word, line.value(word)));
        } else if (word == "--threads") {
            arguments.threads = threads_of(word, line.value(word));
        } else if (word == "--precision") {
            arguments.precisions = precisions_of(word, line.value(word));
        } else if (word == "--runs") {
            runs = count_of(word, line.value(word), 999'999'999);
        } else if (word == "--seconds") {
            seconds = seconds_of(word, line.value(word));
        } else {
            throw Error(word + ": there is no such option (--help lists them)");
        }
    }
    if (graphs.size() != sizes.size())
        throw Error("--graph: " + std::to_string(graphs.size()) + " graphs and " +
                    std::to_string(sizes.size()) +
                    " sizes; each --graph needs one --size WxH after it (a MODEL takes its size "
                    "as FILE@WxH)");
    for (std::size_t i = 0; i < graphs.size(); ++i)
        arguments.graphs.emplace_back(graphs[i], sizes[i]);
    arguments.effort = effort_of(strict, runs, seconds);
    std::vector<std::string> command{"nanodet-bench"};
    command.insert(command.end(), words + 1, words + count);
    arguments.command = shell_line(command);
    return arguments;
}

}  // namespace nanodet::bench
