/// What is timed: a model with all that lies around it, or a bare graph.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "nanodet/backend.h"
#include "nanodet/fit.h"
#include "nanodet/picture.h"

namespace nanodet::bench {

using Json = nlohmann::ordered_json;

/// Nanoseconds of each stage of one run.
using Run = std::vector<std::int64_t>;

class Subject {
public:
    virtual ~Subject() = default;

    /// Names of what a run is timed in.
    virtual std::vector<std::string> stages() const = 0;

    /// Runs once.
    virtual Run run() = 0;

    /// Returns ``input``, ``engine``, ``options`` and ``detections``, see docs/bench.md.
    ///
    /// @throws Error  it cannot run
    virtual Json facts() = 0;
};

/// How a model or a graph is run.
struct Order {
    std::string path;
    std::optional<Size> size;  ///< of the input; none takes the model's own
    int threads = 1;
    Precision precision = Precision::fp32;
};

/// Loads a model as nanodet::Detector runs it: preprocess, network, decode.
///
/// @param picture  its pixels must live as long as the subject
std::unique_ptr<Subject> load_model(const Order& order, const Picture& picture);

/// Loads an ncnn graph whose weights are all zero, filled and read as ncnn's benchncnn does it.
///
/// @param channels  of its input
/// @param known     whether all its shapes are known to fit; else ncnn is asked which maps meet
std::unique_ptr<Subject> load_graph(const Order& order, int channels, bool known);

/// Returns options as an object.
Json json_of_options(const std::vector<std::pair<std::string, std::string>>& options);

/// Runs for `seconds` and at least once, after `settle_s` seconds and `settle` runs that do not
/// count.
std::vector<Run> take_turn(Subject& subject, double seconds, double settle_s, int settle);

}  // namespace nanodet::bench
