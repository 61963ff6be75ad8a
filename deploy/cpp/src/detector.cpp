#include "nanodet/detector.h"

#include <cmath>
#include <utility>

namespace nanodet {

namespace {

/// @throws Error  unless the value is from low to high
template <typename Value>
void check_range(const std::string& name, std::optional<Value> value, double low, double high) {
    if (value && !(low <= double(*value) && double(*value) <= high))
        throw Error(name + ": must be " + std::to_string(int(low)) + " to " +
                    std::to_string(int(high)) + ", not " + std::to_string(*value));
}

Thresholds thresholds_of(const Spec& spec, const DetectorOptions& options) {
    constexpr int most = 1'000'000'000;
    check_range("score", options.score, 0, 1);
    check_range("nms_iou", options.nms_iou, 0, 1);
    check_range("per_level", options.per_level, 1, most);
    check_range("per_picture", options.per_picture, 1, most);
    return {options.score.value_or(float(spec.score)), options.nms_iou.value_or(float(spec.nms_iou)),
            options.per_level.value_or(spec.per_level),
            options.per_picture.value_or(spec.per_picture),
            options.class_agnostic_nms.value_or(spec.class_agnostic_nms),
            options.score ? std::vector<float>() : spec.class_scores};
}

Size size_of(const std::string& path, const Spec& spec, Fit fit, std::optional<Size> wanted) {
    const Size own = spec.input_size, size = wanted.value_or(own);
    if (fit == Fit::letterbox || !spec.any_size) check_input_size(size, wanted ? "size" : path);
    if ((size != own || fit == Fit::own) && !spec.any_size)
        throw Error(path + ": was exported for " + std::to_string(own.width) + "x" +
                    std::to_string(own.height) + " only; it cannot take " +
                    (fit == Fit::own ? "fit own"
                                     : std::to_string(size.width) + "x" +
                                           std::to_string(size.height)));
    return size;
}

}  // namespace

struct Detector::State {
    State(const std::string& path, const DetectorOptions& options)
        : path(path),
          backend(load_backend(path, options)),
          thresholds(thresholds_of(backend->spec(), options)),
          preprocessor(backend->spec(), options.fit.value_or(backend->spec().fit),
                       size_of(path, backend->spec(), options.fit.value_or(backend->spec().fit),
                               options.size)),
          decoder(backend->spec()) {}

    std::string path;
    std::unique_ptr<Backend> backend;
    Thresholds thresholds;
    Preprocessor preprocessor;
    Decoder decoder;
    Placement placement;
    Size picture;
    Output output;
};

Detector::Detector(const std::string& path, const DetectorOptions& options)
    : state_(std::make_unique<State>(path, options)) {}

Detector::~Detector() = default;
Detector::Detector(Detector&&) noexcept = default;
Detector& Detector::operator=(Detector&&) noexcept = default;

const std::vector<Detection>& Detector::detect(const Picture& picture) {
    preprocess(picture);
    run();
    return decode();
}

void Detector::preprocess(const Picture& picture) {
    State& state = *state_;
    state.placement = state.preprocessor.run(picture);
    state.picture = {picture.width, picture.height};
    state.output = {};
}

void Detector::run() {
    State& state = *state_;
    if (state.picture == Size{}) throw Error("picture: there is none yet");
    const Size canvas = state.placement.canvas;
    state.output = state.backend->run(state.preprocessor.tensor().data(), canvas);
    check_output(state.backend->spec(), state.output, canvas, state.path);
}

const std::vector<Detection>& Detector::decode() {
    State& state = *state_;
    if (state.output.empty()) throw Error("picture: the network has not seen it yet");
    return state.decoder.decode(state.output, state.placement, state.picture, state.thresholds,
                                state.path);
}

const Spec& Detector::spec() const {
    return state_->backend->spec();
}

const Backend& Detector::backend() const {
    return *state_->backend;
}

Size Detector::canvas() const {
    return state_->placement.canvas;
}

}  // namespace nanodet
