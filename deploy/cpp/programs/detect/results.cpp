#include "results.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <utility>

#include "nanodet/error.h"
#include "nanodet/json_lines.h"

namespace nanodet {

namespace fs = std::filesystem;

JsonLines::JsonLines(std::string path, const Spec& spec, bool edge_std)
    : path_(std::move(path)), spec_(spec), edge_std_(edge_std) {
    if (path_ == "-") return;
    std::error_code ignored;
    const fs::file_status status = fs::status(path_, ignored);
    if (fs::is_directory(status)) throw Error(path_ + ": is a folder");
    std::string opened = path_;
    if (!fs::exists(status) || fs::is_regular_file(status)) {
        path_ = behind_link(path_);
        temporary_ = std::make_unique<TemporaryFile>(path_);
        opened = temporary_->name();
    }
    errno = 0;
    file_.open(opened, std::ios::binary);
    if (!file_)
        throw Error(path_ + ": cannot be written (" + std::strerror(errno) + ")");
}

bool JsonLines::write(const Frame& frame, const std::vector<Detection>& detections) {
    std::ostream& stream = path_ == "-" ? std::cout : file_;
    stream << to_json_line(spec_, detections, frame.name,
                           {frame.picture.width, frame.picture.height}, frame.index, frame.time_s,
                           edge_std_)
           << '\n';
    // a reader of a pipe wants each line when it is there
    if (!temporary_) stream.flush();
    if (!stream) {
        if (errno == EPIPE) return false;  // nobody reads any more: no error of ours
        throw Error((path_ == "-" ? "standard output" : path_) + ": cannot be written (" +
                    std::strerror(errno) + ")");
    }
    return true;
}

void JsonLines::finish() {
    if (path_ == "-" || !file_.is_open()) return;
    errno = 0;
    file_.flush();  // closing a stream forgets why its last bytes could not be written
    const int reason = errno;
    file_.close();
    if (!file_)
        throw Error(path_ + ": cannot be written (" + std::strerror(reason ? reason : errno) + ")");
    if (temporary_) temporary_->move_into_place();
    temporary_.reset();
}

std::vector<std::unique_ptr<Sink>> open_sinks(const Arguments& arguments, const Source& source,
                                              const Spec& spec) {
    std::vector<std::unique_ptr<Sink>> sinks;
    const bool window = arguments.out.empty() && arguments.jsonl.empty();
    std::vector<std::string> kept = source.files();
    const fs::path model(arguments.model);
    kept.insert(kept.end(), {arguments.source, arguments.model,
                             fs::path(model).replace_extension(".bin").string(),
                             fs::path(model).replace_extension(".json").string()});
    for (const std::string& file : kept)
        if (same_file(arguments.jsonl, file))
            throw Error("--jsonl: " + arguments.jsonl + ": would replace " + file);
    if (!arguments.out.empty() || window)
        sinks.push_back(open_drawing(arguments, source, spec));
    if (!arguments.out.empty())
        sinks.push_back(std::make_unique<JsonLines>(
            (fs::path(arguments.out) / "detections.jsonl").string(), spec,
            arguments.uncertainty));
    const std::string own = (fs::path(arguments.out) / "detections.jsonl").string();
    std::error_code ignored;
    if (!arguments.out.empty() && fs::weakly_canonical(own, ignored) ==
                                      fs::weakly_canonical(arguments.jsonl, ignored))
        return sinks;  // --out has written it already
    if (!arguments.jsonl.empty())
        sinks.push_back(std::make_unique<JsonLines>(arguments.jsonl, spec, arguments.uncertainty));
    return sinks;
}

bool same_file(const std::string& a, const std::string& b) {
    std::error_code ignored;
    return !a.empty() && fs::is_regular_file(a, ignored) && fs::equivalent(a, b, ignored);
}

#if !NANODET_WITH_OPENCV

void check_drawing(const Arguments& arguments) {
    if (!arguments.out.empty() || arguments.jsonl.empty())
        throw Error("this build has no OpenCV: it cannot draw; give --jsonl FILE and no --out");
}

std::unique_ptr<Sink> open_drawing(const Arguments&, const Source&, const Spec&) {
    throw Error("this build has no OpenCV: it cannot draw");
}

#endif

}  // namespace nanodet
