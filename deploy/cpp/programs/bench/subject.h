/// What one process times: a model with all that lies around it, or a bare graph.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "json.h"
#include "nanodet/picture.h"
#include "plan.h"

namespace nanodet::bench {

/// Nanoseconds of each stage of one run.
using Run = std::vector<std::int64_t>;

class Subject {
public:
    virtual ~Subject() = default;

    /// Names of what a run is timed in.
    virtual std::vector<std::string> stages() const = 0;

    /// Runs once.
    virtual Run run() = 0;

    /// Returns ``input``, ``engine``, ``options``, ``detections`` and ``left_out``, see
    /// docs/bench.md.
    ///
    /// @throws Error  it cannot run
    virtual Json facts() = 0;
};

/// Loads a model as nanodet::Detector runs it: preprocess, network, decode.
///
/// @param picture  its pixels must live as long as the subject
std::unique_ptr<Subject> load_model(const Entry& entry, const Picture& picture);

/// Loads an ncnn graph whose weights are all zero, filled and read as ncnn's benchncnn does it.
///
/// Layers that make boxes (``DetectionOutput`` and its kin) are left out and their inputs are the
/// outputs: with weights of zero all boxes score alike, and thousands of them would go through NMS.
std::unique_ptr<Subject> load_graph(const Entry& entry);

/// Returns options as an object.
Json json_of_options(const std::vector<std::pair<std::string, std::string>>& options);

}  // namespace nanodet::bench
