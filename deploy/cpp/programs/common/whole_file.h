/// Files that appear when they are whole.
#pragma once

#include <string>

namespace nanodet {

/// A new, empty file beside a path, with the same ending, that takes its place or is gone.
///
/// It is called ``.nanodet-tmp-<random><ending>`` and locked while this process lives. Those that killed
/// processes left are removed by the next that makes one in the same folder, also by
/// nanodet/files/temporary.py, which does the same.
class TemporaryFile {
public:
    /// @throws Error  it cannot be made
    explicit TemporaryFile(const std::string& path);
    ~TemporaryFile();
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;

    const std::string& name() const { return name_; }

    /// @throws Error  not all bytes can be written
    void write(const void* bytes, std::size_t size);

    /// Gives the finished file the name of the path.
    ///
    /// @throws Error  it cannot be renamed
    void move_into_place();

private:
    std::string path_, name_;
    int file_ = -1;
};

/// Returns the file behind a link, which stays one; else the path itself.
std::string behind_link(const std::string& path);

/// Writes bytes to a file, whole or not at all.
///
/// @throws Error  it cannot be written
void write_whole(const std::string& path, const void* bytes, std::size_t size);

}  // namespace nanodet
