/// What was seen of one entry.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "json.h"
#include "plan.h"

namespace nanodet::bench {

// NOLINTNEXTLINE(bugprone-exception-escape)  it takes the assertions of the JSON for exceptions
struct Measured {
    Entry entry;
    Json loaded;  ///< the process's first reply: ``stages``, ``load_s``, ``input``, ``engine`` ...
    /// Per turn and run, the nanoseconds of each stage.
    std::vector<std::vector<std::vector<double>>> turns;
    std::vector<double> waited;  ///< per turn, the part in which others had the CPU core, 0..1
    int warmup_runs = 0;
    std::optional<std::int64_t> peak_bytes;
    std::string error;  ///< why it ended early, or empty

    /// All runs over all turns.
    std::vector<std::vector<double>> runs() const;

    std::size_t run_count() const;

    /// The measured time.
    double seconds() const;

    /// Whether enough was measured.
    bool has(const Effort& effort) const;

    /// Per turn, the times of the network alone.
    std::vector<std::vector<double>> network() const;
};

}  // namespace nanodet::bench
