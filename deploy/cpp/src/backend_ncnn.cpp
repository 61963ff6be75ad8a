/// Runs a ``.param`` and ``.bin`` in ncnn.
#include <cpu.h>
#include <net.h>
#include <platform.h>

#include <map>
#include <utility>

#include "backends.h"
#include "files.h"
#include "nanodet/error.h"
#include "nanodet/sha256.h"

namespace nanodet {

namespace {

/// Refuses files other than those that the spec describes: ncnn ends the process on many damaged
/// ones.
void check_files(const Spec& spec, const std::string& spec_file, const std::string& path) {
    const auto expected = spec.files.find(file_name(path));
    if (expected == spec.files.end())
        throw Error(spec_file + ": files: " + file_name(path) + " is not listed: was it renamed?");
    if (sha256_of_file(path) != expected->second)
        throw Error(path + ": is not the file that " + spec_file +
                    " describes (its SHA-256 differs)");
}

class NcnnBackend : public Backend {
public:
    NcnnBackend(std::string path, const BackendOptions& options) : path_(std::move(path)) {
        const std::string weights = with_suffix(path_, ".bin");
        const std::string spec_file = with_suffix(path_, ".json");
        if (!is_file(spec_file))
            throw Error(path_ + ": its spec " + spec_file + " is not there: copy it along");
        if (!is_file(weights))
            throw Error(path_ + ": its weights " + weights + " are not there");
        spec_ = load_spec(spec_file);
        check_form(spec_, path_);
        check_files(spec_, spec_file, path_);
        check_files(spec_, spec_file, weights);
        set_options(options);
        if (net_.load_param(path_.c_str()) != 0 || net_.load_model(weights.c_str()) != 0)
            throw Error(path_ + ": ncnn cannot load this model");
        input_ = find(net_.input_names(), net_.input_indexes(), spec_.input_name, "input");
        output_ = find(net_.output_names(), net_.output_indexes(), spec_.output_name, "output");
        try_out(*this, path_);
    }

    const Spec& spec() const override { return spec_; }

    std::string engine() const override { return std::string("ncnn ") + NCNN_VERSION_STRING; }

    std::vector<std::pair<std::string, std::string>> options() const override {
        const ncnn::Option& opt = net_.opt;
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

    Output run(const float* tensor, Size size) override {
        // three planes of a multiple of 1024 floats each: ncnn's own layout has no gaps either,
        // and it does not write to its input
        const ncnn::Mat planes(size.width, size.height, 3, const_cast<float*>(tensor), 4U);
        ncnn::Extractor extractor = net_.create_extractor();
        int status = extractor.input(input_, planes);
        if (status == 0) status = extractor.extract(output_, result_);
        if (status != 0)
            throw Error(path_ + ": ncnn failed to run the network (status " +
                        std::to_string(status) + ")");
        if (result_.dims != 2 || result_.elemsize != 4 || result_.elempack != 1)
            throw Error(path_ + ": its output is not points x channels of floats, but has " +
                        std::to_string(result_.dims) + " dimensions");
        const auto width = static_cast<std::size_t>(result_.w);
        return {static_cast<const float*>(result_.data), static_cast<std::size_t>(result_.h),
                width, width};
    }

private:
    void set_options(const BackendOptions& options) {
        ncnn::Option& opt = net_.opt;
        if (options.precision == Precision::fp16 && !ncnn::cpu_support_arm_asimdhp())
            throw Error("precision: fp16: this CPU has no 16-bit floating-point arithmetic");
        if (options.threads > 0) opt.num_threads = options.threads;
        // by itself ncnn would take whatever is fastest here: other numbers on other machines
        opt.use_fp16_packed = opt.use_fp16_storage = options.precision == Precision::fp16;
        opt.use_fp16_arithmetic = options.precision == Precision::fp16;
        opt.use_bf16_storage = options.precision == Precision::bf16;
        opt.use_vulkan_compute = options.vulkan;
    }

    int find(const std::vector<const char*>& names, const std::vector<int>& indexes,
             const std::string& wanted, const std::string& kind) const {
        std::string known;
        for (std::size_t i = 0; i < names.size(); ++i) {
            if (names[i] == wanted) return indexes[i];
            known += (i ? ", " : "") + std::string(names[i]);
        }
        throw Error(path_ + ": its spec says " + kind + " " + wanted + ", but it has " + known);
    }

    std::string path_;
    Spec spec_;
    ncnn::Net net_;
    int input_ = 0, output_ = 0;
    ncnn::Mat result_;  // keeps the last output alive
};

}  // namespace

std::unique_ptr<Backend> load_ncnn(const std::string& path, const BackendOptions& options) {
    return std::make_unique<NcnnBackend>(path, options);
}

bool ncnn_has_vulkan() {
#if NCNN_VULKAN
    return true;
#else
    return false;
#endif
}

}  // namespace nanodet
