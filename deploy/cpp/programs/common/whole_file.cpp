#include "common/whole_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <set>

#include "nanodet/error.h"

namespace nanodet {

namespace fs = std::filesystem;

namespace {

const char* const temporary = ".nanodet-tmp-";  // how their names begin

[[noreturn]] void fail(const std::string& path, int reason) {
    throw Error(path + ": cannot be written (" + std::strerror(reason) + ")");
}

/// Whether a name is one that this file or nanodet/files/temporary.py gives.
bool is_ours(const std::string& name) {
    const std::size_t length = std::strlen(temporary);
    if (name.compare(0, length, temporary) != 0) return false;
    const std::string random = name.substr(length, name.find('.', length) - length);
    return random.size() == 8 && std::all_of(random.begin(), random.end(), [](unsigned char letter) {
               return letter < 128 && (std::isalnum(letter) || letter == '_');
           });
}

bool same(const struct stat& a, const struct stat& b) {
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/// Removes files in a folder whose processes were killed; once, because it may have many files.
void clear_abandoned(const fs::path& folder) {
    static std::set<fs::path> cleared;
    if (!cleared.insert(folder).second) return;
    std::error_code problem;
    for (fs::directory_iterator entry(folder, problem), end; !problem && entry != end;
         entry.increment(problem)) {
        const std::string path = entry->path().string();
        struct stat status {};
        if (!is_ours(entry->path().filename().string()) || ::lstat(path.c_str(), &status) != 0 ||
            !S_ISREG(status.st_mode) || status.st_uid != ::geteuid())
            continue;
        const int file = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (file < 0) continue;
        if (::flock(file, LOCK_EX | LOCK_NB) == 0) ::unlink(path.c_str());
        ::close(file);
    }
}

}  // namespace

TemporaryFile::TemporaryFile(const std::string& path) : path_(path) {
    const fs::path target(path);
    const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
    clear_abandoned(folder);
    const std::string ending = target.extension().string();
    struct stat opened {}, there {};
    do {
        if (file_ >= 0) ::close(file_);  // it was removed before it was locked
        name_ = (folder / (std::string(temporary) + "c_XXXXXX" + ending)).string();
        file_ = ::mkostemps(name_.data(), int(ending.size()), O_CLOEXEC);
        if (file_ < 0) fail(path_, errno);
        ::flock(file_, LOCK_EX);
    } while (::fstat(file_, &opened) != 0 || ::lstat(name_.c_str(), &there) != 0 ||
             !same(opened, there));
    const mode_t mask = ::umask(0);
    ::umask(mask);
    ::fchmod(file_, 0666 & ~mask);  // mkostemps makes files private
}

TemporaryFile::~TemporaryFile() {
    if (!name_.empty()) ::unlink(name_.c_str());
    ::close(file_);
}

void TemporaryFile::write(const void* bytes, std::size_t size) {
    const char* next = static_cast<const char*>(bytes);
    while (size > 0) {
        const ssize_t count = ::write(file_, next, size);
        if (count < 0 && errno != EINTR) fail(path_, errno);
        if (count > 0) {
            next += count;
            size -= std::size_t(count);
        }
    }
}

void TemporaryFile::move_into_place() {
    std::error_code problem;
    fs::rename(name_, path_, problem);
    if (problem) throw Error(path_ + ": cannot be written (" + problem.message() + ")");
    name_.clear();
}

std::string behind_link(const std::string& path) {
    std::error_code problem;
    if (!fs::is_symlink(path, problem)) return path;
    const fs::path target = fs::weakly_canonical(path, problem);
    return problem ? path : target.string();
}

void write_whole(const std::string& path, const void* bytes, std::size_t size) {
    TemporaryFile file(path);
    file.write(bytes, size);
    file.move_into_place();
}

}  // namespace nanodet
