/// What is to be timed and how long: model x threads x precision, all of it checked beforehand.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "nanodet/backend.h"
#include "nanodet/fit.h"

namespace nanodet::bench {

constexpr int warmup_runs = 10, settle_runs = 2;

/// How much is measured of each entry; runs and seconds (of measured time) are both reached.
struct Effort {
    int runs = 100;
    double seconds = 10.0;
    std::string name = "standard";  ///< standard, strict or quick

    double warmup_s() const { return std::min(1.0, seconds); }

    /// Seconds of one turn; short enough that everything gets at least four of them.
    double turn_s() const { return std::min(0.5, seconds / 4); }

    /// Seconds at the start of a turn that do not count: caches and clocks are another's.
    double settle_s() const { return std::min(0.05, turn_s() / 4); }
};

/// Returns the effort of the options; less than 100 runs or 10 seconds is called quick.
Effort effort_of(bool strict, std::optional<int> runs, std::optional<double> seconds);

/// One line of the result, and one process that is timed.
struct Entry {
    std::string path;
    bool graph = false;        ///< without weights
    std::optional<Size> size;  ///< of the input; none takes the model's own
    int threads = 1;
    Precision precision = Precision::fp32;
    std::string name;  ///< in tables, unique among the models of a plan

    /// Names the entry in messages, uniquely.
    std::string label() const;
};

/// Returns everything that is to be timed, in the order of the table.
///
/// @param models  texts ``MODEL`` or ``MODEL@WxH``
/// @param graphs  file and input size of each graph that is timed with empty weights
/// @throws Error  nothing to time, a missing file, a precision that a model lacks
std::vector<Entry> plan_entries(const std::vector<std::string>& models,
                                const std::vector<std::pair<std::string, Size>>& graphs,
                                const std::vector<int>& threads,
                                const std::vector<Precision>& precisions);

/// Reads ``320x256``; nothing for any other text.
std::optional<Size> parse_size(const std::string& text);

}  // namespace nanodet::bench
