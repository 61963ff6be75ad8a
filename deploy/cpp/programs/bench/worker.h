/// The process of one entry of `nanodet bench`: loads it, and runs it when it is its turn.
#pragma once

#include <string>

namespace nanodet::bench {

/// Takes and gives one JSON object a line, as nanodet/bench/worker.py does; returns the exit status.
///
/// @param path  the model's file, or the graph's; all else comes with the first line
int serve(const std::string& path);

}  // namespace nanodet::bench
