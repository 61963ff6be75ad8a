/// The process of one entry: loads it, and runs it when it is its turn.
///
/// Takes and gives one JSON object a line: gives what was loaded, then takes orders for turns and
/// gives their times; ends when its input does.
#pragma once

#include <optional>
#include <vector>

#include "nanodet/picture.h"
#include "plan.h"
#include "subject.h"

namespace nanodet::bench {

/// Serves one entry; returns the exit status.
///
/// @param cores    numbers of the cores to run on; nothing leaves that to the system
/// @param orders, replies  descriptors to read and to write
int serve(const Entry& entry, const std::optional<std::vector<int>>& cores, const Picture& picture,
          int orders, int replies);

/// Runs for `seconds` and at least once, after `settle_s` seconds and `settle` runs that do not
/// count.
std::vector<Run> take_turn(Subject& subject, double seconds, double settle_s, int settle);

}  // namespace nanodet::bench
