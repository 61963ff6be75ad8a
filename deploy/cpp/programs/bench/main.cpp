/// nanodet-bench: how fast models are on this machine, side by side, as a plain table; and the
/// worker with which `nanodet bench` measures on a device and makes its reports.

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <iostream>
#include <new>

#include "common/ppm.h"
#include "common/spinning.h"
#include "common/words.h"
#include "nanodet/error.h"
#include "printable.h"
#include "split.h"
#include "subject.h"
#include "worker.h"

namespace {

using namespace nanodet;
using namespace nanodet::bench;

const char* const usage =
    "usage: nanodet-bench MODEL[@WxH]... [--threads 1,2,4] [--precision fp32,bf16,fp16]\n"
    "                     [--image FILE.ppm] [--runs N] [--seconds S]\n"
    "\n"
    "Times models side by side, and prints a table: nanodet bench, on a PC, tells more, times this\n"
    "machine too (--target), and graphs without weights.\n"
    "\n"
    "MODEL[@WxH]   .param (ncnn; .bin and .json beside it) or .onnx (OpenVINO); another input\n"
    "              size than its own\n"
    "--threads     CPU threads to time each with (default: 1); taskset chooses the cores\n"
    "--precision   arithmetic to time each .param in (default: fp32)\n"
    "--image FILE  image, binary PPM (default: a generated one of 640 x 480)\n"
    "--runs N      minimum number of runs of each (default: 100)\n"
    "--seconds S   minimum number of seconds for each (default: 10)\n"
    "--worker FILE is started by nanodet bench: orders and replies, a JSON object a line\n"
    "--help, --version\n";

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

constexpr int warmup_runs = 10, settle_runs = 2;

struct Arguments {
    std::vector<std::string> models;
    std::vector<int> threads{1};
    std::vector<Precision> precisions{Precision::fp32};
    std::string image, worker;
    int runs = 100;
    double seconds = 10;
};

/// One line of the table.
struct Row {
    std::string name;
    Order order;
    std::unique_ptr<Subject> subject;
    double load_ms = 0;
    std::vector<Run> runs;
    std::vector<double> medians;  ///< of the network, a turn each
    double seconds = 0;           ///< measured
};

int count_of(const std::string& option, const std::string& text, int most) {
    const auto value = whole_number(text);
    if (!value || *value < 1 || *value > most)
        throw Error(option + ": must be a whole number, 1 to " + std::to_string(most) + ", not '" +
                    text + "'");
    return *value;
}

Arguments parse(int count, char** words) {
    Arguments arguments;
    Words line(count, words);
    for (std::string word; line.next(word);) {
        if (!Words::is_option(word)) {
            arguments.models.push_back(word);
        } else if (word == "--threads") {
            arguments.threads.clear();
            for (const std::string& part : split(line.value(word), ","))
                arguments.threads.push_back(count_of(word, strip(part), 1024));
        } else if (word == "--precision") {
            arguments.precisions.clear();
            for (const std::string& part : split(line.value(word), ",")) {
                arguments.precisions.emplace_back();
                if (!parse_precision(strip(part), arguments.precisions.back()))
                    throw Error(word + ": must be of fp32, bf16 and fp16, not '" + part + "'");
            }
        } else if (word == "--image") {
            arguments.image = line.value(word);
        } else if (word == "--worker") {
            arguments.worker = line.value(word);
        } else if (word == "--runs") {
            arguments.runs = count_of(word, line.value(word), 999'999'999);
        } else if (word == "--seconds") {
            const std::string text = line.value(word);
            char* end = nullptr;
            arguments.seconds = std::strtod(text.c_str(), &end);
            if (*end != '\0' || !(arguments.seconds > 0 && arguments.seconds <= 1e6))
                throw Error(word + ": must be a number of seconds above 0, not '" + text + "'");
        } else if (word == "--help" || word == "--version") {
            line.no_value(word);
            std::cout << (word == "--help" ? usage : "nanodet-bench " NANODET_VERSION "\n");
            std::exit(0);
        } else {
            throw Error(word + ": there is no such option (--help lists them)");
        }
    }
    return arguments;
}

/// Returns colours that change slowly, 640 x 480.
PpmPicture generated() {
    PpmPicture picture;
    picture.width = 640;
    picture.height = 480;
    for (int y = 0; y < picture.height; ++y)
        for (int x = 0; x < picture.width; ++x)
            for (const int value : {x * y / 640, x + y, x * x / 640 + y / 2})
                picture.pixels.push_back(std::uint8_t(value & 255));
    return picture;
}

/// Returns path and size of ``FILE@WxH``; there is no size where a file of the whole name exists.
Order split_size(const std::string& text) {
    const auto at = text.rfind('@'), cross = text.find('x', at);
    std::error_code ignored;
    if (cross == std::string::npos || std::filesystem::exists(text, ignored)) return {text, {}};
    const auto width = whole_number(text.substr(at + 1, cross - at - 1), 5);
    const auto height = whole_number(text.substr(cross + 1), 5);
    if (at == std::string::npos || !width || !height) return {text, {}};
    return {text.substr(0, at), Size{*width, *height}};
}

std::vector<Row> load_all(const Arguments& arguments, const Picture& picture) {
    if (arguments.models.empty())
        throw Error("nothing to time: give a MODEL (--help lists the options)");
    std::vector<Row> rows;
    for (const std::string& model : arguments.models) {
        for (const int threads : arguments.threads) {
            for (const Precision precision : arguments.precisions) {
                Row row;
                row.name = std::filesystem::path(model).filename().string();
                row.order = split_size(model);
                row.order.threads = threads;
                row.order.precision = precision;
                const auto start = Clock::now();
                row.subject = load_model(row.order, picture);
                row.load_ms = Milliseconds(Clock::now() - start).count();
                rows.push_back(std::move(row));
            }
        }
    }
    return rows;
}

double percentile(std::vector<double> values, double part) {
    const auto place = values.begin() + std::ptrdiff_t(part * double(values.size() - 1));
    std::nth_element(values.begin(), place, values.end());
    return *place;
}

/// Returns the milliseconds of one stage in all runs.
std::vector<double> stage(const std::vector<Run>& runs, std::size_t index) {
    std::vector<double> times;
    for (const Run& run : runs) times.push_back(double(run.at(index)) / 1e6);
    return times;
}

/// Times all in turns, so that what slows the machine for a while slows all of them alike.
void measure(std::vector<Row>& rows, const Arguments& arguments) {
    const double turn_s = std::min(0.5, arguments.seconds / 4);
    for (Row& row : rows) take_turn(*row.subject, std::min(1.0, arguments.seconds), 0, warmup_runs);
    for (bool going = true; going;) {
        going = false;
        for (Row& row : rows) {
            const bool enough = int(row.runs.size()) >= arguments.runs;
            if (enough && row.seconds >= arguments.seconds) continue;
            going = true;
            const auto turn = take_turn(*row.subject, turn_s, turn_s / 10, settle_runs);
            row.medians.push_back(percentile(stage(turn, 1), 0.5));
            row.runs.insert(row.runs.end(), turn.begin(), turn.end());
            for (const Run& run : turn) row.seconds += 1e-9 * double(run[0] + run[1] + run[2]);
        }
    }
}

void print_table(std::vector<Row>& rows) {
    std::size_t width = 5;
    for (const Row& row : rows) width = std::max(width, printable(row.name).size());
    std::printf("%-*s  threads  precision  load ms  preprocess  network     min     p90  "
                "decode+NMS  ratio  boxes  (median ms)\n", int(width), "model");
    for (Row& row : rows) {
        std::vector<double> ratios;
        for (std::size_t i = 0; i < std::min(row.medians.size(), rows[0].medians.size()); ++i)
            ratios.push_back(row.medians[i] / rows[0].medians[i]);
        const auto network = stage(row.runs, 1);
        std::printf("%-*s  %7d  %9s  %7.1f  %10.2f  %7.2f %7.2f %7.2f  %10.2f  %5.2f  %5d\n",
                    int(width), printable(row.name).c_str(), row.order.threads,
                    name_of(row.order.precision), row.load_ms, percentile(stage(row.runs, 0), 0.5),
                    percentile(network, 0.5), percentile(network, 0), percentile(network, 0.9),
                    percentile(stage(row.runs, 2), 0.5), percentile(ratios, 0.5),
                    row.subject->facts().at("detections").get<int>());
    }
    if (std::fflush(stdout) != 0)
        throw Error(std::string("standard output: cannot be written (") + std::strerror(errno) +
                    ")");
}

}  // namespace

int main(int count, char** words) {
    try {
        limit_spinning(words);
        const Arguments arguments = parse(count, words);
        if (!arguments.worker.empty()) return serve(arguments.worker);
        const PpmPicture picture = arguments.image.empty() ? generated() : read_ppm(arguments.image);
        auto rows = load_all(arguments, picture.view());
        measure(rows, arguments);
        print_table(rows);
        return 0;
    } catch (const std::bad_alloc&) {
        std::cerr << "nanodet-bench: error: there is not enough memory" << std::endl;
    } catch (const std::exception& error) {
        std::cerr << "nanodet-bench: error: " << printable(error.what()) << std::endl;
    }
    return 1;
}
