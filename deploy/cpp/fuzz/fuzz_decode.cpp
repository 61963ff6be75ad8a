/// Any output of any model, and any image of any form: boxes inside of the image, best first, or a
/// line that says what is wrong.
#include <fuzzer/FuzzedDataProvider.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "nanodet/decode.h"
#include "nanodet/error.h"
#include "nanodet/preprocess.h"
#include "nanodet/spec.h"

namespace {

void require(bool fine) {
    if (!fine) std::abort();
}

nanodet::Quality quality_of(FuzzedDataProvider& data, int bins) {
    nanodet::Quality quality;
    quality.topk = data.ConsumeIntegralInRange(1, bins);
    quality.hidden = data.ConsumeIntegralInRange(1, 70);
    const std::size_t hidden = std::size_t(quality.hidden);
    const auto weights = [&](std::size_t count) {
        std::vector<float> values(count);
        float weight = data.ConsumeFloatingPointInRange(-1e6F, 1e6F);
        for (float& value : values) value = weight = -0.7F * weight;
        return values;
    };
    quality.hidden_weight = weights(hidden * 4 * (std::size_t(quality.topk) + 1));
    quality.hidden_bias = weights(hidden);
    quality.output_weight = weights(hidden);
    quality.output_bias = weights(1)[0];
    return quality;
}

nanodet::Spec spec_of(FuzzedDataProvider& data) {
    nanodet::Spec spec;
    spec.class_names.resize(data.ConsumeIntegralInRange<std::size_t>(1, 40), "c");
    spec.input_size = {32 * data.ConsumeIntegralInRange(1, 6), 32 * data.ConsumeIntegralInRange(1, 6)};
    spec.fit = data.PickValueInArray({nanodet::Fit::own, nanodet::Fit::letterbox,
                                      nanodet::Fit::stretch});
    spec.rgb = data.ConsumeBool();
    spec.mean = {100, 110, 120};
    spec.std = {50, 60, 70};
    for (int stride = data.ConsumeIntegralInRange(4, 200), left = data.ConsumeIntegralInRange(1, 5);
         left > 0 && stride <= 1024; --left, stride += data.ConsumeIntegralInRange(1, 400))
        spec.strides.push_back(stride);
    spec.reg_max = data.ConsumeIntegralInRange(1, 40);
    spec.point_offset = data.ConsumeFloatingPointInRange(-16.0, 16.0);
    spec.form = data.PickValueInArray({nanodet::BoxForm::distributions, nanodet::BoxForm::distances,
                                       nanodet::BoxForm::gaussians});
    spec.maps = data.ConsumeBool();
    spec.bin_spacing = data.PickValueInArray({1.0, 0.5, 0.25});
    if (spec.form == nanodet::BoxForm::distributions && data.ConsumeBool())
        spec.quality = quality_of(data, int(spec.bins()));
    if (data.ConsumeBool())
        spec.edge_std_factors.assign(spec.strides.size(),
                                     data.ConsumeFloatingPointInRange(1e-6F, 1e6F));
    return spec;
}

/// Raw bits as floats, repeated as often as needed: NaN, infinity and denormals among them.
std::vector<float> floats_of(FuzzedDataProvider& data, std::size_t count) {
    const auto bytes = data.ConsumeBytes<std::uint8_t>(4096);
    std::vector<float> values(count, 0.5F);
    for (std::size_t i = 0; i < count && bytes.size() >= 4; ++i)
        std::memcpy(&values[i], &bytes[4 * (i % (bytes.size() / 4))], 4);
    return values;
}

std::vector<float> scores_of(FuzzedDataProvider& data, std::size_t classes) {
    std::vector<float> scores(classes);
    for (float& score : scores) score = data.ConsumeFloatingPointInRange(0.0F, 1.0F);
    return scores;
}

void decode(FuzzedDataProvider& data, const nanodet::Spec& spec) {
    const nanodet::Size picture{data.ConsumeIntegralInRange(1, 9000),
                                data.ConsumeIntegralInRange(1, 9000)};
    const nanodet::Placement placement = nanodet::place(spec.fit, picture, spec.input_size);
    const nanodet::Thresholds thresholds{
        data.ConsumeFloatingPointInRange(0.0F, 1.0F), data.ConsumeFloatingPointInRange(0.0F, 1.0F),
        data.ConsumeIntegralInRange(1, 300), data.ConsumeIntegralInRange(1, 100),
        data.ConsumeBool(),
        data.ConsumeBool() ? scores_of(data, spec.class_names.size()) : std::vector<float>()};
    const std::size_t points = spec.point_count(placement.canvas), channels = spec.channels();
    const std::vector<float> values = floats_of(data, points * channels);
    nanodet::Output output;
    if (!spec.maps) output = {values.data(), points, channels, channels, {}};
    const float* next = values.data();
    for (std::size_t i = 0; spec.maps && i < spec.strides.size(); ++i) {
        const nanodet::Size cells = nanodet::Spec::level_size(placement.canvas, spec.strides[i]);
        const auto rows = std::size_t(cells.height), columns = std::size_t(cells.width);
        output.maps[i] = {next, channels, rows, columns, rows * columns};
        next += channels * rows * columns;
    }
    nanodet::check_output(spec, output, placement.canvas, "model");
    nanodet::Decoder decoder(spec);
    float before = 2;
    for (const auto& box : decoder.decode(output, placement, picture, thresholds, "model")) {
        require(box.confidence <= before || before == 2);
        before = box.confidence;
        require(box.class_id >= 0 && std::size_t(box.class_id) < spec.class_names.size());
        const auto& scores = thresholds.class_scores;
        require(box.confidence > (scores.empty() ? thresholds.score : scores[std::size_t(box.class_id)]));
        require(box.x1 >= 0 && box.x2 <= float(picture.width) && box.y1 >= 0 &&
                box.y2 <= float(picture.height));
        for (float deviation : box.edge_std) require(deviation >= 0 && std::isfinite(deviation));
    }
}

void preprocess(FuzzedDataProvider& data, const nanodet::Spec& spec) {
    const auto format = data.PickValueInArray(
        {nanodet::PixelFormat::bgr, nanodet::PixelFormat::rgba, nanodet::PixelFormat::gray});
    const int width = data.ConsumeIntegralInRange(1, 300), height = data.ConsumeIntegralInRange(1, 300);
    const std::ptrdiff_t row = std::ptrdiff_t(width) * nanodet::bytes_of(format);
    const std::ptrdiff_t stride = row + data.ConsumeIntegralInRange(0, 20);
    // not a byte more than the image has, so that AddressSanitizer sees any read beyond it
    const std::vector<std::uint8_t> pixels(std::size_t(stride * (height - 1) + row), 99);
    nanodet::Preprocessor preprocessor(spec, spec.fit, spec.input_size);
    preprocessor.run({pixels.data(), width, height, stride, format});
    for (float value : preprocessor.tensor()) require(std::isfinite(value));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    FuzzedDataProvider data(bytes, size);
    const nanodet::Spec spec = spec_of(data);
    try {
        preprocess(data, spec);
        decode(data, spec);
    } catch (const nanodet::Error&) {
        // values that are not finite
    }
    return 0;
}
