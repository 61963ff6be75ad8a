#include "worker.h"

#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <new>

#include "common/ppm.h"
#include "nanodet/error.h"
#include "split.h"
#include "subject.h"

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

Json allowed_cores() {
    cpu_set_t mask;
    CPU_ZERO(&mask);
    if (::sched_getaffinity(0, sizeof mask, &mask) != 0) return nullptr;
    Json ids = Json::array();
    for (int id = 0; id < int(CPU_SETSIZE); ++id)
        if (CPU_ISSET(id, &mask)) ids.push_back(id);
    return ids;
}

/// Returns the variables that change how threads wait for each other.
Json environment() {
    Json variables = Json::object();
    for (char** variable = environ; *variable != nullptr; ++variable) {
        const std::string text = *variable;
        for (const char* start : {"OMP_", "GOMP_", "KMP_"})
            if (text.rfind(start, 0) == 0)
                variables[text.substr(0, text.find('='))] = text.substr(text.find('=') + 1);
    }
    return variables;
}

std::vector<std::string> words_in(const std::string& path) {
    std::ifstream file(path);
    return {std::istream_iterator<std::string>(file), {}};
}

/// Returns how long this thread, the process's first, has waited for a core that another had;
/// -1 where that is not known.
double waited_ns() {
    const auto words = words_in("/proc/self/task/" + std::to_string(::getpid()) + "/schedstat");
    return words.size() > 1 ? std::strtod(words[1].c_str(), nullptr) : -1;
}

/// Returns the most memory this process has had, in bytes; null where the system hides it.
Json peak_bytes() {
    // not getrusage, which may begin with the peak of the process that started this one
    const auto words = words_in("/proc/self/status");
    for (std::size_t i = 0; i + 1 < words.size(); ++i)
        if (words[i] == "VmHWM:") return std::strtoll(words[i + 1].c_str(), nullptr, 10) * 1024;
    return nullptr;
}

std::unique_ptr<Subject> load(const std::string& path, const Json& asked, const Picture& picture) {
    Order order;
    order.path = path;
    order.threads = asked.at("threads");
    if (!parse_precision(asked.at("precision"), order.precision))
        throw Error(path + ": unknown precision");
    if (!asked.at("size").is_null()) order.size = Size{asked["size"].at(0), asked["size"].at(1)};
    if (!asked.at("graph")) return load_model(order, picture);
#if NANODET_WITH_NCNN
    return load_graph(order, asked.at("channels"), asked.at("worked_out"));
#else
    throw Error(path + ": --graph needs ncnn, which this build does not include");
#endif
}

template <typename Reply>
void take_orders(const std::string& path, Reply reply) {
    std::string line;
    if (!std::getline(std::cin, line)) return;
    const Json asked = Json::parse(line);
    // before anything starts threads: they inherit it
    if (!asked.at("cores").is_null()) pin(asked["cores"]);
    PpmPicture picture;
    if (!asked.at("picture").is_null()) picture = read_ppm(asked["picture"]);
    const auto before = peak_bytes();
    const auto start = Clock::now();
    const std::unique_ptr<Subject> subject = load(path, asked, picture.view());
    const double took = seconds_since(start);
    Json loaded = subject->facts();
    loaded["tool"] = "nanodet-bench " NANODET_VERSION;
    loaded["stages"] = subject->stages();
    loaded["cores"] = allowed_cores();
    loaded["environment"] = environment();
    loaded["left_out"] = asked.at("left_out");
    loaded["load_s"] = took;
    loaded["before_bytes"] = before;
    reply(loaded);
    while (std::getline(std::cin, line)) {
        const Json order = Json::parse(line);
        const double waited = waited_ns();
        const auto begin = Clock::now();
        const auto times = take_turn(*subject, order.at("seconds"), order.at("settle_s"),
                                     order.at("settle_runs"));
        const double turn_ns = 1e9 * seconds_since(begin);
        Json answer = {{"times", times}, {"waited", nullptr}, {"peak_bytes", peak_bytes()}};
        if (waited >= 0) answer["waited"] = (waited_ns() - waited) / turn_ns;
        reply(answer);
    }
}

}  // namespace

int serve(const std::string& path) {
    std::FILE* replies = ::fdopen(::dup(STDOUT_FILENO), "w");
    ::dup2(STDERR_FILENO, STDOUT_FILENO);  // what a library prints must not get among the replies
    const auto reply = [replies](const Json& json) {
        const auto text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
        std::fprintf(replies, "%s\n", text.c_str());
        std::fflush(replies);
    };
    try {
        take_orders(path, reply);
        return 0;
    } catch (const std::bad_alloc&) {
        reply({{"error", path + ": there is not enough memory"}});
    } catch (const std::exception& error) {
        reply({{"error", error.what()}});
    }
    return 1;
}

}  // namespace nanodet::bench
