/// What an ONNX file may not hold, found before an engine reads it; as nanodet/runtime/engines/onnx_check.py.
#pragma once

#include <string>

namespace nanodet {

/// Sees that an ONNX file is one list of operations, with all its tensors: a graph inside a graph
/// (Loop, If, Scan, ...) may run for ever, functions hide them, and tensors in other files make an
/// engine open whatever a stranger has named.
///
/// @throws Error  it is not, or its form is damaged
void check_onnx(const std::string& path);

}  // namespace nanodet
