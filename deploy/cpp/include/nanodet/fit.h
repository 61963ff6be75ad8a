/// Where an image lies in the network's input, and boxes on their way back.
#pragma once

#include <string>

namespace nanodet {

/// ``own``: scaled to fit, size rounded down, padded with zeros right and bottom to multiples of 32.
/// ``letterbox``: scaled to fit, centred, `fill_level` outside. ``stretch``: each axis scaled.
enum class Fit { own, letterbox, stretch };

constexpr int alignment = 32;  ///< inputs are whole multiples of the largest stride
constexpr float fill_level = 0;  ///< of what lies outside of the image, before normalisation

/// Width and height in pixels.
struct Size {
    int width = 0, height = 0;

    bool operator==(const Size& other) const {
        return width == other.width && height == other.height;
    }
    bool operator!=(const Size& other) const { return !(*this == other); }
};

/// Per axis ``x_network = ratio * x_picture + shift``, pixel centres at whole numbers.
struct Placement {
    double ratio_x = 1, ratio_y = 1;  ///< network pixels per image pixel
    double shift_x = 0, shift_y = 0;  ///< the image's origin in network pixels
    Size content;                     ///< what the resampling fills, in network pixels
    Size canvas;                      ///< the network's input
};

/// Returns the placement of an image in an input of ``input`` pixels.
///
/// @throws Error  an image without pixels
Placement place(Fit fit, Size picture, Size input);

/// Returns ``own``, ``letterbox`` or ``stretch``.
const char* name_of(Fit fit);

/// Reads the name of a fit; returns false for any other text.
bool parse_fit(const std::string& text, Fit& fit);

/// @throws Error  unless both sides are positive multiples of 32; ``name`` starts the message
void check_input_size(Size size, const std::string& name);

}  // namespace nanodet
