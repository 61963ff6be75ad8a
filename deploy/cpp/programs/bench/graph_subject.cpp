#include <datareader.h>
#include <layer.h>
#include <net.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "fit_graph.h"
#include "nanodet/error.h"
#include "ncnn_options.h"
#include "ncnn_parameters.h"
#include "ncnn_shapes.h"
#include "subject.h"

namespace nanodet::bench {

namespace {

/// Gives zeros without end.
class ZeroReader : public ncnn::DataReader {
public:
    int scan(const char* /*form*/, void* /*value*/) const override { return 0; }

    std::size_t read(void* buffer, std::size_t size) const override {
        std::memset(buffer, 0, size);
        return size;
    }
};

class GraphSubject : public Subject {
public:
    explicit GraphSubject(const Entry& entry)
        : path_(entry.path), size_(entry.size.value()) {
        NcnnGraph graph = NcnnGraph::load(path_);
        for (const auto& layer : graph.layers)
            if (ncnn::layer_to_index(layer.kind.c_str()) < 0)
                throw Error(path_ + ": layer " + layer.name + ": ncnn has no layer " + layer.kind);
        const int channels = fit_graph(graph, size_, path_);
        const auto known = [](const NcnnLayer& layer) { return is_known(layer.kind); };
        try {
            if (std::all_of(graph.layers.begin(), graph.layers.end(), known)) {  // else none but ncnn can tell
                blob_shapes(graph, {channels, size_.height, size_.width}, path_);
                graph.drop_hints();
            }
        } catch (const NotKnown&) {
        }
        check_precision(graph, entry.precision, path_);
        left_out_ = leave_out_boxes(graph);
        BackendOptions options;
        options.threads = entry.threads;
        options.precision = entry.precision;
        set_options(net_.opt, options);
        if (net_.load_param_mem(graph.to_text().c_str()) != 0)
            throw Error(path_ + ": ncnn cannot load this graph");
        if (net_.load_model(ZeroReader()) != 0)
            throw Error(path_ + ": ncnn cannot load this graph with empty weights");
        picture_.create(size_.width, size_.height, channels);
        if (picture_.empty()) throw Error(path_ + ": there is no memory for its input");
        picture_.fill(0.01F);
    }

    std::vector<std::string> stages() const override { return {"network"}; }

    Run run() override {
        const auto start = std::chrono::steady_clock::now();
        extract([](int, int) {});
        const auto took = std::chrono::steady_clock::now() - start;
        return {std::chrono::duration_cast<std::chrono::nanoseconds>(took).count()};
    }

    Json facts() override {
        extract([this](std::size_t output, int status) {
            if (status != 0)
                throw Error(path_ + ": ncnn failed to run it at " + std::to_string(size_.width) +
                            "x" + std::to_string(size_.height) + " (output " +
                            net_.output_names()[output] + ", status " + std::to_string(status) +
                            ")");
        });
        return {
            {"input", {size_.width, size_.height}},
            {"engine", ncnn_engine()},
            {"options", json_of_options(options_of(net_.opt))},
            {"detections", nullptr},
            {"left_out", left_out_},
        };
    }

private:
    template <typename Check>
    void extract(Check check) {
        ncnn::Extractor extractor = net_.create_extractor();
        extractor.input(net_.input_indexes()[0], picture_);
        const std::vector<int>& outputs = net_.output_indexes();
        for (std::size_t i = 0; i < outputs.size(); ++i) {
            ncnn::Mat output;
            check(i, extractor.extract(outputs[i], output));
        }
    }

    std::string path_;
    Size size_;
    std::vector<std::string> left_out_;
    ncnn::Net net_;
    ncnn::Mat picture_;
};

}  // namespace

std::unique_ptr<Subject> load_graph(const Entry& entry) {
    return std::make_unique<GraphSubject>(entry);
}

}  // namespace nanodet::bench
