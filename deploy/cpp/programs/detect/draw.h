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
/// @param edge_std  whether one standard deviation is shaded at both sides of each edge
void draw(cv::Mat& picture, const std::vector<Detection>& detections, const Spec& spec,
          bool edge_std);

}  // namespace nanodet
