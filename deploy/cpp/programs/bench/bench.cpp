#include "bench.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <iostream>
#include <random>

#include "common/ppm.h"
#include "json.h"
#include "machine.h"
#include "nanodet/error.h"
#include "report.h"
#include "signals.h"
#include "text_files.h"
#include "texts.h"
#include "throttling.h"
#include "turns.h"

namespace nanodet::bench {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Says how far a run is: on a terminal all the time, in a log now and then.
class Progress {
public:
    ~Progress() {
        if (terminal_ && turns_ > 0) std::fprintf(stderr, "\n");
    }

    void step() {
        ++turns_;
        if (!terminal_ && seconds_since(start_) < next_) return;
        next_ = seconds_since(start_) + 10.0;
        std::fprintf(stderr, terminal_ ? "\r%ld turns, %.0f s" : "%ld turns, %.0f s\n", turns_,
                     seconds_since(start_));
    }

private:
    const bool terminal_ = ::isatty(STDERR_FILENO) != 0;
    const Clock::time_point start_ = Clock::now();
    double next_ = 10.0;
    long turns_ = 0;
};

/// Returns smooth noise of 640 x 480, always the same: random colours 40 pixels apart, and between
/// them 3t^2 - 2t^3.
PpmPicture noise() {
    constexpr int width = 640, height = 480, step = 40, columns = width / step + 1;
    std::mt19937 random;  // its numbers are the same everywhere
    constexpr std::size_t points = std::size_t(columns) * (height / step + 1);
    std::vector<int> coarse(points * 3);
    for (int& value : coarse) value = int(random() & 255U);
    const auto weight = [](int at) {
        const double t = double(at) / step;
        return t * t * (3 - 2 * t);
    };
    PpmPicture picture;
    picture.width = width;
    picture.height = height;
    for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
            for (int colour = 0; colour < 3; ++colour) {
                const auto at = [&](int right, int down) {
                    const int point = (y / step + down) * columns + x / step + right;
                    return coarse[std::size_t(point) * 3 + std::size_t(colour)];
                };
                const double u = weight(x % step), v = weight(y % step);
                const double top = at(0, 0) * (1 - u) + at(1, 0) * u;
                const double bottom = at(0, 1) * (1 - u) + at(1, 1) * u;
                picture.pixels.push_back(std::uint8_t(std::lround(top * (1 - v) + bottom * v)));
            }
        }
    }
    return picture;
}

std::string utc_now() {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    return format("%04d-%02d-%02dT%02d:%02d:%02d+00:00", parts.tm_year + 1900, parts.tm_mon + 1,
                  parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

Json json_of_effort(const Effort& effort) {
    return {{"runs", effort.runs},
            {"seconds", effort.seconds},
            {"name", effort.name},
            {"warmup_runs", warmup_runs},
            {"warmup_s", effort.warmup_s()}};
}

void print(const std::string& text) {
    std::cout << text << std::flush;
    if (!std::cout)
        throw Error(std::string("standard output: cannot be written (") + std::strerror(errno) + ")");
}

}  // namespace

void run(const Arguments& arguments) {
    const std::string& json = arguments.json;
    if (!json.empty() && json != "-") check_writable(json);
    const auto entries = plan_entries(arguments.models, arguments.graphs, arguments.threads,
                                      arguments.precisions);
    const PpmPicture picture = arguments.image.empty() ? noise() : read_ppm(arguments.image);
    const Machine machine = describe(arguments.root);
    const auto allowed = allowed_cores();
    const auto ids = allowed ? choose_cores(arguments.cores, machine.cores, allowed) : std::nullopt;
    if (!ids && arguments.cores != "big" && arguments.cores != "all")
        throw Error("--cores " + arguments.cores +
                    ": this system does not let a process choose its cores");
    for (const int count : arguments.threads)
        if (ids && std::size_t(count) > ids->size())
            std::cerr << "nanodet-bench: warning: " << count_threads(count) << " on "
                      << ids->size() << " cores" << std::endl;
    const Effort& effort = arguments.effort;
    std::cerr << format("%zu to time, at least %.0f s", entries.size(),
                        double(entries.size()) * (effort.seconds + effort.warmup_s()))
              << std::endl;
    const std::vector<int> looked_at = ids.value_or(std::vector<int>{});
    const auto sensors = [&] { return read_sensors(looked_at, arguments.root); };
    const std::string started = utc_now();
    const Json before = sensors();
    std::vector<Json> during;
    const auto start = Clock::now();
    std::string failure;
    Json report;
    {
        const SignalGuard signals;
        std::vector<Measured> measured;
        {
            Progress progress;
            measured = measure(entries, effort, ids, picture.view(), [&] {
                during.push_back(sensors());
                progress.step();
            });
        }
        const Json after = sensors();
        auto why = reasons(before, during, after);
        Json results = Json::array();
        for (const Measured& one : measured) {
            results.push_back(result_of(one, measured[0], arguments.cores, effort.runs));
            const Json& slowed = results.back().value("slowed", Json(nullptr));
            if (!slowed.is_null())
                why.push_back(one.entry.label() + ": " + slowed.get<std::string>());
            if (failure.empty()) failure = one.error;
        }
        report = {
            {"format", report_format},
            {"tool", "nanodet-bench " NANODET_VERSION},
            {"command", arguments.command},
            {"started", started},
            {"took_s", round_to(seconds_since(start), 1)},
            {"machine", to_json(machine)},
            {"cores", {{"wanted", arguments.cores}, {"ids", json_of(ids)}}},
            {"effort", json_of_effort(effort)},
            {"picture", format("%s, %d x %d",
                               arguments.image.empty() ? "generated" : arguments.image.c_str(),
                               picture.width, picture.height)},
            {"before", before},
            {"after", after},
            {"throttling", {{"flagged", !why.empty()}, {"reasons", why}}},
            {"results", results},
        };
        try {
            if (!json.empty() && json != "-") write_text(json, dump(report, 1) + "\n");
        } catch (const Error& error) {
            // what was measured is not lost with the file
            failure = error.what();
        }
    }
    print(json == "-" ? dump(report, 1) + "\n" : join(format_tables(report), "\n") + "\n");
    if (!failure.empty()) throw Error(failure);
}

void print_machine(const Arguments& arguments) {
    const Machine machine = describe(arguments.root);
    std::vector<int> ids;
    for (const Core& core : machine.cores) ids.push_back(core.id);
    const Json reported = {{"machine", to_json(machine)},
                       {"sensors", read_sensors(ids, arguments.root)}};
    print(dump(reported, 1) + "\n");
}

}  // namespace nanodet::bench
