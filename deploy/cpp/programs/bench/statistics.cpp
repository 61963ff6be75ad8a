#include "statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "texts.h"

namespace nanodet::bench {

double percentile(std::vector<double> values, double percent) {
    if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
    std::sort(values.begin(), values.end());
    const double place = percent / 100 * double(values.size() - 1);
    const auto below = std::size_t(place);
    const std::size_t above = std::min(below + 1, values.size() - 1);
    return values[below] + (values[above] - values[below]) * (place - double(below));
}

double median(std::vector<double> values) {
    return percentile(std::move(values), 50);
}

Json summarise(const std::vector<double>& nanoseconds) {
    std::vector<double> values;
    values.reserve(nanoseconds.size());
    for (const double time : nanoseconds) values.push_back(time / 1000);
    const auto [least, most] = std::minmax_element(values.begin(), values.end());
    const double sum = std::accumulate(values.begin(), values.end(), 0.0);
    return {
        {"min", round_to(*least, 1)},
        {"median", round_to(percentile(values, 50), 1)},
        {"mean", round_to(sum / double(values.size()), 1)},
        {"p90", round_to(percentile(values, 90), 1)},
        {"p99", round_to(percentile(values, 99), 1)},
        {"max", round_to(*most, 1)},
    };
}

Json stage_times(const std::vector<std::vector<double>>& runs,
                 const std::vector<std::string>& stages) {
    Json times;
    std::vector<double> whole(runs.size(), 0.0);
    for (std::size_t stage = 0; stage < stages.size(); ++stage) {
        std::vector<double> values;
        for (std::size_t run = 0; run < runs.size(); ++run) {
            values.push_back(runs[run].at(stage));
            whole[run] += runs[run].at(stage);
        }
        times[stages[stage]] = summarise(values);
    }
    if (stages.size() > 1) times["end_to_end"] = summarise(whole);
    return times;
}

double later_half(const std::vector<double>& values) {
    const std::size_t middle = values.size() / 2;
    if (middle < 5) return 1.0;
    const auto cut = values.begin() + std::ptrdiff_t(middle);
    return median({cut, values.end()}) / median({values.begin(), cut});
}

Json ratio(const std::vector<std::vector<double>>& turns,
           const std::vector<std::vector<double>>& reference) {
    std::vector<double> ratios;
    // the shorter one had enough earlier
    for (std::size_t i = 0; i < std::min(turns.size(), reference.size()); ++i)
        ratios.push_back(median(turns[i]) / median(reference[i]));
    return {
        {"median", round_to(percentile(ratios, 50), 4)},
        {"lower", round_to(percentile(ratios, 25), 4)},
        {"upper", round_to(percentile(ratios, 75), 4)},
    };
}

}  // namespace nanodet::bench
