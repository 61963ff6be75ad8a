#include "picture_file.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "common/ppm.h"
#include "files.h"
#include "nanodet/error.h"
#if NANODET_WITH_OPENCV
#include <opencv2/imgcodecs.hpp>
#endif

namespace nanodet {

namespace {

std::string read_bytes(const std::string& path) {
    std::string data = read_file(path, "this picture");
    if (data.empty()) throw Error(path + ": this picture is an empty file");
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
    // as nanodet/runtime/pictures.py has them
    constexpr std::array known = {
        ".jpg",  ".jpeg", ".jpe", ".jfif", ".jif",  ".jfi", ".mpo", ".png", ".apng", ".bmp",
        ".dib",  ".webp", ".avif", ".gif", ".tif",  ".tiff", ".jp2", ".j2k", ".j2c", ".jpc",
        ".ppm",  ".pgm",  ".pbm", ".pnm",  ".pam",  ".ras", ".sr",  ".hdr", ".pic"};
    return std::find(known.begin(), known.end(), suffix) != known.end();
}

LoadedPicture read_picture(const std::string& path) {
    const std::string data = read_bytes(path);
    if (is_cut_off(data)) throw Error(path + ": this picture is truncated");
    cv::Mat picture;
    try {
        const cv::Mat bytes(1, int(std::min<std::size_t>(data.size(), INT32_MAX)), CV_8U,
                            const_cast<char*>(data.data()));
        picture = cv::imdecode(bytes, cv::IMREAD_COLOR);
    } catch (const cv::Exception&) {
        picture.release();
    }
    if (picture.empty()) throw Error(path + ": not a picture that OpenCV can read");
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
