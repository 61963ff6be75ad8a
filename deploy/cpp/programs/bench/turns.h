/// Runs the processes of all entries, one at a time and in turns.
///
/// What slows a machine for a while slows all entries alike, so that their ratios hold; and while
/// one runs the others wait for their next order and take no time.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "measured.h"
#include "nanodet/picture.h"
#include "plan.h"

namespace nanodet::bench {

/// Times all entries in turns. The caller must have a SignalGuard.
///
/// @param cores       numbers of the CPU cores to run on; nothing leaves that to the system
/// @param picture     what the models see
/// @param after_turn  is called after every turn
/// @returns one per entry, in their order; one whose process ended while it ran has an error, and
///          the others are measured nevertheless
/// @throws Error        an entry cannot be loaded
/// @throws Interrupted  see signals.h
std::vector<Measured> measure(const std::vector<Entry>& entries, const Effort& effort,
                              const std::optional<std::vector<int>>& cores, const Picture& picture,
                              const std::function<void()>& after_turn);

}  // namespace nanodet::bench
