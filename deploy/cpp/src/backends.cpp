#include "backends.h"

#include <cstddef>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "files.h"
#include "nanodet/error.h"
#include "published.h"

namespace nanodet {

namespace {

/// Throws `Error` unless so many threads can run at once: OpenMP would end the process.
void try_threads(int count) {
    std::mutex held;
    std::vector<std::thread> started;
    bool all = true;
    {
        const std::lock_guard<std::mutex> hold(held);
        try {
            while (int(started.size()) < count)
                started.emplace_back([&held] { const std::lock_guard<std::mutex> wait(held); });
        } catch (const std::system_error&) {
            all = false;
        }
    }
    const std::size_t could = started.size();
    for (std::thread& thread : started) thread.join();
    if (!all)
        throw Error("threads: " + std::to_string(count) +
                    " are more than this system lets a process start (" + std::to_string(could) +
                    " could be started); use fewer, or raise the limit (ulimit -u, ulimit -v)");
}

}  // namespace

const char* name_of(Precision precision) {
    return precision == Precision::fp32 ? "fp32" : precision == Precision::bf16 ? "bf16" : "fp16";
}

bool parse_precision(const std::string& text, Precision& precision) {
    for (Precision known : {Precision::fp32, Precision::bf16, Precision::fp16}) {
        if (text == name_of(known)) {
            precision = known;
            return true;
        }
    }
    return false;
}

std::unique_ptr<Backend> load_backend(const std::string& path, const BackendOptions& options) {
    const std::string suffix = suffix_of(path);
    if (!is_published(path)) throw Error(path + ": there is no such model file");
    if (suffix != ".param" && suffix != ".onnx")
        throw Error(path + ": unknown kind of model; known: .param, .onnx");
    if (options.threads < 0 || options.threads > 1024)
        throw Error("threads: must be 0 to 1024, not " + std::to_string(options.threads));
    if (options.threads > 1) try_threads(options.threads);
    if (suffix == ".onnx" && options.precision != Precision::fp32)
        throw Error(path + ": precision " + name_of(options.precision) +
                    ": only an ncnn model (.param) has it");
    if (options.vulkan && (suffix != ".param" || !has_engine("vulkan")))
        throw Error(path + ": this build has no Vulkan for it");
    if (suffix == ".param") {
#if NANODET_WITH_NCNN
        return load_ncnn(path, options);
#else
        throw Error(path + ": this build has no ncnn");
#endif
    }
#if NANODET_WITH_OPENVINO
    return load_openvino(path, options);
#else
    throw Error(path + ": this build has no OpenVINO");
#endif
}

bool has_engine([[maybe_unused]] const std::string& name) {
#if NANODET_WITH_NCNN
    if (name == "ncnn") return true;
    if (name == "vulkan") return ncnn_has_vulkan();
#endif
#if NANODET_WITH_OPENVINO
    if (name == "openvino") return true;
#endif
    return false;
}

void check_form(const Spec& spec, const std::string& file) {
    if (spec.boxes) throw Error(file + ": outputs boxes, which needs ONNX Runtime");
    check_input_size(spec.input_size, file + ": input.width, input.height");
}

void try_out(Backend& backend, const std::string& file) {
    const Size size = backend.spec().input_size;
    const std::vector<float> nothing(3 * std::size_t(size.width) * std::size_t(size.height), 0.0F);
    check_output(backend.spec(), backend.run(nothing.data(), size), size, file);
}

}  // namespace nanodet
