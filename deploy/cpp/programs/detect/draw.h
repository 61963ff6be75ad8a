/// Boxes with class names on a picture.
#pragma once

#include <opencv2/core.hpp>
#include <vector>

#include "nanodet/decode.h"
#include "nanodet/spec.h"

namespace nanodet {

/// Draws boxes and labels; the better ones come on top. Line and letters follow the picture's size.
///
/// @param picture  BGR; it is changed
void draw(cv::Mat& picture, const std::vector<Detection>& detections, const Spec& spec);

/// Whether OpenCV has the letters of all class names; version 4 has those of English alone.
bool all_drawable(const Spec& spec);

}  // namespace nanodet
