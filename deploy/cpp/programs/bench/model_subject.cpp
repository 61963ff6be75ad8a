#include <chrono>

#include "nanodet/detector.h"
#include "subject.h"

namespace nanodet::bench {

namespace {

using Clock = std::chrono::steady_clock;

std::int64_t nanoseconds(Clock::duration time) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
}

DetectorOptions detector_options(const Order& order) {
    DetectorOptions options;
    options.threads = order.threads;
    options.precision = order.precision;
    options.size = order.size;
    return options;
}

class ModelSubject : public Subject {
public:
    ModelSubject(const Order& order, const Picture& picture)
        : detector_(order.path, detector_options(order)), picture_(picture) {}

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
        };
    }

private:
    Detector detector_;
    Picture picture_;
};

}  // namespace

std::unique_ptr<Subject> load_model(const Order& order, const Picture& picture) {
    return std::make_unique<ModelSubject>(order, picture);
}

Json json_of_options(const std::vector<std::pair<std::string, std::string>>& options) {
    Json object = Json::object();
    for (const auto& [name, value] : options) object[name] = Json::parse(value);
    return object;
}

std::vector<Run> take_turn(Subject& subject, double seconds, double settle_s, int settle) {
    const auto since = [](Clock::time_point start) {
        return std::chrono::duration<double>(Clock::now() - start).count();
    };
    auto start = Clock::now();
    for (int runs = 0; runs < settle || since(start) < settle_s; ++runs) subject.run();
    std::vector<Run> times;
    start = Clock::now();
    while (times.empty() || since(start) < seconds) times.push_back(subject.run());
    return times;
}

}  // namespace nanodet::bench
