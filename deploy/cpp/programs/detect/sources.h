/// Where images come from.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nanodet/picture.h"

namespace nanodet {

/// One image of a source; the pixels are valid until the next one is read.
struct Frame {
    Picture picture;
    std::string name;              ///< the file, camera or URL it came from
    std::optional<long> index;     ///< number from 0; nothing for image files
    std::optional<double> time_s;  ///< seconds from the start; nothing for image files
};

class Source {
public:
    virtual ~Source() = default;

    /// Reads the next frame; returns false at the end.
    ///
    /// @throws Error  a single image that cannot be read
    virtual bool next(Frame& frame) = 0;

    /// Frames per second of a video; nothing where unknown and for image files.
    virtual std::optional<double> fps() const { return {}; }

    /// Whether frames come by the clock and those that nobody takes are lost.
    virtual bool live() const { return false; }

    /// The files of a source of images; empty for videos and cameras.
    virtual std::vector<std::string> files() const { return {}; }

    /// After the end: one line if not everything could be read, else empty.
    virtual std::string problem() const { return {}; }
};

/// How often the user has asked to end (Ctrl-C); set by a signal handler. Sources that wait look at it.
extern std::atomic<int> stop_requests;

using Warn = std::function<void(const std::string&)>;

/// Opens whatever a text names: an image, a folder of images, and with OpenCV a video, the number
/// of a camera, or a URL.
///
/// @param warn  is called with a line for each image of several that cannot be read, and where a
///              video from a server ends early
/// @throws Error  there is nothing, or nothing that can be read
std::unique_ptr<Source> open_source(const std::string& text, const Warn& warn);

/// Whether a file holds an image that this build can read, by its content or else its name.
bool is_picture(const std::string& path);

/// Opens a video, a camera or a URL; in the build with OpenCV alone.
std::unique_ptr<Source> open_video(const std::string& text, const Warn& warn);

}  // namespace nanodet
