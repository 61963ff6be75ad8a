#include "throttling.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "statistics.h"
#include "text_files.h"
#include "texts.h"

namespace nanodet::bench {

namespace {

namespace fs = std::filesystem;

constexpr double slower_by = 1.05;  // the later half's median over the first half's
constexpr double lower_by = 0.95;   // of the frequency
constexpr double hot_c = 80.0;      // where a zone names no trip point; boards slow down at about this

/// Returns the names in a folder that begin and end so, sorted.
std::vector<std::string> list(const std::string& folder, const std::string& start,
                              const std::string& end = "") {
    std::vector<std::string> names;
    std::error_code problem;
    for (fs::directory_iterator at(folder, problem), none; !problem && at != none;
         at.increment(problem)) {
        const std::string name = at->path().filename().string();
        const bool fits = name.rfind(start, 0) == 0 && name.size() >= start.size() + end.size() &&
                          name.compare(name.size() - end.size(), end.size(), end) == 0;
        if (fits) names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
}

/// Returns the lowest temperature at which the kernel acts on a zone by slowing something.
std::optional<double> trip_of(const std::string& zone) {
    const std::string end = "_type";
    std::optional<double> lowest;
    for (const std::string& name : list(zone, "trip_point_", end)) {
        const auto kind = read_text(zone + "/" + name);
        if (kind != "passive" && kind != "hot") continue;
        const std::string point = name.substr(0, name.size() - end.size());
        const auto value = read_number(zone + "/" + point + "_temp", 1e-3);
        if (value && *value > 0) lowest = std::min(lowest.value_or(*value), *value);
    }
    return lowest;
}

template <typename Value>
void tell(Json& values, const std::string& name, const std::optional<Value>& value) {
    if (value) values[name] = *value;
}

double median_of(const std::vector<double>& values, std::size_t first, std::size_t last) {
    return median({values.begin() + std::ptrdiff_t(first), values.begin() + std::ptrdiff_t(last)});
}

std::optional<std::string> frequency_fell(const std::vector<Json>& during) {
    std::vector<double> fastest;  // the fastest core: the others may be idle
    for (const Json& sample : during) {
        double most = 0;
        for (const auto& mhz : sample.at("frequency_mhz"))
            most = std::max(most, mhz.get<double>());
        if (!sample.at("frequency_mhz").empty()) fastest.push_back(most);
    }
    const std::size_t middle = fastest.size() / 2;
    if (middle < 2) return std::nullopt;
    const double first = median_of(fastest, 0, middle);
    const double later = median_of(fastest, middle, fastest.size());
    if (later >= lower_by * first) return std::nullopt;
    return format("the frequency fell from %.0f to %.0f MHz", first, later);
}

std::optional<std::string> limit_fell(const Json& before, const std::vector<Json>& samples) {
    for (const auto& [core, value] : before.at("limit_mhz").items()) {
        const double limit = value.get<double>();
        double lowest = limit;
        for (const Json& sample : samples)
            lowest = std::min(lowest, sample.at("limit_mhz").value(core, limit));
        if (lowest < limit)
            return format("the frequency limit of core %s fell from %.0f to %.0f MHz", core.c_str(),
                          limit, lowest);
    }
    return std::nullopt;
}

void too_hot(const std::vector<Json>& samples, std::vector<std::string>& why) {
    for (const auto& item : samples[0].at("temperature_c").items()) {
        const std::string& zone = item.key();
        const Json& trips = samples[0].at("trip_c");
        const bool has_trip = trips.contains(zone);
        const double limit = trips.value(zone, hot_c);
        double hottest = -273.0;
        for (const Json& sample : samples)
            hottest = std::max(hottest, sample.at("temperature_c").value(zone, -273.0));
        if (hottest >= limit)
            why.push_back(format("thermal zone %s reached %.0f C, %s%.0f C or more", zone.c_str(),
                                 hottest, has_trip ? "its trip point of " : "", limit));
    }
}

void cooled(const std::vector<Json>& samples, std::vector<std::string>& why) {
    for (const auto& item : samples.back().at("cooling").items()) {
        const std::string& name = item.key();
        double state = 0;
        for (const Json& sample : samples)
            state = std::max(state, sample.at("cooling").value(name, 0.0));
        if (state > 0)
            why.push_back(format("the kernel's cooling device %s was on (state %.0f)", name.c_str(),
                                 state));
    }
}

/// The present state in a Raspberry Pi's firmware; higher bits tell of the time since it started.
std::optional<std::string> firmware_reports(const std::vector<Json>& samples) {
    long bits = 0;
    for (const Json& sample : samples)
        if (!sample.at("firmware").is_null()) bits |= sample.at("firmware").get<long>();
    std::vector<std::string> words;
    const std::vector<std::pair<long, const char*>> meanings = {
        {1, "under-voltage"}, {2, "frequency capped"}, {4, "throttled"},
        {8, "soft temperature limit"}};
    for (const auto& [bit, word] : meanings)
        if (bits & bit) words.emplace_back(word);
    if (words.empty()) return std::nullopt;
    return "the board's firmware reports: " + join(words, ", ");
}

}  // namespace

Json read_sensors(const std::vector<int>& cores, const std::string& root) {
    Json sensors;
    for (const char* key :
         {"temperature_c", "trip_c", "cooling", "frequency_mhz", "limit_mhz", "governor"})
        sensors[key] = Json::object();
    const std::string thermal = root + "/sys/class/thermal/";
    const std::string zone_start = "thermal_zone", cooler_start = "cooling_device";
    for (const std::string& folder : list(thermal, zone_start)) {
        const std::string zone = thermal + folder;
        const std::string name = strip(folder.substr(zone_start.size()) + " " +
                                       read_text(zone + "/type").value_or(""));
        tell(sensors["temperature_c"], name, read_number(zone + "/temp", 1e-3));
        tell(sensors["trip_c"], name, trip_of(zone));
    }
    for (const std::string& folder : list(thermal, cooler_start)) {
        const std::string kind = read_text(thermal + folder + "/type").value_or("");
        std::string lower = kind;
        for (char& letter : lower)
            if (letter >= 'A' && letter <= 'Z') letter = char(letter - 'A' + 'a');
        if (lower.find("cpu") != std::string::npos)
            tell(sensors["cooling"], folder.substr(cooler_start.size()) + " " + kind,
                 read_number(thermal + folder + "/cur_state"));
    }
    for (const int id : cores) {
        const std::string name = std::to_string(id);
        const std::string files = root + "/sys/devices/system/cpu/cpu" + name + "/cpufreq/";
        tell(sensors["frequency_mhz"], name, read_number(files + "scaling_cur_freq", 1e-3));
        tell(sensors["limit_mhz"], name, read_number(files + "scaling_max_freq", 1e-3));
        tell(sensors["governor"], name, read_text(files + "scaling_governor"));
    }
    const auto flags = read_text(root + "/sys/devices/platform/soc/soc:firmware/get_throttled");
    sensors["firmware"] = json_of(hexadecimal(flags.value_or("")));
    return sensors;
}

std::vector<std::string> reasons(const Json& before, const std::vector<Json>& during,
                                 const Json& after) {
    std::vector<Json> later(during), all{before};
    later.push_back(after);
    all.insert(all.end(), later.begin(), later.end());
    std::vector<std::string> why;
    if (const auto reason = frequency_fell(during)) why.push_back(*reason);
    if (const auto reason = limit_fell(before, later)) why.push_back(*reason);
    too_hot(all, why);
    cooled(later, why);
    if (const auto reason = firmware_reports(later)) why.push_back(*reason);
    return why;
}

std::optional<std::string> slower(double ratio) {
    if (ratio <= slower_by) return std::nullopt;
    return format("the later half's median is %.0f %% above the first half's", 100 * (ratio - 1));
}

}  // namespace nanodet::bench
