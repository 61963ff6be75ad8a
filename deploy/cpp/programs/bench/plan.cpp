#include "plan.h"

#include <filesystem>
#include <map>
#include <set>

#include "files.h"
#include "nanodet/error.h"
#include "published.h"
#include "texts.h"
#if NANODET_WITH_NCNN
#include "ncnn_graph.h"
#endif

namespace nanodet::bench {

namespace {

namespace fs = std::filesystem;

struct Wanted {
    std::string path;
    std::optional<Size> size;
    bool graph;
};

std::string text_of(Size size) {
    return std::to_string(size.width) + "x" + std::to_string(size.height);
}

/// Splits ``FILE@WxH``; there is no size where a file of the whole name exists.
Wanted split_size(const std::string& text) {
    const auto at = text.rfind('@');
    std::error_code ignored;
    if (at == std::string::npos || at == 0 || fs::exists(text, ignored)) return {text, {}, false};
    const auto size = parse_size(text.substr(at + 1));
    if (!size) return {text, {}, false};
    return {text.substr(0, at), size, false};
}

void check_file(const Wanted& wanted) {
    const std::string& path = wanted.path;
    std::error_code ignored;
    if (fs::is_directory(path, ignored))
        throw Error(path + ": is a folder; give one model file in it");
    if (wanted.graph) {
#if NANODET_WITH_NCNN
        NcnnGraph::load(path);
        return;
#else
        throw Error(path + ": --graph needs ncnn, which this build does not include");
#endif
    }
    if (!is_published(path)) throw Error(path + ": there is no such model file");
    const std::string suffix = suffix_of(path);
    if (suffix != ".param" && suffix != ".onnx")
        throw Error(path + ": unknown kind of model; known: .param, .onnx");
    if (wanted.size) check_input_size(*wanted.size, path + "@" + text_of(*wanted.size));
}

void check_precisions(const std::vector<Precision>& precisions, const std::vector<Wanted>& all) {
    for (const Wanted& wanted : all) {
        if (suffix_of(wanted.path) == ".param") continue;
        if (std::count(precisions.begin(), precisions.end(), Precision::fp32)) continue;
        std::vector<std::string> names;
        for (const Precision precision : precisions) names.emplace_back(name_of(precision));
        throw Error("precision: " + wanted.path + " is calculated in fp32 alone; " +
                    join(names, ", ") + " is for .param files");
    }
}

/// Returns path to the shortest name that tells the models of this plan apart.
std::map<std::string, std::string> names_of(const std::vector<Wanted>& all) {
    std::map<std::string, std::string> names;
    for (const Wanted& wanted : all) names[wanted.path] = fs::path(wanted.path).stem().string();
    for (const bool with_folder : {false, true}) {
        std::map<std::string, int> times;
        for (const auto& named : names) ++times[named.second];
        for (auto& [path, name] : names)
            if (times[name] > 1) name = with_folder ? path : fs::path(path).filename().string();
    }
    return names;
}

}  // namespace

Effort effort_of(bool strict, std::optional<int> runs, std::optional<double> seconds) {
    const Effort standard;
    const Effort most{1024, 60.0, "strict"};
    Effort effort = strict ? most : standard;
    effort.runs = runs.value_or(effort.runs);
    effort.seconds = seconds.value_or(effort.seconds);
    if (effort.runs < standard.runs || effort.seconds < standard.seconds)
        effort.name = "quick";
    else if (effort.runs >= most.runs && effort.seconds >= most.seconds)
        effort.name = "strict";
    else
        effort.name = "standard";
    return effort;
}

std::string Entry::label() const {
    return name + (size ? " " + text_of(*size) : "") + ", " + count_threads(threads) + ", " +
           name_of(precision);
}

std::vector<Entry> plan_entries(const std::vector<std::string>& models,
                                const std::vector<std::pair<std::string, Size>>& graphs,
                                const std::vector<int>& threads,
                                const std::vector<Precision>& precisions) {
    std::vector<Wanted> all;
    for (const std::string& model : models) all.push_back(split_size(model));
    for (const auto& [path, size] : graphs) all.push_back({path, size, true});
    if (all.empty())
        throw Error("nothing to time: give a MODEL, or --graph GRAPH.param --size WxH");
    for (const Wanted& wanted : all) check_file(wanted);
    check_precisions(precisions, all);
    const auto names = names_of(all);
    std::vector<Entry> entries;
    std::set<std::string> seen;
    for (const Wanted& wanted : all) {
        const bool any = wanted.graph || suffix_of(wanted.path) == ".param";
        for (const int count : threads) {
            for (const Precision precision : any ? precisions : std::vector{Precision::fp32}) {
                const Entry entry{wanted.path, wanted.graph, wanted.size,
                                  count,       precision,    names.at(wanted.path)};
                // a graph and a model may be the same file
                if (!seen.insert((entry.graph ? "graph " : "") + entry.label()).second)
                    throw Error(entry.label() + ": is to be timed twice in one run");
                entries.push_back(entry);
            }
        }
    }
    return entries;
}

std::optional<Size> parse_size(const std::string& text) {
    const auto cross = text.find_first_of("xX");
    if (cross == std::string::npos) return std::nullopt;
    const auto width = whole_number(text.substr(0, cross), 5);
    const auto height = whole_number(text.substr(cross + 1), 5);
    if (!width || !height || *width < 1 || *height < 1) return std::nullopt;
    return Size{*width, *height};
}

}  // namespace nanodet::bench
