/// Runs an ``.onnx`` in OpenVINO, on the CPU.
#include <algorithm>
#include <openvino/frontend/manager.hpp>
#include <openvino/openvino.hpp>
#include <sstream>
#include <utility>

#include "backends.h"
#include "files.h"
#include "nanodet/error.h"
#include "onnx_check.h"
#include "published.h"
#include "split.h"

namespace nanodet {

namespace {

/// Returns the last line that says something: OpenVINO puts where it happened before it.
std::string line_of(const std::exception& error) {
    std::istringstream lines(error.what());
    std::string line, last = "unknown error";
    while (std::getline(lines, line)) {
        const auto start = line.find_first_not_of(" \t\r"), end = line.find_last_not_of(" \t\r");
        if (start != std::string::npos) last = line.substr(start, end - start + 1);
    }
    return last.substr(0, 200);
}

std::string words_of(const ov::PartialShape& shape) {
    std::ostringstream text;
    text << shape;
    return text.str();
}

class OpenvinoBackend : public Backend {
public:
    OpenvinoBackend(std::string path, const BackendOptions& options)
        : path_(std::move(path)), threads_(options.threads) {
        read_steadily(path_, [this] {
            check_onnx(published(path_));
            try {
                // Core::read_model would try the readers of all formats, which print and leak
                const auto reader = ov::frontend::FrontEndManager().load_by_framework("onnx");
                model_ = reader->convert(reader->load(published(path_)));
            } catch (const std::exception& error) {
                throw Error(path_ + ": not a usable ONNX model (" + line_of(error) + ")");
            }
            spec_ = read_spec();
        });
        check_form(spec_, path_);
        names_ = spec_.output_names();
        check_names();
        try_out(*this, path_);
    }

    const Spec& spec() const override { return spec_; }

    std::string engine() const override {
        return std::string("openvino ") + ov::get_openvino_version().buildNumber;
    }

    std::vector<std::pair<std::string, std::string>> options() const override {
        return {{"threads", std::to_string(threads_)}, {"inference_precision", "\"f32\""}};
    }

    Output run(const float* tensor, Size size) override {
        const auto height = std::size_t(size.height), width = std::size_t(size.width);
        try {
            prepare(size);
            // OpenVINO does not write to its input
            request_.set_input_tensor(ov::Tensor(ov::element::f32, {1, 3, height, width},
                                                 const_cast<float*>(tensor)));
            request_.infer();
        } catch (const Error&) {
            throw;
        } catch (const std::exception& error) {
            throw Error(path_ + ": OpenVINO cannot run it at " + std::to_string(size.width) +
                        " x " + std::to_string(size.height) + " (" + line_of(error) + ")");
        }
        Output output;
        for (std::size_t i = 0; i < names_.size(); ++i) {
            const ov::Tensor result = request_.get_tensor(names_[i]);
            if (result.get_element_type() != ov::element::f32) fail(result.get_shape());
            put(output, i, result.get_shape(), result.data<const float>());
        }
        return output;
    }

private:
    Spec read_spec() {
        if (model_->has_rt_info("framework", "nanodet")) {
            const auto text = model_->get_rt_info<std::string>("framework", "nanodet");
            return parse_spec(text, path_ + " (its own spec)");
        }
        const std::string beside = with_suffix(path_, ".json");
        if (!is_published(beside))
            throw Error(path_ + ": contains no spec, and " + beside + " does not exist");
        return load_spec(published(beside));
    }

    void check_names() const {
        const auto has = [](const ov::OutputVector& ports, const std::string& name) {
            return std::any_of(ports.begin(), ports.end(), [&](const auto& port) {
                return port.get_names().count(name) > 0;
            });
        };
        const auto inputs = std::const_pointer_cast<ov::Model>(model_)->inputs();
        const auto outputs = std::const_pointer_cast<ov::Model>(model_)->outputs();
        if (inputs.size() != 1 || !has(inputs, spec_.input_name) ||
            !std::all_of(names_.begin(), names_.end(),
                         [&](const std::string& name) { return has(outputs, name); }))
            throw Error(path_ + ": its spec says input " + spec_.input_name + " and output " +
                        join(names_, ", ") + ", which it has not");
        for (const auto& port : outputs)
            for (const std::string& name : port.get_names())
                if (spec_.leaves_out(name))
                    throw Error(path_ + ": its spec says output " + join(names_, ", ") +
                                ", but it has " + name + " too");
    }

    [[noreturn]] void fail(const ov::Shape& shape) const {
        throw Error(path_ + ": its output is " + words_of(shape) +
                    (spec_.maps ? ", not 1 x channels x rows x columns of float32"
                                : ", not 1 x points x channels of float32"));
    }

    /// Makes a tensor the output ``i`` of all.
    void put(Output& output, std::size_t i, const ov::Shape& shape, const float* values) const {
        if (shape.size() != (spec_.maps ? 4 : 3) || shape[0] != 1) fail(shape);
        if (spec_.maps)
            output.maps[i] = {values, shape[1], shape[2], shape[3], shape[2] * shape[3]};
        else
            output = {values, shape[1], shape[2], shape[2], {}};
    }

    /// Compiles the model for inputs of one size: OpenVINO is fastest with fixed shapes.
    void prepare(Size size) {
        if (size == compiled_for_) return;
        model_->reshape(ov::PartialShape{1, 3, size.height, size.width});
        // a model with another output may need any memory to compile and to run
        Output output;
        bool is_static = true;
        for (std::size_t i = 0; i < names_.size() && is_static; ++i) {
            const ov::PartialShape made = model_->output(names_[i]).get_partial_shape();
            is_static = made.is_static();
            if (is_static) put(output, i, made.to_shape(), nullptr);
        }
        if (is_static) check_output(spec_, output, size, path_);
        // by itself OpenVINO calculates in bfloat16 where the CPU has it: other numbers elsewhere
        ov::AnyMap properties = {ov::hint::inference_precision(ov::element::f32),
                                 ov::hint::performance_mode(ov::hint::PerformanceMode::LATENCY)};
        if (threads_ > 0) properties.insert(ov::inference_num_threads(threads_));
        request_ = core_.compile_model(model_, "CPU", properties).create_infer_request();
        compiled_for_ = size;
    }

    std::string path_;
    int threads_;
    Spec spec_;
    std::vector<std::string> names_;  // of the outputs
    ov::Core core_;
    std::shared_ptr<ov::Model> model_;
    ov::InferRequest request_;
    Size compiled_for_;
};

}  // namespace

std::unique_ptr<Backend> load_openvino(const std::string& path, const BackendOptions& options) {
    return std::make_unique<OpenvinoBackend>(path, options);
}

}  // namespace nanodet
