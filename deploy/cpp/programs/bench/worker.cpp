#include "worker.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <exception>
#include <new>

#include "child_process.h"
#include "json.h"
#include "machine.h"
#include "nanodet/error.h"
#include "text_files.h"
#include "texts.h"

namespace nanodet::bench {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

void pin(const std::vector<int>& cores) {
    cpu_set_t mask;
    CPU_ZERO(&mask);
    for (const int id : cores)
        if (id < int(CPU_SETSIZE)) CPU_SET(id, &mask);
    if (::sched_setaffinity(0, sizeof mask, &mask) != 0)
        throw Error(std::string("--cores: this system does not let a process choose its cores (") +
                    std::strerror(errno) + ")");
}

/// Returns how long this thread, the process's first, has waited for a core that another had.
std::optional<double> waited_ns() {
    const auto text =
        read_text("/proc/self/task/" + std::to_string(::getpid()) + "/schedstat");
    const auto words = words_of(text.value_or(""));
    return words.size() > 1 ? decimal_number(words[1]) : std::nullopt;
}

/// Returns the most memory this process has had, in bytes.
std::optional<std::int64_t> peak_bytes() {
    // not getrusage: on Linux that may begin with the peak of the process that started this one
    for (const auto& line : split(read_text("/proc/self/status").value_or(""), "\n")) {
        const auto words = words_of(line);
        if (words.size() < 2 || words[0] != "VmHWM:") continue;
        if (const auto kib = decimal_number(words[1])) return std::int64_t(*kib) * 1024;
    }
    rusage used{};
    if (::getrusage(RUSAGE_SELF, &used) != 0) return std::nullopt;
    return std::int64_t(used.ru_maxrss) * 1024;
}

std::unique_ptr<Subject> load(const Entry& entry, const Picture& picture) {
    if (!entry.graph) return load_model(entry, picture);
#if NANODET_WITH_NCNN
    return load_graph(entry);
#else
    throw Error(entry.path + ": --graph needs ncnn, which this build does not include");
#endif
}

void take_orders(const Entry& entry, const std::optional<std::vector<int>>& cores,
                 const Picture& picture, int orders, int replies) {
    // before anything starts threads: they inherit it
    if (cores) pin(*cores);
    const auto before = peak_bytes();
    const auto start = Clock::now();
    const std::unique_ptr<Subject> subject = load(entry, picture);
    const double took = seconds_since(start);
    Json loaded = subject->facts();
    loaded["stages"] = subject->stages();
    loaded["cores"] = json_of(allowed_cores());
    loaded["load_s"] = took;
    loaded["before_bytes"] = json_of(before);
    write_all(replies, dump(loaded) + "\n");
    std::string rest;
    while (const auto line = read_line(orders, rest)) {
        const Json order = Json::parse(*line);
        const auto waited_before = waited_ns();
        const auto begin = Clock::now();
        const auto times = take_turn(*subject, order.at("seconds"), order.at("settle_s"),
                                     order.at("settle_runs"));
        const double turn_ns = 1e9 * seconds_since(begin);
        const auto waited_after = waited_ns();
        Json reply = {{"times", times}, {"waited", nullptr}, {"peak_bytes", json_of(peak_bytes())}};
        if (waited_before && waited_after)
            reply["waited"] = (*waited_after - *waited_before) / turn_ns;
        if (!write_all(replies, dump(reply) + "\n")) return;
    }
}

}  // namespace

int serve(const Entry& entry, const std::optional<std::vector<int>>& cores, const Picture& picture,
          int orders, int replies) noexcept {
    std::string problem;
    try {
        take_orders(entry, cores, picture, orders, replies);
        return 0;
    } catch (const std::bad_alloc&) {
        problem = entry.label() + ": there is not enough memory";
    } catch (const std::exception& error) {
        problem = error.what();
    }
    write_all(replies, dump({{"error", problem}}) + "\n");
    return 1;
}

std::vector<Run> take_turn(Subject& subject, double seconds, double settle_s, int settle) {
    auto start = Clock::now();
    for (int runs = 0; runs < settle || seconds_since(start) < settle_s; ++runs) subject.run();
    std::vector<Run> times;
    start = Clock::now();
    while (times.empty() || seconds_since(start) < seconds) times.push_back(subject.run());
    return times;
}

}  // namespace nanodet::bench
