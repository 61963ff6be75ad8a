#include "report.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "files.h"
#include "nanodet/sha256.h"
#include "published.h"
#include "statistics.h"
#include "texts.h"
#include "throttling.h"

namespace nanodet::bench {

namespace {

Json hashes_of(const Entry& entry) {
    std::vector<std::string> files{entry.path};
    if (suffix_of(entry.path) == ".param" && !entry.graph)
        for (const char* suffix : {".bin", ".json"})
            files.push_back(with_suffix(entry.path, suffix));
    Json hashes = Json::object();
    for (const std::string& file : files) hashes[file_name(file)] = sha256_of_file(published(file));
    return hashes;
}

Json megabytes(const Json& bytes) {
    if (bytes.is_null()) return nullptr;
    return round_to(bytes.get<double>() / (1 << 20), 1);
}

std::vector<double> flat(const std::vector<std::vector<double>>& turns) {
    std::vector<double> times;
    for (const auto& turn : turns) times.insert(times.end(), turn.begin(), turn.end());
    return times;
}

}  // namespace

Json result_of(const Measured& one, const Measured& reference, const std::string& cores, int runs) {
    const Entry& entry = one.entry;
    const Json& loaded = one.loaded;
    Json result = {
        {"name", entry.name},
        {"path", entry.path},
        {"weights", entry.graph ? "zero" : "file"},
        {"files", hashes_of(entry)},
        {"input", loaded.at("input")},
        {"threads", entry.threads},
        {"precision", name_of(entry.precision)},
        {"engine", loaded.at("engine")},
        {"options", loaded.at("options")},
        {"cores", loaded.at("cores")},
        {"left_out", loaded.at("left_out")},
        {"detections", loaded.at("detections")},
        {"load_ms", round_to(1000 * loaded.at("load_s").get<double>(), 3)},
        {"memory_mb",
         {{"before_load", megabytes(loaded.at("before_bytes"))},
          {"peak", megabytes(json_of(one.peak_bytes))}}},
        {"warmup_runs", one.warmup_runs},
        {"runs", one.run_count()},
        {"seconds", round_to(one.seconds(), 3)},
        {"error", one.error.empty() ? Json(nullptr) : Json(one.error)},
    };
    if (!one.turns.empty()) {
        const auto turns = one.network();
        result["times_us"] = stage_times(one.runs(), loaded.at("stages"));
        const double change = later_half(flat(turns));
        result["later_half"] = round_to(change, 4);
        result["slowed"] = json_of(slower(change));
        const double waited = std::accumulate(one.waited.begin(), one.waited.end(), 0.0);
        result["waited"] = nullptr;
        if (!one.waited.empty())
            result["waited"] = round_to(waited / double(one.waited.size()), 4);
        if (!reference.turns.empty()) result["network_ratio"] = ratio(turns, reference.network());
    }
    if (suffix_of(entry.path) == ".param")
        result["benchncnn"] = benchncnn_call(entry.path, loaded.at("input")[0],
                                             loaded.at("input")[1], entry.threads, cores, runs);
    return result;
}

std::string benchncnn_call(const std::string& path, int width, int height, int threads,
                           const std::string& cores, int runs) {
    const std::map<std::string, std::string> powersave = {
        {"all", "0"}, {"little", "1"}, {"big", "2"}};  // ncnn's numbers
    const auto known = powersave.find(cores);
    std::vector<std::string> words;
    if (known == powersave.end()) words = {"taskset", "-c", cores};
    // no GPU (-1), no pause to cool down (0)
    for (const std::string& word :
         {std::string("benchncnn"), std::to_string(runs), std::to_string(threads),
          known == powersave.end() ? std::string("0") : known->second, std::string("-1"),
          std::string("0"), "param=" + path,
          format("shape=[%d,%d,3]", width, height)})
        words.push_back(word);
    return shell_line(words);
}

}  // namespace nanodet::bench
