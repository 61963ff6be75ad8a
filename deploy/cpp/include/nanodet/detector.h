/// `Detector`: a model file in, a function from images to detections out.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nanodet/backend.h"
#include "nanodet/decode.h"
#include "nanodet/error.h"
#include "nanodet/fit.h"
#include "nanodet/picture.h"
#include "nanodet/preprocess.h"
#include "nanodet/spec.h"

namespace nanodet {

/// What is asked of a detector; what is not set is the model's own.
struct DetectorOptions : BackendOptions {
    std::optional<Fit> fit;
    std::optional<Size> size;           ///< of the network's input, multiples of 32
    std::optional<float> score;         ///< for all classes, also of a model with scores per class
    std::optional<float> nms_iou;
    std::optional<int> per_level, per_picture;
    std::optional<bool> class_agnostic_nms;
};

/// A trained model that finds objects in images. One thread at a time.
///
///     nanodet::Detector detector("nanodet-m_320.param");
///     for (const nanodet::Detection& found : detector.detect({pixels, width, height, stride}))
///         use(detector.spec().class_names[found.class_id], found.confidence, found.x1, found.y1);
class Detector {
public:
    /// @throws Error  the model is missing, damaged or does not fit its spec; an option out of range
    explicit Detector(const std::string& path, const DetectorOptions& options = {});
    ~Detector();
    Detector(Detector&& other) noexcept;
    Detector& operator=(Detector&& other) noexcept;

    /// Finds objects in one image.
    ///
    /// @returns best first, in pixels of the image, clipped to it; valid until the next call
    /// @throws Error  an image without pixels, or a network that cannot run
    const std::vector<Detection>& detect(const Picture& picture);

    /// The three steps of detect, in this order, for those who time them.
    void preprocess(const Picture& picture);
    void run();
    const std::vector<Detection>& decode();

    const Spec& spec() const;
    const Backend& backend() const;

    /// Size of the tensor of the last image.
    Size canvas() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace nanodet
