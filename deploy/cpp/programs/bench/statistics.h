/// What is said of many runs.
#pragma once

#include <string>
#include <vector>

#include "json.h"

namespace nanodet::bench {

/// Returns the percentile, 0..100, linear between the two nearest values; NaN for none.
double percentile(std::vector<double> values, double percent);

double median(std::vector<double> values);

/// Returns min, median, mean, p90, p99 and max in microseconds, to a tenth.
Json summarise(const std::vector<double>& nanoseconds);

/// Returns the summary of every stage, and of ``end_to_end`` where there is more than one.
///
/// @param runs  per run, the nanoseconds of its stages
Json stage_times(const std::vector<std::vector<double>>& runs,
                 const std::vector<std::string>& stages);

/// Returns the median of the later half over the median of the first half, 1 for few values.
double later_half(const std::vector<double>& values);

/// Compares two entries that took turns, round by round. What slows the machine for some seconds
/// falls on both and drops out of their ratio.
///
/// @param turns, reference  per turn, the times of its runs; at least one turn each
/// @returns ``median``, ``lower`` and ``upper`` quartile over the rounds of the ratio of medians
Json ratio(const std::vector<std::vector<double>>& turns,
           const std::vector<std::vector<double>>& reference);

}  // namespace nanodet::bench
