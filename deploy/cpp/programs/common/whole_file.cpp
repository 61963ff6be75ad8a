#include "common/whole_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "nanodet/error.h"

namespace nanodet {

namespace fs = std::filesystem;

std::string temporary_beside(const std::string& path) {
    const fs::path target(path);
    const std::string name = "." + target.stem().string() + "." + std::to_string(::getpid()) +
                             ".part" + target.extension().string();
    return (target.parent_path() / name).string();
}

void move_into_place(const std::string& temporary, const std::string& path) {
    std::error_code problem;
    fs::rename(temporary, path, problem);
    if (problem) throw Error(path + ": cannot be written (" + problem.message() + ")");
}

std::string behind_link(const std::string& path) {
    std::error_code problem;
    if (!fs::is_symlink(path, problem)) return path;
    const fs::path target = fs::weakly_canonical(path, problem);
    return problem ? path : target.string();
}

void write_whole(const std::string& path, const void* bytes, std::size_t size) {
    const std::string temporary = temporary_beside(path);
    errno = 0;
    std::ofstream file(temporary, std::ios::binary);
    file.write(static_cast<const char*>(bytes), std::streamsize(size));
    file.close();
    if (!file) {
        const int reason = errno;
        std::error_code ignored;
        fs::remove(temporary, ignored);
        throw Error(path + ": cannot be written (" + std::strerror(reason) + ")");
    }
    move_into_place(temporary, path);
}

}  // namespace nanodet
