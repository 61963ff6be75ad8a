#include "draw.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <opencv2/core/version.hpp>
#include <opencv2/imgproc.hpp>
#include <string>

namespace nanodet {

namespace {

constexpr int font = cv::FONT_HERSHEY_SIMPLEX;

/// Returns the colour of a class. Hues advance by the golden ratio, so that any number of classes
/// spreads evenly; brightness and saturation alternate, because hue alone tells only a dozen apart.
cv::Scalar colour_of(int class_id) {
    constexpr std::array saturations = {0.85, 0.55, 1.0}, values = {1.0, 0.95, 0.7};
    const double hue = std::fmod(0.02 + class_id * 0.61803398875, 1.0) * 6;
    const double saturation = saturations[std::size_t(class_id % 3)];
    const double value = 255 * values[std::size_t(class_id / 3 % 3)];
    const auto channel = [&](double shift) {  // the piecewise linear form of HSV to RGB
        const double k = std::fmod(shift + hue, 6.0);
        return value * (1 - saturation * std::clamp(std::min(k, 4 - k), 0.0, 1.0));
    };
    return {channel(1), channel(3), channel(5)};
}

cv::Scalar ink_on(const cv::Scalar& colour) {
    const double brightness = 0.114 * colour[0] + 0.587 * colour[1] + 0.299 * colour[2];
    return brightness > 140 ? cv::Scalar(0, 0, 0) : cv::Scalar(255, 255, 255);
}

bool is_drawable(const std::string& name) {
    return CV_VERSION_MAJOR >= 5 ||
           std::all_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x80; });
}

/// Returns a class name as it can be drawn: with its number in front where letters are missing, and
/// that alone where all are.
std::string label_of(const Spec& spec, int class_id) {
    const std::string& name = spec.class_names[std::size_t(class_id)];
    if (is_drawable(name)) return name;
    const bool some = std::any_of(name.begin(), name.end(), [](unsigned char c) {
        return c < 0x80 && std::isalnum(c) != 0;
    });
    return std::to_string(class_id) + (some ? " " + name : "");
}

void draw_label(cv::Mat& picture, cv::Point corner, const std::string& text,
                const cv::Scalar& colour) {
    const double letters = std::clamp(std::min(picture.cols, picture.rows) / 34.0, 11.0, 48.0);
    const double scale = letters / 30;
    const int thickness = std::max(1, int(std::lround(letters / 18)));
    int baseline = 0;
    const cv::Size size = cv::getTextSize(text, font, scale, thickness, &baseline);
    const cv::Size plate(size.width + 4, size.height + baseline + 2);
    // above the box, or in it where there is no room; always inside of the image
    int top = corner.y - plate.height;
    if (top < 0) top = std::min(corner.y, std::max(0, picture.rows - plate.height));
    const int left = std::clamp(corner.x, 0, std::max(0, picture.cols - plate.width));
    cv::rectangle(picture, cv::Rect(cv::Point(left, top), plate), colour, cv::FILLED);
    cv::putText(picture, text, {left + 2, top + size.height + 1}, font, scale, ink_on(colour),
                thickness, cv::LINE_AA);
}

/// Shades one standard deviation at both sides of each edge of a box.
void shade(cv::Mat& picture, const Detection& found, const cv::Scalar& colour) {
    constexpr double opacity = 0.35;
    const auto pixel = [](float at, int side) {
        return int(std::lround(std::clamp(at, 0.0F, float(side))));
    };
    const auto& std = found.edge_std;
    const auto grown = [&](float sign) {
        const cv::Point first(pixel(found.x1 - sign * std[0], picture.cols),
                              pixel(found.y1 - sign * std[1], picture.rows));
        const cv::Point end(pixel(found.x2 + sign * std[2], picture.cols),
                            pixel(found.y2 + sign * std[3], picture.rows));
        return cv::Rect(first.x, first.y, end.x - first.x, end.y - first.y);
    };
    const cv::Rect outer = grown(1), inner = grown(-1);
    if (outer.empty()) return;
    // there is no inside where a deviation exceeds half of a side
    const cv::Mat within = inner.empty() ? cv::Mat() : picture(inner).clone();
    cv::Mat band = picture(outer);
    cv::addWeighted(band, 1 - opacity, cv::Mat(band.size(), band.type(), colour), opacity, 0, band);
    if (!within.empty()) within.copyTo(picture(inner));
}

}  // namespace

void draw(cv::Mat& picture, const std::vector<Detection>& detections, const Spec& spec,
          bool edge_std) {
    const int line = std::max(1, int(std::lround(std::min(picture.cols, picture.rows) / 250.0)));
    const auto pixel = [](float at, int side) { return std::clamp(int(std::lround(at)), 0, side - 1); };
    if (edge_std)
        for (auto found = detections.rbegin(); found != detections.rend(); ++found)
            shade(picture, *found, colour_of(found->class_id));
    for (auto found = detections.rbegin(); found != detections.rend(); ++found) {
        const cv::Point first(pixel(found->x1, picture.cols), pixel(found->y1, picture.rows));
        const cv::Point last(pixel(found->x2, picture.cols), pixel(found->y2, picture.rows));
        const cv::Scalar colour = colour_of(found->class_id);
        cv::rectangle(picture, first, last, colour, line);
        std::array<char, 16> score{};
        std::snprintf(score.data(), score.size(), " %.2f", double(found->confidence));
        draw_label(picture, first,
                   label_of(spec, found->class_id) + score.data(), colour);
    }
}

}  // namespace nanodet
