/// From a command line to a report: what nanodet-bench does.
#pragma once

#include "arguments.h"

namespace nanodet::bench {

/// Times models and graphs side by side, prints and writes the result.
///
/// @throws Error  bad input, before anything is timed; or a model that died while it ran, after the
///                report on the others was printed and written
/// @throws Interrupted  see signals.h
void run(const Arguments& arguments);

/// Prints what the machine and its sensors tell, as JSON.
void print_machine(const Arguments& arguments);

}  // namespace nanodet::bench
