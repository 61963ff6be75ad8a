#include "turns.h"

#include <algorithm>
#include <memory>

#include "child_process.h"
#include "nanodet/error.h"
#include "worker.h"

namespace nanodet::bench {

namespace {

/// The process of one entry.
class Worker {
public:
    Worker(const Entry& entry, const std::optional<std::vector<int>>& cores, const Picture& picture)
        : label_(entry.label()), process_([&](int orders, int replies) {
              return serve(entry, cores, picture, orders, replies);
          }) {}

    /// Waits until the model is loaded; returns the reply.
    Json load() { return reply("loading"); }

    /// Lets it run for a while, see take_turn; returns the reply.
    Json turn(double seconds, double settle_s = 0, int settle = 0) {
        process_.send(dump(
            {{"seconds", seconds}, {"settle_s", settle_s}, {"settle_runs", settle}}));
        return reply("running");
    }

    void end_at_once() { process_.end_at_once(); }

private:
    Json reply(const std::string& doing) {
        const auto line = process_.receive();
        if (!line) {
            const std::string said = process_.last_words();
            throw Error(label_ + ": its process ended " + process_.ending() + " while " + doing +
                        " it" + (said.empty() ? "" : " (" + said + ")"));
        }
        Json answer = Json::parse(*line);
        if (answer.contains("error")) throw Error(answer["error"].get<std::string>());
        return answer;
    }

    std::string label_;
    ChildProcess process_;
};

void warm_up(Measured& one, Worker& worker, const Effort& effort) {
    const auto runs = [&](double seconds) { return int(worker.turn(seconds).at("times").size()); };
    one.warmup_runs = runs(effort.warmup_s());
    while (one.warmup_runs < warmup_runs) one.warmup_runs += runs(0);
}

void add_turn(Measured& one, Worker& worker, const Effort& effort) {
    const Json reply = worker.turn(effort.turn_s(), effort.settle_s(), settle_runs);
    one.turns.push_back(reply.at("times").get<std::vector<std::vector<double>>>());
    if (!reply.at("peak_bytes").is_null()) one.peak_bytes = reply.at("peak_bytes");
    if (!reply.at("waited").is_null()) one.waited.push_back(reply.at("waited"));
}

/// Does something with an entry; if its process ends, the entry says so.
template <typename Action>
void keeping_error(Measured& one, Action action) {
    try {
        action();
    } catch (const Error& error) {
        one.error = error.what();
    }
}

using Workers = std::vector<std::unique_ptr<Worker>>;

std::vector<Measured> measure_with(Workers& workers, const std::vector<Entry>& entries,
                                   const Effort& effort,
                                   const std::optional<std::vector<int>>& cores,
                                   const Picture& picture,
                                   const std::function<void()>& after_turn) {
    std::vector<Measured> measured;
    for (const Entry& entry : entries) {
        workers.push_back(std::make_unique<Worker>(entry, cores, picture));
        measured.emplace_back();
        measured.back().entry = entry;
        measured.back().loaded = workers.back()->load();
    }
    for (std::size_t i = 0; i < measured.size(); ++i)
        keeping_error(measured[i], [&] { warm_up(measured[i], *workers[i], effort); });
    for (std::size_t rounds = 0;; ++rounds) {
        std::vector<std::size_t> going;
        for (std::size_t i = 0; i < measured.size(); ++i)
            if (measured[i].error.empty() && !measured[i].has(effort)) going.push_back(i);
        if (going.empty()) return measured;
        // nobody always comes after the same other
        std::rotate(going.begin(), going.begin() + std::ptrdiff_t(rounds % going.size()),
                    going.end());
        for (const std::size_t i : going) {
            keeping_error(measured[i], [&] { add_turn(measured[i], *workers[i], effort); });
            after_turn();
        }
    }
}

}  // namespace

std::vector<Measured> measure(const std::vector<Entry>& entries, const Effort& effort,
                              const std::optional<std::vector<int>>& cores, const Picture& picture,
                              const std::function<void()>& after_turn) {
    Workers workers;
    try {
        return measure_with(workers, entries, effort, cores, picture, after_turn);
    } catch (...) {
        // after an error or Ctrl-C nobody waits for the turn that is under way
        for (const auto& worker : workers) worker->end_at_once();
        throw;
    }
}

}  // namespace nanodet::bench
