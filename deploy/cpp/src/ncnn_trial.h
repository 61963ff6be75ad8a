/// A first run of an ncnn model in a process of its own, which may end by it, or take all its memory.
///
/// For graphs with layers that are not known here: of those nothing can be worked out beforehand.
#pragma once

#include <option.h>

#include "ncnn_model.h"

namespace nanodet {

/// Loads and runs a model once in a forked process; does nothing where a system has no such.
///
/// @param model   whose weights are still there
/// @param size    of the input
/// @param option  those of the network; the trial takes one thread
/// @throws Error  ncnn cannot load or run it, ended the process, or was not done in time
void try_in_child(const NcnnModel& model, Size size, const ncnn::Option& option);

}  // namespace nanodet
