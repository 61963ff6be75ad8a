#include "fit_graph.h"

#include <algorithm>

#include "nanodet/error.h"

namespace nanodet::bench {

int fit_graph(NcnnGraph& graph, Size size, const std::string& file) {
    NcnnLayer* entrance = nullptr;
    std::size_t inputs = 0;
    for (NcnnLayer& layer : graph.layers) {
        if (layer.kind != "Input") continue;
        inputs += layer.outputs.size();
        entrance = &layer;
    }
    if (inputs != 1)
        throw Error(file + ": has " + std::to_string(inputs) +
                    " inputs; a graph with one can be timed");
    const auto side = [&](int key) {
        try {
            return entrance->whole(key);
        } catch (const Error& error) {
            throw Error(file + ": " + error.what());
        }
    };
    const int channels = side(2) != 0 ? side(2) : 3;
    if (channels < 1 || channels > 4096)
        throw Error(file + ": layer " + entrance->name + ": cannot have " +
                    std::to_string(channels) + " channels");
    if (Size{side(0), side(1)} != size) {
        entrance->values.clear();
        graph.drop_hints();
    }
    return channels;
}

std::vector<std::string> leave_out_boxes(NcnnGraph& graph) {
    const std::string end = "DetectionOutput";
    const auto makes_boxes = [&](const NcnnLayer& layer) {
        return layer.kind.size() >= end.size() &&
               layer.kind.compare(layer.kind.size() - end.size(), end.size(), end) == 0;
    };
    std::vector<std::string> names;
    for (const NcnnLayer& layer : graph.layers)
        if (makes_boxes(layer)) names.push_back(layer.name);
    graph.layers.erase(std::remove_if(graph.layers.begin(), graph.layers.end(), makes_boxes),
                       graph.layers.end());
    return names;
}

}  // namespace nanodet::bench
