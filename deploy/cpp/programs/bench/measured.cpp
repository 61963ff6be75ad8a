#include "measured.h"

#include <algorithm>
#include <numeric>

namespace nanodet::bench {

std::vector<std::vector<double>> Measured::runs() const {
    std::vector<std::vector<double>> all;
    for (const auto& turn : turns) all.insert(all.end(), turn.begin(), turn.end());
    return all;
}

std::size_t Measured::run_count() const {
    std::size_t count = 0;
    for (const auto& turn : turns) count += turn.size();
    return count;
}

double Measured::seconds() const {
    double nanoseconds = 0;
    for (const auto& turn : turns)
        for (const auto& run : turn) nanoseconds = std::accumulate(run.begin(), run.end(), nanoseconds);
    return nanoseconds / 1e9;
}

bool Measured::has(const Effort& effort) const {
    return run_count() >= std::size_t(effort.runs) && seconds() >= effort.seconds;
}

std::vector<std::vector<double>> Measured::network() const {
    const auto& stages = loaded.at("stages");
    const auto stage = std::size_t(std::find(stages.begin(), stages.end(), "network") -
                                   stages.begin());
    std::vector<std::vector<double>> times;
    for (const auto& turn : turns) {
        times.emplace_back();
        for (const auto& run : turn) times.back().push_back(run.at(stage));
    }
    return times;
}

}  // namespace nanodet::bench
