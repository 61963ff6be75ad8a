#include "sources.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "files.h"
#include "nanodet/error.h"
#include "picture_file.h"

namespace nanodet {

namespace fs = std::filesystem;

std::atomic<int> stop_requests{0};

namespace {

class PictureSource : public Source {
public:
    PictureSource(std::string name, std::vector<std::string> files, bool single, Warn warn)
        : name_(std::move(name)), files_(std::move(files)), single_(single),
          warn_(std::move(warn)) {}

    bool next(Frame& frame) override {
        while (at_ < files_.size()) {
            const std::string& file = files_[at_++];
            try {
                picture_ = read_picture(file);
            } catch (const Error& error) {
                if (single_) throw;
                warn_(error.what());
                ++unread_;
                continue;
            }
            frame = {picture_.view(), file, {}, {}};
            return true;
        }
        return false;
    }

    std::vector<std::string> files() const override { return files_; }

    std::string problem() const override {
        if (unread_ == 0) return {};
        return name_ + ": " + std::to_string(unread_) + " of " + std::to_string(files_.size()) +
               " images could not be read";
    }

private:
    std::string name_;
    std::vector<std::string> files_;
    bool single_;
    Warn warn_;
    std::size_t at_ = 0, unread_ = 0;
    LoadedPicture picture_;
};

std::unique_ptr<Source> open_folder(const std::string& folder, const Warn& warn) {
    std::vector<std::string> files;
    std::error_code problem;
    for (fs::directory_iterator entry(folder, problem), end; !problem && entry != end;
         entry.increment(problem)) {
        std::error_code ignored;
        if (!entry->is_directory(ignored) && !is_special(entry->path().string()) &&
            is_picture_suffix(suffix_of(entry->path().string())))
            files.push_back(entry->path().string());
    }
    if (problem) throw Error(folder + ": cannot read this folder (" + problem.message() + ")");
    if (files.empty()) throw Error(folder + ": no images in this folder");
    std::sort(files.begin(), files.end());
    return std::make_unique<PictureSource>(folder, std::move(files), false, warn);
}

bool is_camera(const std::string& text) {
    return !text.empty() && text.size() <= 4 &&
           text.find_first_not_of("0123456789") == std::string::npos;
}

bool is_url(const std::string& text) {
    const auto scheme = text.find("://");
    return scheme != std::string::npos && scheme > 0 &&
           text.find_first_of("/\\.") > scheme;
}

}  // namespace

std::unique_ptr<Source> open_source(const std::string& text, const Warn& warn) {
    std::error_code ignored;
    if (fs::is_directory(text, ignored)) return open_folder(text, warn);
    if (fs::is_character_file(text, ignored)) return open_video(text, warn);  // a camera's device
    if (is_special(text)) throw Error(text + ": is a device or a pipe, not an image or a video");
    const bool there = fs::exists(text, ignored);
    const std::string suffix = suffix_of(text);
    if (there && ((is_picture_suffix(suffix) && suffix != ".gif") || is_picture(text)))
        return std::make_unique<PictureSource>(text, std::vector<std::string>{text}, true, warn);
    if (there || is_camera(text) || is_url(text)) return open_video(text, warn);
    throw Error(text + ": there is no such file, folder, camera or stream");
}

#if !NANODET_WITH_OPENCV

bool is_picture(const std::string&) {
    return false;
}

std::unique_ptr<Source> open_video(const std::string& text, const Warn&) {
    throw Error(text + ": this build has no OpenCV: it reads .ppm images and folders of them");
}

#endif

}  // namespace nanodet
