/// Videos, cameras and streams.
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/videoio.hpp>
#include <thread>
#include <utility>

#include "containers.h"
#include "nanodet/error.h"
#include "sources.h"

namespace nanodet {

namespace {

using Clock = std::chrono::steady_clock;
constexpr int timeout_ms = 10'000;  // a stream that neither opens nor sends for so long is given up

std::optional<double> fps_of(const cv::VideoCapture& capture) {
    const double fps = capture.get(cv::CAP_PROP_FPS);
    if (std::isfinite(fps) && fps >= 0.1 && fps <= 1000) return fps;
    return {};
}

Picture view(const cv::Mat& picture) {
    return {picture.data, picture.cols, picture.rows, std::ptrdiff_t(picture.step),
            PixelFormat::bgr};
}

/// Only the milliseconds that matter, so that JSON has short numbers.
double to_milliseconds(double seconds) {
    return std::round(seconds * 1e4) / 1e4;
}

/// A video with an end, every frame of it.
class VideoSource : public Source {
public:
    /// @param extent  of its file; nothing where only OpenCV's estimate is known
    /// @param warn    is called with a line where the end came early by that estimate
    VideoSource(std::string name, const cv::VideoCapture& capture, cv::Mat first,
                std::optional<Extent> extent, Warn warn)
        : name_(std::move(name)), capture_(capture), picture_(std::move(first)),
          fps_(fps_of(capture_)), extent_(std::move(extent)), warn_(std::move(warn)) {}

    bool next(Frame& frame) override {
        if (index_ > 0) {
            if (!capture_.read(picture_) || picture_.empty()) {
                judge();
                return false;
            }
            const double reported = capture_.get(cv::CAP_PROP_POS_MSEC) / 1000;
            if (reported > time_s_)
                time_s_ = to_milliseconds(reported);
            else if (fps_)
                time_s_ = std::max(time_s_, to_milliseconds(double(index_) / *fps_));
        }
        frame = {view(picture_), name_, index_++, time_s_};
        return true;
    }

    std::optional<double> fps() const override { return fps_; }

    std::string problem() const override { return problem_; }

private:
    /// Finds out whether more frames should have come.
    void judge() {
        const std::string time_s = format("%.1f s", time_s_);
        if (extent_) {
            if (!extent_->lacks(index_, time_s_)) return;
            const std::string of = extent_->frames ? " of " + std::to_string(*extent_->frames) : "";
            problem_ = name_ + ": the video stops at frame " + std::to_string(index_) + of + " (" +
                       time_s + "); the rest cannot be read";
            return;
        }
        const double count = capture_.get(cv::CAP_PROP_FRAME_COUNT);
        const double about_s = fps_ && count >= 1 && count < 1e9 ? count / *fps_ : 0;
        if (time_s_ + std::max(1.0, 3 / fps_.value_or(1)) < about_s)
            warn_(name_ + ": no more frames after " + std::to_string(index_) + " (" + time_s +
                  "), though it says that it lasts " + format("%.1f s", about_s));
    }

    static std::string format(const char* form, double value) {
        std::array<char, 64> text{};
        std::snprintf(text.data(), text.size(), form, value);
        return text.data();
    }

    std::string name_;
    cv::VideoCapture capture_;
    cv::Mat picture_;
    std::optional<double> fps_;
    std::optional<Extent> extent_;
    Warn warn_;
    std::string problem_;
    double time_s_ = 0;
    long index_ = 0;
};

/// A camera or stream: a thread reads, and only the newest frame waits, so none is late.
class LiveSource : public Source {
public:
    LiveSource(std::string name, const cv::VideoCapture& capture)
        : name_(std::move(name)), capture_(capture), fps_(fps_of(capture_)),
          reader_([this] { read(); }) {}

    ~LiveSource() override {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            stopped_ = true;
        }
        reader_.join();
    }

    bool next(Frame& frame) override {
        std::unique_lock<std::mutex> lock(mutex_);
        // a short wait, because a signal handler cannot notify
        while (newest_.empty() && !ended_ && stop_requests == 0)
            fresh_.wait_for(lock, std::chrono::milliseconds(200));
        if (newest_.empty() || stop_requests > 0) return false;
        std::swap(picture_, newest_);
        newest_.release();
        frame = {view(picture_), name_, newest_index_, newest_time_s_};
        return true;
    }

    std::optional<double> fps() const override { return fps_; }
    bool live() const override { return true; }

    std::string problem() const override {
        const std::lock_guard<std::mutex> lock(mutex_);
        return ended_ ? name_ + ": no more frames after " + std::to_string(count_) : "";
    }

private:
    void read() {
        const auto start = Clock::now();
        cv::Mat picture;
        while (capture_.read(picture) && !picture.empty()) {
            const std::lock_guard<std::mutex> lock(mutex_);
            if (stopped_) return;
            newest_ = picture.clone();
            newest_index_ = count_++;
            newest_time_s_ =
                to_milliseconds(std::chrono::duration<double>(Clock::now() - start).count());
            fresh_.notify_one();
        }
        const std::lock_guard<std::mutex> lock(mutex_);
        ended_ = true;
        fresh_.notify_one();
    }

    std::string name_;
    cv::VideoCapture capture_;
    std::optional<double> fps_;
    mutable std::mutex mutex_;
    std::condition_variable fresh_;
    cv::Mat newest_, picture_;
    long newest_index_ = 0, count_ = 0;
    double newest_time_s_ = 0;
    bool stopped_ = false, ended_ = false;
    std::thread reader_;  // last, so that all it uses is there before it starts
};

/// Returns a URL without the user and password that streams often carry.
std::string without_password(const std::string& url) {
    const auto scheme = url.find("://") + 3, at = url.find('@', scheme);
    if (at == std::string::npos || url.find('/', scheme) < at) return url;
    return url.substr(0, scheme) + url.substr(at + 1);
}

std::unique_ptr<Source> open_camera(const std::string& name, const cv::VideoCapture& capture) {
    if (!capture.isOpened())
        throw Error(name + ": there is no such camera, or it is in use");
    return std::make_unique<LiveSource>(name, capture);
}

std::unique_ptr<Source> open_file(const std::string& path, const Warn& warn) {
    // from the root on, or FFmpeg takes what precedes a colon for a protocol
    cv::VideoCapture capture(std::filesystem::absolute(path).string(), cv::CAP_FFMPEG);
    cv::Mat first;
    if (!capture.read(first) || first.empty()) {
        std::error_code ignored;
        const bool empty = std::filesystem::file_size(path, ignored) == 0;
        if (empty) throw Error(path + ": this file is empty");
        throw Error(path + ": neither an image nor a video that can be read" +
                    (extent_of(path).cut_off ? " (its end is missing)" : ""));
    }
    return std::make_unique<VideoSource>(path, capture, first.clone(), extent_of(path), warn);
}

}  // namespace

bool is_picture(const std::string& path) {
    // an animated gif is a film, though OpenCV also reads its first image
    return std::filesystem::path(path).extension() != ".gif" && cv::haveImageReader(path);
}

std::unique_ptr<Source> open_video(const std::string& text, const Warn& warn) {
    std::error_code ignored;
    if (std::filesystem::is_character_file(text, ignored))
        return open_camera(text, cv::VideoCapture(text, cv::CAP_V4L2));
    if (std::filesystem::exists(text, ignored)) return open_file(text, warn);
    if (text.find("://") != std::string::npos) {
        const std::string name = without_password(text);
        cv::VideoCapture capture(text, cv::CAP_FFMPEG,
                                 {cv::CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms,
                                  cv::CAP_PROP_READ_TIMEOUT_MSEC, timeout_ms});
        if (!capture.isOpened()) throw Error(name + ": this stream does not open");
        cv::Mat first;
        // a file on a server: it waits for us, so no frame need be lost
        if (text.rfind("http", 0) == 0 && capture.get(cv::CAP_PROP_FRAME_COUNT) >= 1 &&
            capture.read(first) && !first.empty())
            return std::make_unique<VideoSource>(name, capture, first.clone(), std::nullopt, warn);
        return std::make_unique<LiveSource>(name, capture);
    }
    return open_camera("camera " + text, cv::VideoCapture(std::stoi(text)));
}

}  // namespace nanodet
