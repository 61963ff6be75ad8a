#include "nanodet/fit.h"

#include <algorithm>

#include "nanodet/error.h"

namespace nanodet {

namespace {

int round_up(int side) {
    return (side + alignment - 1) / alignment * alignment;
}

Size round_up(Size size) {
    return {round_up(size.width), round_up(size.height)};
}

/// Puts an image as large as it fits into the middle of a box.
Placement centred(Size picture, Size box) {
    const double ratio = std::min(double(box.width) / picture.width,
                                  double(box.height) / picture.height);
    Placement placement;
    placement.ratio_x = placement.ratio_y = ratio;
    placement.shift_x = (box.width - ratio * picture.width) / 2;
    placement.shift_y = (box.height - ratio * picture.height) / 2;
    placement.content = box;
    return placement;
}

}  // namespace

Placement place(Fit fit, Size picture, Size input) {
    if (picture.width < 1 || picture.height < 1) throw Error("picture: has no pixels");
    if (fit == Fit::letterbox) {
        Placement placement = centred(picture, input);
        placement.canvas = input;
        return placement;
    }
    if (fit == Fit::stretch) {
        Placement placement;
        placement.ratio_x = double(input.width) / picture.width;
        placement.ratio_y = double(input.height) / picture.height;
        placement.content = input;
        placement.canvas = round_up(input);
        return placement;
    }
    const double ratio = std::min(double(input.width) / picture.width,
                                  double(input.height) / picture.height);
    const Size content{std::max(int(ratio * picture.width), 1),
                       std::max(int(ratio * picture.height), 1)};
    // rounding the size down makes the image fit into it a little smaller than `ratio`
    Placement placement = centred(picture, content);
    placement.canvas = round_up(content);
    return placement;
}

const char* name_of(Fit fit) {
    return fit == Fit::own ? "own" : fit == Fit::letterbox ? "letterbox" : "stretch";
}

bool parse_fit(const std::string& text, Fit& fit) {
    for (Fit known : {Fit::own, Fit::letterbox, Fit::stretch}) {
        if (text == name_of(known)) {
            fit = known;
            return true;
        }
    }
    return false;
}

void check_input_size(Size size, const std::string& name) {
    if (std::min(size.width, size.height) < alignment || size.width % alignment ||
        size.height % alignment)
        throw Error(name + ": " + std::to_string(size.width) + "x" + std::to_string(size.height) +
                    ": width and height must be multiples of " + std::to_string(alignment));
}

}  // namespace nanodet
