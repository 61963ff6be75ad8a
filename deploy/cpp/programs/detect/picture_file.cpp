#include "picture_file.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "common/ppm.h"
#include "files.h"
#include "nanodet/error.h"
#if NANODET_WITH_OPENCV
#include <cmath>
#include <iostream>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <optional>
#include <utility>

#include "picture_header.h"
#include "printable.h"
#endif

namespace nanodet {

namespace {

std::string read_bytes(const std::string& path) {
    std::string data = read_file(path, "this image");
    if (data.empty()) throw Error(path + ": this image is an empty file");
    return data;
}

int byte_at(const std::string& data, std::size_t at) {
    return static_cast<unsigned char>(data[at]);
}

/// Returns where the coded pixels of a JPEG start: thumbnails in its headers have an end of their own.
std::size_t pixels_of_jpeg(const std::string& data) {
    std::size_t at = 2;
    while (at + 4 <= data.size() && byte_at(data, at) == 0xFF) {
        const int marker = byte_at(data, at + 1);
        if (marker == 0xFF) {  // a fill byte
            ++at;
            continue;
        }
        at += 2 + std::size_t(byte_at(data, at + 2)) * 256 + std::size_t(byte_at(data, at + 3));
        if (marker == 0xDA) break;  // start of scan
    }
    return at;
}

}  // namespace

bool is_cut_off(const std::string& data) {
    const auto starts = [&](const std::string& magic) { return data.rfind(magic, 0) == 0; };
    if (starts("\xff\xd8")) return data.find("\xff\xd9", pixels_of_jpeg(data)) == std::string::npos;
    if (starts("\x89PNG\r\n\x1a\n")) return data.rfind("IEND") == std::string::npos;
    return false;
}

#if NANODET_WITH_OPENCV

bool is_picture_suffix(const std::string& suffix) {
    // as nanodet/images/image_file.py has them
    constexpr std::array known = {
        ".jpg",  ".jpeg", ".jpe", ".jfif", ".jif",  ".jfi", ".mpo", ".png", ".apng", ".bmp",
        ".dib",  ".webp", ".avif", ".gif", ".tif",  ".tiff", ".jp2", ".j2k", ".j2c", ".jpc",
        ".ppm",  ".pgm",  ".pbm", ".pnm",  ".pam",  ".ras", ".sr",  ".hdr", ".pic"};
    return std::find(known.begin(), known.end(), suffix) != known.end();
}

namespace {

/// Returns a stored image as its orientation shows it; OpenCV itself turns not every WebP.
cv::Mat turned(const cv::Mat& picture, int orientation) {
    cv::Mat result = picture;
    if (orientation == 5 || orientation == 7) cv::transpose(picture, result);
    if (orientation == 2) cv::flip(picture, result, 1);
    if (orientation == 4) cv::flip(picture, result, 0);
    if (orientation == 3 || orientation == 7) cv::rotate(result.clone(), result, cv::ROTATE_180);
    if (orientation == 6) cv::rotate(picture, result, cv::ROTATE_90_CLOCKWISE);
    if (orientation == 8) cv::rotate(picture, result, cv::ROTATE_90_COUNTERCLOCKWISE);
    return result;
}

/// Returns 8 or 16 bits as 8. Where the file does not tell what white is, its largest value does: a
/// image that keeps below a sixteenth of 16 bits would be black, and is one of 8, 10 or 12.
cv::Mat in_8_bits(const std::string& path, const cv::Mat& picture, std::optional<int> white) {
    double largest = 0;
    cv::minMaxLoc(picture.reshape(1), nullptr, &largest);
    if (!white || largest > *white) {
        int bits = 16;
        for (const int fewer : {12, 10, 8})
            if (largest < (1 << fewer)) bits = fewer;
        white = (1 << bits) - 1;
        static bool reported = false;
        if (bits < 16 && largest > 0 && !std::exchange(reported, true))
            std::cerr << "nanodet-detect: warning: " << printable(path) << ": 16 bits, but no value above "
                      << int(largest) << ": such images are read as " << bits << " bits"
                      << std::endl;
    }
    std::vector<std::uint8_t> levels(65536);
    for (int value = 0; value < 65536; ++value) {
        const int within = std::min(value, *white);
        levels[std::size_t(value)] = static_cast<std::uint8_t>(
            *white < 255 ? std::lround(within * 255.0 / *white) : within * 256LL / (*white + 1));
    }
    cv::Mat result(picture.rows, picture.cols, CV_8UC3);
    for (int y = 0; y < picture.rows; ++y)
        for (int x = 0; x < picture.cols * 3; ++x)
            result.ptr(y)[x] = levels[picture.depth() == CV_8U ? picture.ptr(y)[x]
                                                              : picture.ptr<std::uint16_t>(y)[x]];
    return result;
}

}  // namespace

LoadedPicture read_picture(const std::string& path) {
    const std::string data = read_bytes(path);
    if (is_cut_off(data)) throw Error(path + ": this image is truncated");
    const PictureHeader header = read_picture_header(data);
    int flags = cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION;
    if (header.white != 255) flags |= cv::IMREAD_ANYDEPTH;
    cv::Mat picture;
    try {
        const cv::Mat bytes(1, int(std::min<std::size_t>(data.size(), INT32_MAX)), CV_8U,
                            const_cast<char*>(data.data()));
        picture = cv::imdecode(bytes, flags);
    } catch (const cv::Exception&) {
        picture.release();
    }
    if (picture.empty() || (picture.depth() != CV_8U && picture.depth() != CV_16U))
        throw Error(path + ": not an image that OpenCV can read");
    if (header.white != 255) picture = in_8_bits(path, picture, header.white);
    // OpenCV rotates a TIFF even if it should not
    if (data[0] != 'I' && data[0] != 'M') picture = turned(picture, header.orientation);
    LoadedPicture loaded{{}, picture.cols, picture.rows, PixelFormat::bgr};
    const std::size_t row = std::size_t(picture.cols) * 3;
    loaded.pixels.resize(row * std::size_t(picture.rows));
    for (int y = 0; y < picture.rows; ++y)
        std::memcpy(loaded.pixels.data() + std::size_t(y) * row, picture.ptr(y), row);
    return loaded;
}

#else

bool is_picture_suffix(const std::string& suffix) {
    return suffix == ".ppm";
}

LoadedPicture read_picture(const std::string& path) {
    read_bytes(path);  // says what is wrong with the file itself
    PpmPicture picture = read_ppm(path);
    return {std::move(picture.pixels), picture.width, picture.height, PixelFormat::rgb};
}

#endif

}  // namespace nanodet
