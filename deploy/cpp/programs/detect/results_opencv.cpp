/// Drawn images, a drawn video, a window.
#include <algorithm>
#include <cctype>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <opencv2/highgui.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>
#include <set>
#include <utility>

#include "common/whole_file.h"
#include "draw.h"
#include "mp4_times.h"
#include "nanodet/error.h"
#include "results.h"

namespace nanodet {

namespace fs = std::filesystem;

namespace {

cv::Mat drawn(const Frame& frame, const std::vector<Detection>& detections, const Spec& spec,
              bool edge_std) {
    const Picture& picture = frame.picture;
    const cv::Mat view(picture.height, picture.width, CV_8UC3,
                       const_cast<std::uint8_t*>(picture.data), std::size_t(picture.stride));
    cv::Mat copy = view.clone();
    draw(copy, detections, spec, edge_std);
    return copy;
}

void make_folder(const fs::path& folder) {
    std::error_code problem;
    fs::create_directories(folder, problem);
    if (problem || !fs::is_directory(folder))
        throw Error(folder.string() + ": this folder cannot be made (" +
                    (problem ? problem.message() : "there is a file of that name") + ")");
}

class DrawnPictures : public Sink {
public:
    DrawnPictures(const fs::path& folder, const std::vector<std::string>& files, const Spec& spec,
                  bool edge_std)
        : spec_(spec), edge_std_(edge_std) {
        std::set<std::string> taken;
        std::error_code ignored;
        const fs::path there = fs::weakly_canonical(folder, ignored);
        for (const std::string& file : files) {
            // also a folder that sources are only linked from
            const fs::path beside = fs::absolute(file, ignored).parent_path();
            if (fs::weakly_canonical(file, ignored).parent_path() == there ||
                fs::weakly_canonical(beside, ignored) == there)
                throw Error(folder.string() +
                            ": holds the source images; choose another --out");
            fs::path name = fs::path(file).filename();
            const bool colourless = name.extension() == ".pgm" || name.extension() == ".pbm";
            if (colourless || !cv::haveImageWriter(name.string())) name += ".png";
            for (int number = 2; !taken.insert(lower(name)).second; ++number)
                name.replace_filename(fs::path(file).stem().string() + "-" +
                                      std::to_string(number) + name.extension().string());
            targets_[file] = (folder / name).string();
        }
        make_folder(folder);
    }

    bool write(const Frame& frame, const std::vector<Detection>& detections) override {
        const std::string& target = targets_.at(frame.name);
        std::vector<unsigned char> bytes;
        bool encoded = false;
        try {
            encoded = cv::imencode(fs::path(target).extension().string(),
                                   drawn(frame, detections, spec_, edge_std_), bytes);
        } catch (const cv::Exception&) {
            encoded = false;
        }
        if (!encoded) throw Error(target + ": this image cannot be encoded");
        write_whole(target, bytes.data(), bytes.size());
        return true;
    }

private:
    // some file systems do not tell A.jpg from a.jpg
    static std::string lower(const fs::path& path) {
        std::string text = path.string();
        for (char& letter : text)
            letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
        return text;
    }

    const Spec& spec_;
    bool edge_std_;
    std::map<std::string, std::string> targets_;
};

class DrawnVideo : public Sink {
public:
    DrawnVideo(const fs::path& folder, const Source& source, const std::string& name,
               const Spec& spec, bool edge_std)
        : spec_(spec), edge_std_(edge_std), fps_(source.fps().value_or(25)) {
        // more is what containers say whose frames come unevenly; OpenCV's bit rate goes by it
        if (fps_ > 240) fps_ = 25;
        std::string stem = fs::path(name.substr(0, name.find('?'))).stem().string();
        if (stem.empty() || (name.find("://") != std::string::npos && source.live()))
            stem = "stream";
        std::error_code ignored;
        if (fs::is_character_file(name, ignored))
            stem = fs::path(name).filename().string();
        else if (name.size() <= 4 && name.find_first_not_of("0123456789") == std::string::npos)
            stem = "camera-" + name;
        path_ = (folder / (stem + ".mp4")).string();
        if (fs::equivalent(path_, name, ignored))
            throw Error(path_ + ": would replace the source; choose another --out");
        make_folder(folder);
        // from the root on, or FFmpeg takes what precedes a colon for a protocol
        temporary_ = std::make_unique<TemporaryFile>(fs::absolute(path_).string());
    }

    ~DrawnVideo() override {
        writer_.release();  // while it still has its name
    }

    bool write(const Frame& frame, const std::vector<Detection>& detections) override {
        const cv::Mat picture = drawn(frame, detections, spec_, edge_std_);
        if (!writer_.isOpened()) {
            size_ = picture.size();
            const int codec = cv::VideoWriter::fourcc('m', 'p', '4', 'v');
            if (!writer_.open(temporary_->name(), cv::CAP_FFMPEG, codec, fps_, size_))
                throw Error(path_ + ": this video cannot be written");
        }
        cv::Mat fitting = picture;  // a stream that changes its size: the file cannot
        if (picture.size() != size_) cv::resize(picture, fitting, size_);
        writer_.write(fitting);
        times_.push_back(frame.time_s.value_or(double(times_.size()) / fps_));
        return true;
    }

    void finish() override {
        if (!writer_.isOpened()) return;
        writer_.release();
        // OpenCV does not tell of a full disk; an index that cannot be read does
        cv::VideoCapture reader(temporary_->name(), cv::CAP_FFMPEG);
        if (!reader.isOpened() || reader.get(cv::CAP_PROP_FRAME_COUNT) < 1)
            throw Error(path_ + ": this video cannot be written (is the disk full?)");
        reader.release();
        if (!is_steady()) {
            std::vector<double> steps;
            for (std::size_t i = 1; i < times_.size(); ++i)
                steps.push_back(times_[i] - times_[i - 1]);
            const auto middle = steps.begin() + std::ptrdiff_t(steps.size() / 2);
            std::nth_element(steps.begin(), middle, steps.end());
            times_.push_back(times_.back() + (*middle > 0 ? std::min(*middle, 1 / fps_) : 1 / fps_));
            try {
                set_frame_times(temporary_->name(), times_);
            } catch (const std::exception& error) {
                throw Error(path_ + ": this video cannot be written (" + error.what() + ")");
            }
        }
        temporary_->move_into_place();
    }

private:
    /// Whether the frames come at the rate that the file has.
    bool is_steady() const {
        const double slack = std::max(0.002, 0.1 / fps_);  // containers round to milliseconds
        for (std::size_t i = 0; i < times_.size(); ++i)
            if (std::abs(times_[i] - times_[0] - double(i) / fps_) > slack) return false;
        return true;
    }

    const Spec& spec_;
    bool edge_std_;
    double fps_;
    std::vector<double> times_;
    std::string path_;
    std::unique_ptr<TemporaryFile> temporary_;
    cv::VideoWriter writer_;
    cv::Size size_;
};

class Window : public Sink {
public:
    Window(const Source& source, const Spec& spec, bool edge_std)
        : spec_(spec), edge_std_(edge_std), live_(source.live()),
          single_(!source.files().empty()), fps_(source.fps()) {}

    bool write(const Frame& frame, const std::vector<Detection>& detections) override {
        cv::imshow("nanodet", drawn(frame, detections, spec_, edge_std_));
        const auto now = std::chrono::steady_clock::now();
        int wait_ms = single_ ? 0 : 1;  // 0 waits for a key
        if (!live_ && !single_ && fps_) {
            const double spent = std::chrono::duration<double, std::milli>(now - last_).count();
            wait_ms = std::max(1, int(1000 / *fps_ - spent));
        }
        const int key = cv::waitKey(wait_ms) & 0xff;
        last_ = std::chrono::steady_clock::now();
        return key != 'q' && key != 27;
    }

private:
    const Spec& spec_;
    bool edge_std_, live_, single_;
    std::optional<double> fps_;
    std::chrono::steady_clock::time_point last_;
};

}  // namespace

void check_drawing(const Arguments& arguments) {
#ifdef __linux__
    // OpenCV's windows end the process where there is no display
    const auto set = [](const char* name) {
        const char* value = std::getenv(name);
        return value != nullptr && *value != '\0';
    };
    if (arguments.out.empty() && arguments.jsonl.empty() && !set("DISPLAY") &&
        !set("WAYLAND_DISPLAY"))
        throw Error("there is no display for a window; give --out DIR or --jsonl FILE");
#endif
}

std::unique_ptr<Sink> open_drawing(const Arguments& arguments, const Source& source,
                                   const Spec& spec) {
    const bool edge_std = arguments.uncertainty;
    if (arguments.out.empty()) return std::make_unique<Window>(source, spec, edge_std);
    if (!source.files().empty())
        return std::make_unique<DrawnPictures>(arguments.out, source.files(), spec, edge_std);
    return std::make_unique<DrawnVideo>(arguments.out, source, arguments.source, spec, edge_std);
}

}  // namespace nanodet
