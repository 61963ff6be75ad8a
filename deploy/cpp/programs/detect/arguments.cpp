#include "arguments.h"

#include <cmath>
#include <cstdlib>
#include <vector>

#include "common/words.h"

namespace nanodet {

const char* const usage =
    "usage: nanodet-detect MODEL SOURCE [--out DIR] [--jsonl FILE] [--score S] [--threads N]\n"
    "                      [--fit FIT] [--size WxH] [--precision P] [--vulkan]\n"
    "                      [--class-agnostic-nms] [--uncertainty]\n"
    "\n"
    "MODEL        .param (ncnn; .bin and .json beside it) or .onnx (OpenVINO)\n"
    "SOURCE       image, folder, video, camera (its number or /dev/video0), or URL; without OpenCV\n"
    "             .ppm images\n"
    "--out DIR    write images or a video with boxes and detections.jsonl there\n"
    "--jsonl FILE write JSON lines there, - for standard output\n"
    "             (without --out and --jsonl a window shows the boxes; q or Escape ends)\n"
    "--score S    boxes must score above it, 0 to 1 (default: the model's)\n"
    "--class-agnostic-nms\n"
    "             one box an object, whatever the classes (default: as the model's spec says)\n"
    "--uncertainty\n"
    "             write the standard deviation of each edge (edge_std, in pixels), and draw it\n"
    "--threads N  CPU threads of the network (default: the engine's choice)\n"
    "--fit FIT    own, letterbox or stretch (default: the model's)\n"
    "--size WxH   of the network's input (default: the model's)\n"
    "--precision P fp32, bf16 or fp16 (ncnn; default: fp32)\n"
    "--vulkan     run on the GPU, where ncnn was built with Vulkan\n"
    "--help, --version\n";

namespace {

/// Returns the number that a text is as a whole.
double number_of(const std::string& option, const std::string& text, double low, double high,
                 bool whole) {
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    const bool fine = !text.empty() && *end == '\0' && value >= low && value <= high &&
                      (!whole || std::floor(value) == value);
    if (!fine)
        throw Error(option + ": must be a " + (whole ? "whole number, " : "number, ") +
                    std::to_string(int(low)) + " to " + std::to_string(int(high)) + ", not '" +
                    text + "'");
    return value;
}

Size size_of(const std::string& option, const std::string& text) {
    const auto cross = text.find_first_of("xX");
    if (cross == std::string::npos)
        throw Error(option + ": must be WxH, such as 320x320, not '" + text + "'");
    const auto side = [&](const std::string& part) {
        return static_cast<int>(number_of(option, part, 32, 16384, true));
    };
    return {side(text.substr(0, cross)), side(text.substr(cross + 1))};
}

}  // namespace

Arguments parse_arguments(int count, char** words) {
    Arguments arguments;
    std::vector<std::string> positional;
    Words line(count, words);
    for (std::string word; line.next(word);) {
        DetectorOptions& options = arguments.options;
        const auto flag = [&](bool& flag) {
            line.no_value(word);
            flag = true;
        };
        const auto value = [&] { return line.value(word); };
        if (!Words::is_option(word)) {
            positional.push_back(word);
        } else if (word == "--help" || word == "-h") {
            flag(arguments.help);
        } else if (word == "--version") {
            flag(arguments.version);
        } else if (word == "--class-agnostic-nms") {
            flag(options.class_agnostic_nms.emplace());
        } else if (word == "--uncertainty") {
            flag(arguments.uncertainty);
        } else if (word == "--vulkan") {
            flag(options.vulkan);
        } else if (word == "--out") {
            arguments.out = value();
        } else if (word == "--jsonl") {
            arguments.jsonl = value();
        } else if (word == "--score") {
            options.score = static_cast<float>(number_of(word, value(), 0, 1, false));
        } else if (word == "--threads") {
            options.threads = static_cast<int>(number_of(word, value(), 1, 1024, true));
        } else if (word == "--size") {
            options.size = size_of(word, value());
        } else if (word == "--fit") {
            const std::string name = value();
            Fit fit{};
            if (!parse_fit(name, fit))
                throw Error("--fit: must be own, letterbox or stretch, not '" + name + "'");
            options.fit = fit;
        } else if (word == "--precision") {
            const std::string name = value();
            if (!parse_precision(name, options.precision))
                throw Error("--precision: must be fp32, bf16 or fp16, not '" + name + "'");
        } else {
            throw Error(word + ": there is no such option (--help lists them)");
        }
    }
    if (arguments.help || arguments.version) return arguments;
    if (positional.size() != 2)
        throw Error("needs a MODEL and a SOURCE (--help says more), but got " +
                    std::to_string(positional.size()) + " words");
    arguments.model = positional[0];
    arguments.source = positional[1];
    return arguments;
}

}  // namespace nanodet
