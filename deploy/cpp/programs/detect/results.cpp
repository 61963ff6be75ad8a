#include "results.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <utility>

#include "nanodet/error.h"
#include "nanodet/json_lines.h"

namespace nanodet {

namespace fs = std::filesystem;

JsonLines::JsonLines(std::string path, const Spec& spec) : path_(std::move(path)), spec_(spec) {
    if (path_ == "-") return;
    if (fs::is_directory(path_)) throw Error(path_ + ": is a folder");
    temporary_ = temporary_beside(path_);
    errno = 0;
    file_.open(temporary_, std::ios::binary);
    if (!file_)
        throw Error(path_ + ": cannot be written (" + std::strerror(errno) + ")");
}

JsonLines::~JsonLines() {
    std::error_code ignored;
    if (!temporary_.empty()) fs::remove(temporary_, ignored);
}

bool JsonLines::write(const Frame& frame, const std::vector<Detection>& detections) {
    std::ostream& stream = path_ == "-" ? std::cout : file_;
    stream << to_json_line(spec_, detections, frame.name,
                           {frame.picture.width, frame.picture.height}, frame.index, frame.time_s)
           << '\n';
    // a reader of a pipe wants each line when it is there
    if (path_ == "-") stream.flush();
    if (!stream) throw Error(path_ + ": cannot be written");
    return true;
}

void JsonLines::finish() {
    if (path_ == "-") return;
    file_.close();
    if (!file_) throw Error(path_ + ": cannot be written");
    move_into_place(temporary_, path_);
    temporary_.clear();
}

std::vector<std::unique_ptr<Sink>> open_sinks(const Arguments& arguments, const Source& source,
                                              const Spec& spec) {
    std::vector<std::unique_ptr<Sink>> sinks;
    const bool window = arguments.out.empty() && arguments.jsonl.empty();
    if (!arguments.out.empty() || window)
        sinks.push_back(open_drawing(arguments.out, source, spec, arguments.source));
    if (!arguments.out.empty())
        sinks.push_back(std::make_unique<JsonLines>(
            (fs::path(arguments.out) / "detections.jsonl").string(), spec));
    if (!arguments.jsonl.empty())
        sinks.push_back(std::make_unique<JsonLines>(arguments.jsonl, spec));
    return sinks;
}

std::string temporary_beside(const std::string& path) {
    const fs::path target(path);
    const std::string name = "." + target.stem().string() + "." + std::to_string(::getpid()) +
                             ".part" + target.extension().string();
    return (target.parent_path() / name).string();
}

void move_into_place(const std::string& temporary, const std::string& path) {
    std::error_code problem;
    fs::rename(temporary, path, problem);
    if (problem) throw Error(path + ": cannot be written (" + problem.message() + ")");
}

#if !NANODET_WITH_OPENCV

void check_drawing(const Arguments& arguments) {
    if (!arguments.out.empty() || arguments.jsonl.empty())
        throw Error("this build has no OpenCV: it cannot draw; give --jsonl FILE and no --out");
}

std::unique_ptr<Sink> open_drawing(const std::string&, const Source&, const Spec&,
                                   const std::string&) {
    throw Error("this build has no OpenCV: it cannot draw");
}

#endif

}  // namespace nanodet
