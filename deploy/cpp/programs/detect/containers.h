/// What the container of a video says of its frames, without decoding them; as
/// nanodet/detect/containers.py has it.
#pragma once

#include <optional>
#include <string>

namespace nanodet {

/// How far a video goes.
struct Extent {
    std::optional<long> frames;  ///< how many it has; nothing where the container does not say
    double seconds = 0;          ///< how long they last together, where ``frames`` is known
    bool cut_off = false;        ///< the file certainly lacks frames at its end

    /// Whether there were more frames than the ``read`` ones, of which the last is at ``time_s``.
    bool lacks(long read, double time_s) const;
};

/// Returns the extent of a video file; of containers that are not known here it says nothing.
Extent extent_of(const std::string& path);

}  // namespace nanodet
