/// Giving each frame of a written mp4 file its own time; as nanodet/detect/mp4_times.py does.
#pragma once

#include <string>
#include <vector>

namespace nanodet {

/// Lets the frames of a video begin at ``times``. Only the file's index, its last part, is rewritten.
///
/// @param path   an mp4 file of one video track without B-frames, as OpenCV writes it
/// @param times  seconds, for each frame and for the end of the last one
/// @throws Error  the file is none of that kind
void set_frame_times(const std::string& path, const std::vector<double>& times);

}  // namespace nanodet
