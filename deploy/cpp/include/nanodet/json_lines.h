/// Results as text: one JSON object per image or frame, the same as Python's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "nanodet/decode.h"
#include "nanodet/fit.h"
#include "nanodet/spec.h"

namespace nanodet {

/// Returns one line without its end: ``source``, ``frame``, ``time_s``, ``width``, ``height`` and
/// ``detections`` of ``class_id``, ``class_name``, ``confidence`` (5 decimals), ``xyxy`` (2 decimals).
///
/// @param source  the file, camera or stream
/// @param frame, time_s  number from 0 and seconds from the start of a video; nothing for an image
/// @param edge_std  whether each also has ``edge_std``: left, top, right, bottom (2 decimals)
std::string to_json_line(const Spec& spec, const std::vector<Detection>& detections,
                         const std::string& source, Size picture, std::optional<long> frame,
                         std::optional<double> time_s, bool edge_std = false);

}  // namespace nanodet
