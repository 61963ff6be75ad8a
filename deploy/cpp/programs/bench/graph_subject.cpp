#include <datareader.h>
#include <layer.h>
#include <net.h>

#include <chrono>
#include <cstring>

#include "nanodet/error.h"
#include "ncnn_options.h"
#include "ncnn_parameters.h"
#include "ncnn_rules.h"
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

Shape shape_of(const ncnn::Mat& map) {
    const Shape sides = {map.c, map.d, map.h, map.w};
    if (map.dims == 3) return {map.c, map.h, map.w};
    return {sides.end() - map.dims, sides.end()};
}

class GraphSubject : public Subject {
public:
    GraphSubject(const Order& order, int channels, bool known)
        : path_(order.path), size_(order.size.value()) {
        const NcnnGraph graph = NcnnGraph::load(path_);
        for (const auto& layer : graph.layers)
            if (ncnn::layer_to_index(layer.kind.c_str()) < 0)
                throw Error(path_ + ": layer " + layer.name + ": ncnn has no layer " + layer.kind);
        BackendOptions options;
        options.threads = order.threads;
        options.precision = order.precision;
        set_options(net_.opt, options);
        net_.opt.blob_allocator = &pool_;
        if (net_.load_param_mem(graph.to_text().c_str()) != 0)
            throw Error(path_ + ": ncnn cannot load this graph");
        if (net_.load_model(ZeroReader()) != 0)
            throw Error(path_ + ": ncnn cannot load this graph with empty weights");
        picture_.create(size_.width, size_.height, channels);
        if (picture_.empty()) throw Error(path_ + ": there is no memory for its input");
        picture_.fill(0.01F);
        if (!known) check_found_shapes(graph);
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
                throw Error(at_size() + "ncnn failed to run it (output " +
                            net_.output_names()[output] + ", status " + std::to_string(status) +
                            ")");
        });
        return {
            {"input", {size_.width, size_.height}},
            {"engine", ncnn_engine()},
            {"options", json_of_options(options_of(net_.opt))},
            {"detections", nullptr},
        };
    }

private:
    std::string at_size() const {
        return path_ + ": at " + std::to_string(size_.width) + "x" +
               std::to_string(size_.height) + ": ";
    }

    ncnn::Extractor filled() {
        ncnn::Extractor extractor = net_.create_extractor();
        extractor.input(net_.input_indexes()[0], picture_);
        return extractor;
    }

    template <typename Check>
    void extract(Check check) {
        ncnn::Extractor extractor = filled();
        const std::vector<int>& outputs = net_.output_indexes();
        for (std::size_t i = 0; i < outputs.size(); ++i) {
            ncnn::Mat output;
            check(i, extractor.extract(outputs[i], output));
        }
    }

    /// Checks the layers that join maps against the shapes that ncnn finds, before they run, as
    /// nanodet/bench/subject.py does: ncnn reads beyond memory where maps of unlike sizes are added.
    void check_found_shapes(const NcnnGraph& graph) {
        ncnn::Extractor extractor = filled();
        extractor.set_light_mode(false);
        for (const NcnnLayer& layer : graph.layers) {
            if (layer.inputs.size() < 2) continue;
            const std::string where = at_size() + "layer " + layer.name;
            for (const Rules* rules : {&map_rules, &form_rules, &product_rules}) {
                const auto rule = rules->find(layer.kind);
                if (rule == rules->end()) continue;
                Shapes found;
                for (const std::string& input : layer.inputs) {
                    ncnn::Mat map;
                    if (extractor.extract(input.c_str(), map) != 0)
                        throw Error(where + ": ncnn cannot compute its inputs");
                    found.push_back(shape_of(map));
                }
                try {
                    check_parameters(layer, where);
                    rule->second(Step{layer, found, where});
                } catch (const NotKnown&) {  // what it makes of them is ncnn's affair
                }
            }
        }
    }

    std::string path_;
    Size size_;
    ncnn::PoolAllocator pool_;  // as a model has it
    ncnn::Net net_;
    ncnn::Mat picture_;
};

}  // namespace

std::unique_ptr<Subject> load_graph(const Order& order, int channels, bool known) {
    return std::make_unique<GraphSubject>(order, channels, known);
}

}  // namespace nanodet::bench
