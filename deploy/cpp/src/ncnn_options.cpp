#include "ncnn_options.h"

#include <cpu.h>
#include <gpu.h>
#include <platform.h>

#include "nanodet/error.h"
#include "ncnn_rules.h"

namespace nanodet {

namespace {

/// Sets an option that releases of ncnn before 2026 do not have.
template <typename Option>
auto set_bf16_packed(Option& opt, bool on, int) -> decltype(opt.use_bf16_packed, void()) {
    opt.use_bf16_packed = on;
}

template <typename Option>
void set_bf16_packed(Option&, bool, long) {}

}  // namespace

void set_options(ncnn::Option& opt, const BackendOptions& options) {
    if (options.precision == Precision::fp16 && !ncnn::cpu_support_arm_asimdhp())
        throw Error("precision: fp16: this CPU has no 16-bit floating-point arithmetic");
#if NCNN_VULKAN
    // ncnn would run on the CPU without a word
    if (options.vulkan && ncnn::get_gpu_count() == 0)
        throw Error("vulkan: this device has no GPU that ncnn can use");
#endif
    if (options.threads > 0) opt.num_threads = options.threads;
    // by itself ncnn would take whatever is fastest here: other numbers on other machines
    opt.use_fp16_packed = opt.use_fp16_storage = options.precision == Precision::fp16;
    opt.use_fp16_arithmetic = options.precision == Precision::fp16;
    opt.use_bf16_storage = options.precision == Precision::bf16;
    set_bf16_packed(opt, options.precision == Precision::bf16, 0);
    opt.use_vulkan_compute = options.vulkan;
}

void check_precision(const NcnnGraph& graph, Precision precision, const std::string& path) {
    if (precision != Precision::bf16) return;
    for (const NcnnLayer& layer : graph.layers)
        if (is_grouped(layer))
            throw Error(path + ": layer " + layer.name +
                        ": ncnn cannot run convolutions in groups in bf16; take fp32");
}

std::vector<std::pair<std::string, std::string>> options_of(const ncnn::Option& opt) {
    const auto flag = [](bool on) { return on ? "true" : "false"; };
    return {
        {"threads", std::to_string(opt.num_threads)},
        {"lightmode", flag(opt.lightmode)},
        {"openmp_blocktime", std::to_string(opt.openmp_blocktime)},
        {"use_packing_layout", flag(opt.use_packing_layout)},
        {"use_winograd_convolution", flag(opt.use_winograd_convolution)},
        {"use_sgemm_convolution", flag(opt.use_sgemm_convolution)},
        {"use_fp16_packed", flag(opt.use_fp16_packed)},
        {"use_fp16_storage", flag(opt.use_fp16_storage)},
        {"use_fp16_arithmetic", flag(opt.use_fp16_arithmetic)},
        {"use_bf16_storage", flag(opt.use_bf16_storage)},
        {"use_int8_inference", flag(opt.use_int8_inference)},
        {"use_int8_packed", flag(opt.use_int8_packed)},
        {"use_int8_storage", flag(opt.use_int8_storage)},
        {"use_int8_arithmetic", flag(opt.use_int8_arithmetic)},
        {"use_vulkan_compute", flag(opt.use_vulkan_compute)},
    };
}

std::string ncnn_engine() {
    return std::string("ncnn ") + NCNN_VERSION_STRING;
}

}  // namespace nanodet
