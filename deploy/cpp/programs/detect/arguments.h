/// The command line of nanodet-detect.
#pragma once

#include <optional>
#include <string>

#include "nanodet/detector.h"

namespace nanodet {

struct Arguments {
    std::string model, source;
    std::string out;    ///< folder for drawn images or a video, and detections.jsonl; or empty
    std::string jsonl;  ///< file for the JSON lines, ``-`` for stdout; or empty
    DetectorOptions options;
    bool uncertainty = false;  ///< whether to write and draw the standard deviations of edges
    bool help = false, version = false;
};

/// Text of ``--help``.
extern const char* const usage;

/// @throws Error  an unknown option, a missing or wrong value
Arguments parse_arguments(int count, char** words);

}  // namespace nanodet
