/// Runs a ``.param`` and ``.bin`` in ncnn.
#include <layer.h>
#include <net.h>
#include <platform.h>

#include <algorithm>
#include <set>

#include "backends.h"
#include "nanodet/error.h"
#include "ncnn_model.h"
#include "ncnn_options.h"
#include "ncnn_parameters.h"
#include "ncnn_trial.h"
#include "text_reader.h"

namespace nanodet {

namespace {

/// Tells whether this build of ncnn has a kind of layer.
bool has_layer(const std::string& kind) {
    return ncnn::layer_to_index(kind.c_str()) >= 0;
}

class NcnnBackend : public Backend {
public:
    NcnnBackend(const std::string& path, const BackendOptions& options)
        : model_(NcnnModel::load(path, has_layer)) {
        for (const NcnnLayer& layer : model_.graph.layers)
            if (!has_layer(layer.kind))
                throw Error(path + ": layer " + layer.name + ": ncnn has no layer " + layer.kind);
        check_precision(model_.graph, options.precision, path);
        set_options(net_.opt, options);
        net_.opt.blob_allocator = &pool_;
        try_size(model_.spec.input_size);
        // the files as they were checked: they may be others by now
        if (net_.load_param_mem(model_.graph.to_text().c_str()) != 0 ||
            net_.load_model(TextReader(model_.weights)) != 0)
            throw Error(path + ": ncnn cannot load this model");
        const bool sure = std::all_of(
            model_.graph.layers.begin(), model_.graph.layers.end(),
            [](const NcnnLayer& layer) { return is_known(layer.kind); });
        if (sure) std::string().swap(model_.weights);  // else trials of other sizes need them
        input_ = find(net_.input_names(), net_.input_indexes(), model_.spec.input_name);
        for (const std::string& name : model_.spec.output_names())
            outputs_.push_back(find(net_.output_names(), net_.output_indexes(), name));
        results_.resize(outputs_.size());
        const auto taker = std::find_if(
            model_.graph.layers.begin(), model_.graph.layers.end(), [&](const NcnnLayer& layer) {
                return std::count(layer.inputs.begin(), layer.inputs.end(), model_.spec.input_name);
            });
        owns_input_ = taker == model_.graph.layers.end() || taker->kind.rfind("Convolution", 0) != 0;
        try_out(*this, path);
    }

    const Spec& spec() const override { return model_.spec; }

    std::string engine() const override { return ncnn_engine(); }

    std::vector<std::pair<std::string, std::string>> options() const override {
        return options_of(net_.opt);
    }

    Output run(const float* tensor, Size size) override {
        try_size(size);
        // three planes of a multiple of 1024 floats each: ncnn's own layout has no gaps either,
        // and it does not write to its input
        const ncnn::Mat planes(size.width, size.height, 3, const_cast<float*>(tensor), 4U);
        ncnn::Extractor extractor = net_.create_extractor();
        int status = extractor.input(input_, owns_input_ ? planes.clone() : planes);
        for (std::size_t i = 0; i < outputs_.size() && status == 0; ++i)
            status = extractor.extract(outputs_[i], results_[i]);
        if (status != 0)
            throw Error(model_.path + ": ncnn failed to run the network (status " +
                        std::to_string(status) + ")");
        Output output;
        for (std::size_t i = 0; i < results_.size(); ++i) {
            const ncnn::Mat& result = results_[i];
            if (result.elemsize != 4 || result.elempack != 1)  // what a layer not known here may give
                throw Error(model_.path + ": its output holds values of " +
                            std::to_string(result.elemsize) + " bytes, not floats");
            const auto *data = static_cast<const float*>(result.data);
            const auto width = static_cast<std::size_t>(result.w);
            const auto height = static_cast<std::size_t>(result.h);
            if (result.dims != (model_.spec.maps ? 3 : 2))
                throw Error(model_.path + ": its output is not " +
                            (model_.spec.maps ? "channels x rows x columns" : "points x channels") +
                            " of floats, but has " + std::to_string(result.dims) + " dimensions");
            if (model_.spec.maps)
                output.maps[i] = {data, static_cast<std::size_t>(result.c), height, width,
                                  result.cstep};
            else
                output = {data, height, width, width, {}};
        }
        return output;
    }

private:
    static int find(const std::vector<const char*>& names, const std::vector<int>& indexes,
                    const std::string& wanted) {
        const auto found = std::find(names.begin(), names.end(), wanted);
        return indexes.at(std::size_t(found - names.begin()));
    }

    /// Checks a size, and tries it out first where that leaves something open.
    void try_size(Size size) {
        if (model_.check_size(size) || tried_.count({size.width, size.height})) return;
        try_in_child(model_, size, net_.opt);
        tried_.insert({size.width, size.height});
    }

    NcnnModel model_;
    std::set<std::pair<int, int>> tried_;
    // ncnn's own would copy each output to fresh memory, image after image
    ncnn::PoolAllocator pool_;
    ncnn::Net net_;
    int input_ = 0;
    std::vector<int> outputs_;
    // ncnn's layers that work in place write to memory that is not its own, and count its users;
    // convolutions, with which a detector begins, do neither
    bool owns_input_ = false;
    std::vector<ncnn::Mat> results_;  // keep the last outputs alive
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
