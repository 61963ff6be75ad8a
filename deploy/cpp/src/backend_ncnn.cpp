/// Runs a ``.param`` and ``.bin`` in ncnn.
#include <net.h>
#include <platform.h>

#include <map>
#include <utility>

#include "backends.h"
#include "files.h"
#include "nanodet/error.h"
#include "nanodet/sha256.h"
#include "ncnn_options.h"

namespace nanodet {

namespace {

/// Refuses files other than those that the spec describes: ncnn ends the process on many damaged
/// ones.
void check_files(const Spec& spec, const std::string& spec_file, const std::string& path) {
    const auto expected = spec.files.find(file_name(path));
    if (expected == spec.files.end())
        throw Error(spec_file + ": files: " + file_name(path) +
                    " is not listed: was it renamed, or left from an earlier export?");
    if (sha256_of_file(path) != expected->second)
        throw Error(path + ": is not the file that " + spec_file +
                    " describes (its SHA-256 differs)");
}

class NcnnBackend : public Backend {
public:
    NcnnBackend(std::string path, const BackendOptions& options) : path_(std::move(path)) {
        const std::string param = published(path_);
        const std::string weights = published(with_suffix(path_, ".bin"));
        const std::string spec_file = published(with_suffix(path_, ".json"));
        if (!is_file(spec_file))
            throw Error(path_ + ": its spec " + spec_file + " is not there: copy it along");
        if (!is_file(weights))
            throw Error(path_ + ": its weights " + weights + " are not there");
        spec_ = load_spec(spec_file);
        check_form(spec_, path_);
        check_files(spec_, spec_file, param);
        check_files(spec_, spec_file, weights);
        set_options(net_.opt, options);
        if (net_.load_param(param.c_str()) != 0 || net_.load_model(weights.c_str()) != 0)
            throw Error(path_ + ": ncnn cannot load this model");
        input_ = find(net_.input_names(), net_.input_indexes(), spec_.input_name, "input");
        output_ = find(net_.output_names(), net_.output_indexes(), spec_.output_name, "output");
        try_out(*this, path_);
    }

    const Spec& spec() const override { return spec_; }

    std::string engine() const override { return ncnn_engine(); }

    std::vector<std::pair<std::string, std::string>> options() const override {
        return options_of(net_.opt);
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
