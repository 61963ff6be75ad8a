/// What the engines share.
#pragma once

#include <memory>
#include <string>

#include "nanodet/backend.h"

namespace nanodet {

std::unique_ptr<Backend> load_ncnn(const std::string& path, const BackendOptions& options);
std::unique_ptr<Backend> load_openvino(const std::string& path, const BackendOptions& options);
bool ncnn_has_vulkan();

/// @throws Error  a spec that no engine here can serve
void check_form(const Spec& spec, const std::string& file);

/// Runs a model once on zeros.
///
/// @throws Error  its output is not what its spec says
void try_out(Backend& backend, const std::string& file);

}  // namespace nanodet
