/// What runs an exported model: one file per inference engine.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "nanodet/decode.h"
#include "nanodet/fit.h"
#include "nanodet/spec.h"

namespace nanodet {

/// Of what flows between the layers; layers that the file quantises work in int8 in all three.
enum class Precision { fp32, bf16, fp16 };

/// Returns ``fp32``, ``bf16`` or ``fp16``.
const char* name_of(Precision precision);

/// Reads the name of a precision; returns false for any other text.
bool parse_precision(const std::string& text, Precision& precision);

/// How an engine runs.
struct BackendOptions {
    int threads = 0;                         ///< CPU threads; 0 lets the engine choose
    Precision precision = Precision::fp32;   ///< other than fp32: ncnn alone
    bool vulkan = false;                     ///< on the GPU; ncnn built with Vulkan alone
};

/// A loaded model.
class Backend {
public:
    virtual ~Backend() = default;

    /// What the model takes and gives.
    virtual const Spec& spec() const = 0;

    /// Engine and version, such as ``ncnn 1.0.20260722``.
    virtual std::string engine() const = 0;

    /// The engine's options in effect, name and value as JSON.
    virtual std::vector<std::pair<std::string, std::string>> options() const = 0;

    /// Runs the network once.
    ///
    /// @param tensor  3 x height x width floats, normalised; both sides multiples of 32
    /// @returns points x channels (docs/spec.md); valid until the next call
    /// @throws Error  the network cannot be run
    virtual Output run(const float* tensor, Size size) = 0;
};

/// Loads a model.
///
/// @param path  ``.param`` (ncnn; ``.bin`` and ``.json`` beside it) or ``.onnx`` (OpenVINO)
/// @throws Error  missing, damaged, not the file its spec describes, or an engine not built in
std::unique_ptr<Backend> load_backend(const std::string& path, const BackendOptions& options = {});

/// Whether this library was built with an engine: ``ncnn``, ``openvino``, or ``vulkan`` in ncnn.
bool has_engine(const std::string& name);

}  // namespace nanodet
