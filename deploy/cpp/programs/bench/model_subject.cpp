#include <chrono>

#include "nanodet/detector.h"
#include "subject.h"

namespace nanodet::bench {

namespace {

using Clock = std::chrono::steady_clock;

std::int64_t nanoseconds(Clock::duration time) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
}

DetectorOptions options_of(const Entry& entry) {
    DetectorOptions options;
    options.threads = entry.threads;
    options.precision = entry.precision;
    options.size = entry.size;
    return options;
}

class ModelSubject : public Subject {
public:
    ModelSubject(const Entry& entry, const Picture& picture)
        : detector_(entry.path, options_of(entry)), picture_(picture) {}

    std::vector<std::string> stages() const override { return {"preprocess", "network", "decode"}; }

    Run run() override {
        const auto start = Clock::now();
        detector_.preprocess(picture_);
        const auto ready = Clock::now();
        detector_.run();
        const auto done = Clock::now();
        detector_.decode();
        const auto end = Clock::now();
        return {nanoseconds(ready - start), nanoseconds(done - ready), nanoseconds(end - done)};
    }

    Json facts() override {
        const std::size_t found = detector_.detect(picture_).size();
        const Size canvas = detector_.canvas();
        return {
            {"input", {canvas.width, canvas.height}},
            {"engine", detector_.backend().engine()},
            {"options", json_of_options(detector_.backend().options())},
            {"detections", found},
            {"left_out", Json::array()},
        };
    }

private:
    Detector detector_;
    Picture picture_;
};

}  // namespace

std::unique_ptr<Subject> load_model(const Entry& entry, const Picture& picture) {
    return std::make_unique<ModelSubject>(entry, picture);
}

Json json_of_options(const std::vector<std::pair<std::string, std::string>>& options) {
    Json object = Json::object();
    for (const auto& [name, value] : options) object[name] = Json::parse(value);
    return object;
}

}  // namespace nanodet::bench
