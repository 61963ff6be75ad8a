/// nanodet-detect: a model over images, a video, a camera or a stream.
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <exception>
#include <iostream>
#include <memory>
#include <string>

#include "arguments.h"
#include "common/spinning.h"
#include "nanodet/detector.h"
#include "printable.h"
#include "results.h"
#include "sources.h"

namespace {

constexpr int few = 20;  // so many images get a line each

constexpr std::time_t patience_s = 2;

volatile std::sig_atomic_t first_signal = 0;
volatile std::time_t first_time = 0;

extern "C" void on_signal(int number) {
    // further ones are the same wish: a closed terminal sends two; later, one ends the process at once
    if (++nanodet::stop_requests == 1) {
        first_signal = number;
        first_time = std::time(nullptr);
    } else if (std::time(nullptr) - first_time > patience_s) {
        std::signal(number, SIG_DFL);
        std::raise(number);
    }
}

/// Returns what was found in words, such as ``4 person, 1 bus``.
std::string summary(const std::vector<nanodet::Detection>& detections, const nanodet::Spec& spec) {
    std::vector<std::pair<int, int>> counts;  // class, how often; in the order of the best one
    for (const auto& found : detections) {
        auto known = counts.begin();
        while (known != counts.end() && known->first != found.class_id) ++known;
        if (known == counts.end()) known = counts.insert(known, {found.class_id, 0});
        ++known->second;
    }
    std::string text;
    for (const auto& [class_id, count] : counts)
        text += (text.empty() ? "" : ", ") + std::to_string(count) + " " +
                spec.class_names[std::size_t(class_id)];
    return text.empty() ? "nothing" : text;
}

int detect(const nanodet::Arguments& arguments) {
    using Clock = std::chrono::steady_clock;
    nanodet::check_drawing(arguments);
    const auto warn = [](const std::string& line) {
        std::cerr << "nanodet-detect: warning: " << nanodet::printable(line) << std::endl;
    };
    const auto source = nanodet::open_source(arguments.source, warn);
    nanodet::Detector detector(arguments.model, arguments.options);
    if (arguments.uncertainty && !detector.spec().has_edge_std())
        throw nanodet::Error(arguments.model + ": --uncertainty: its edges (" +
                             name_of(detector.spec().form) + ") have no standard deviation");
    const auto sinks = nanodet::open_sinks(arguments, *source, detector.spec());
    std::signal(SIGINT, on_signal);
    for (const int number : {SIGTERM, SIGHUP})
        if (std::signal(number, on_signal) == SIG_IGN) std::signal(number, SIG_IGN);  // nohup's wish
    // a reader that has gone and a file that may not grow further are reported by the write
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);
    const bool reported = arguments.jsonl != "-";  // otherwise standard output is for the JSON lines
    const std::size_t files = source->files().size();
    const bool each = files > 0 && files <= few;
    long frames = 0, boxes = 0;
    double seconds = 0;
    bool going = true;
    nanodet::Frame frame;
    const auto finish = [&] {
        for (const auto& sink : sinks) sink->finish();
    };
    try {
        while (going && nanodet::stop_requests == 0 && source->next(frame)) {
            const auto start = Clock::now();
            const auto& found = detector.detect(frame.picture);
            const double took = std::chrono::duration<double>(Clock::now() - start).count();
            for (const auto& sink : sinks) going = sink->write(frame, found) && going;
            ++frames;
            boxes += long(found.size());
            seconds += took;
            if (reported && each)
                std::printf("%s: %s  %.1f ms\n", nanodet::printable(frame.name).c_str(),
                            nanodet::printable(summary(found, detector.spec())).c_str(),
                            1000 * took);
        }
    } catch (...) {
        finish();  // what was written so far is kept
        throw;
    }
    finish();
    if (reported && !each && frames > 0)
        std::printf("%ld %s, %ld boxes, %.1f ms each\n", frames,
                     files ? "images" : "frames", boxes, 1000 * seconds / double(frames));
    if (reported && frames > 0 && !arguments.out.empty())
        std::printf("results in %s\n", nanodet::printable(arguments.out).c_str());
    // a terminal that was closed cannot be written either, which is why this ends then
    const bool closed = first_signal == SIGHUP;
    if (reported && (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) && errno != EPIPE && !closed)
        throw nanodet::Error(std::string("standard output: cannot be written (") +
                             std::strerror(errno) + ")");
    if (nanodet::stop_requests > 0) {
        std::cerr << "nanodet-detect: stopped" << std::endl;
        return 128 + first_signal;
    }
    if (going && !source->problem().empty()) throw nanodet::Error(source->problem());
    return 0;
}

}  // namespace

int main(int count, char** words) {
    nanodet::limit_spinning(words);
    // of a file that cannot be read this program says one line; the libraries would say more
    ::setenv("OPENCV_LOG_LEVEL", "SILENT", 0);
    ::setenv("OPENCV_FFMPEG_LOGLEVEL", "-8", 0);
    try {
        const nanodet::Arguments arguments = nanodet::parse_arguments(count, words);
        if (arguments.help || arguments.version) {
            std::cout << (arguments.help ? nanodet::usage : "nanodet-detect " NANODET_VERSION "\n");
            return 0;
        }
        return detect(arguments);
    } catch (const std::bad_alloc&) {
        std::cerr << "nanodet-detect: error: there is not enough memory" << std::endl;
    } catch (const std::exception& error) {
        std::cerr << "nanodet-detect: error: " << nanodet::printable(error.what()) << std::endl;
    }
    return 1;
}
