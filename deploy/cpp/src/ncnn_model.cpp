#include "ncnn_model.h"

#include <algorithm>

#include "backends.h"
#include "files.h"
#include "nanodet/error.h"
#include "nanodet/sha256.h"
#include "ncnn_weights.h"
#include "published.h"
#include "split.h"

namespace nanodet {

namespace {

/// @throws Error  bytes of another file than the one that the spec describes
void check_digest(const Spec& spec, const std::string& spec_file, const std::string& path,
                  const std::string& bytes) {
    const auto expected = spec.files.find(file_name(path));
    if (expected == spec.files.end())
        throw Error(spec_file + ": files: " + file_name(path) +
                    " is not listed: was it renamed, or left from an earlier export?");
    if (sha256(bytes.data(), bytes.size()) != expected->second)
        throw Error(path + ": is not the file that " + spec_file +
                    " describes (its SHA-256 differs)");
}

}  // namespace

NcnnModel NcnnModel::load(const std::string& path, const HasLayer& others) {
    const std::string weights = with_suffix(path, ".bin"), spec_file = with_suffix(path, ".json");
    NcnnModel model;
    model.others_ = others;
    std::string text;
    read_steadily(path, [&] {
        if (!is_published(spec_file))
            throw Error(path + ": its spec " + spec_file + " does not exist: copy it too");
        if (!is_published(weights))
            throw Error(path + ": its weights " + weights + " do not exist");
        model.spec = load_spec(published(spec_file));
        check_form(model.spec, path);
        text = read_file(published(path), "this model", NcnnGraph::longest);
        model.weights = read_file(published(weights), "these weights");
    });
    model.path = path;
    model.graph = NcnnGraph::parse(text, path);
    check_digest(model.spec, spec_file, path, text);
    check_digest(model.spec, spec_file, weights, model.weights);
    model.check_size(model.spec.input_size);
    check_weights(model.weights, model.graph, weights, path);
    model.graph.drop_hints();
    return model;
}

bool NcnnModel::check_size(Size size) {
    const auto known = known_sizes_.find({size.width, size.height});
    if (known != known_sizes_.end()) return known->second;
    const auto shapes = blob_shapes(graph, {3, size.height, size.width}, path, others_);
    const auto inputs = graph.inputs(), outputs = graph.outputs();
    const std::vector<std::string> names = spec.output_names();
    const bool has_outputs = std::all_of(names.begin(), names.end(), [&](const std::string& name) {
        return std::find(outputs.begin(), outputs.end(), name) != outputs.end();
    });
    const bool has_more = std::any_of(
        outputs.begin(), outputs.end(),
        [&](const std::string& name) { return spec.leaves_out(name); });
    if (inputs != std::vector<std::string>{spec.input_name} || !has_outputs || has_more)
        throw Error(path + ": its spec says input " + spec.input_name + " and output " +
                    join(names, ", ") + ", but it has " + join(inputs, ", ") + " and " +
                    join(outputs, ", "));
    for (std::size_t level = 0; level < names.size(); ++level) {
        const Size cells = Spec::level_size(size, spec.strides[level]);
        const auto channels = std::int64_t(spec.channels());
        const Shape expected = spec.maps ? Shape{channels, cells.height, cells.width}
                                         : Shape{std::int64_t(spec.point_count(size)), channels};
        const Shape& found = shapes.at(names[level]);
        if (!found.empty() && found != expected)
            throw Error(path + ": its output" + (spec.maps ? " " + names[level] : "") + " is " +
                        text_of(found) + ", but its spec says " + spec.shape_words(level, size));
    }
    const bool sure = std::none_of(shapes.begin(), shapes.end(),
                                   [](const auto& blob) { return blob.second.empty(); });
    return known_sizes_[{size.width, size.height}] = sure;
}

}  // namespace nanodet
