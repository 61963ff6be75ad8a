/// Boxes with class names on an image.
#pragma once

#include <opencv2/core.hpp>
#include <vector>

#include "nanodet/decode.h"
#include "nanodet/spec.h"

namespace nanodet {

/// Draws boxes and labels; the better ones come on top. Line and letters follow the image's size.
/// OpenCV 4 has the letters of English alone: other names have the number of their class in front, or
/// are that number.
///
/// @param picture  BGR; it is changed
void draw(cv::Mat& picture, const std::vector<Detection>& detections, const Spec& spec);

}  // namespace nanodet
