/// Reading models where a command of ``nanodet`` left them that was killed while it published.
#pragma once

#include <functional>
#include <string>

namespace nanodet {

/// Returns where a file lies that was published at a path: there, or in the folder ``.incoming``, where
/// it replaces that of the same name outside. nanodet/files/incoming.py says what counts there: what
/// its manifest lists, is no link, and would replace what it replaced then.
std::string published(const std::string& path);

/// Tells whether there is a file at a path, or one that was published there.
bool is_published(const std::string& path);

/// Calls a function that reads the files of the model at a path; again, if they were replaced meanwhile.
///
/// @throws Error  of the function, or they are replaced again and again
void read_steadily(const std::string& path, const std::function<void()>& read);

}  // namespace nanodet
