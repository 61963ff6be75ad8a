#include "files.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "nanodet/error.h"

namespace nanodet {

namespace fs = std::filesystem;

bool is_file(const std::string& path) {
    std::error_code ignored;
    return fs::is_regular_file(path, ignored);
}

bool is_special(const std::string& path) {
    std::error_code ignored;
    const fs::file_status status = fs::status(path, ignored);
    return fs::exists(status) && !fs::is_regular_file(status) && !fs::is_directory(status);
}

std::string read_file(const std::string& path, const std::string& what, std::uintmax_t most) {
    if (is_special(path))
        throw Error(path + ": cannot read " + what + " (it is a device or a pipe, not a file)");
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    std::string bytes;
    std::error_code ignored;
    const bool folder = fs::is_directory(path, ignored);
    if (file && !folder) {
        const auto size = fs::file_size(path, ignored);
        if (!ignored && size > most)
            throw Error(path + ": is " + std::to_string(size) + " bytes long: too large for " + what);
        bytes.resize(ignored ? 0 : size);
        file.read(&bytes[0], std::streamsize(bytes.size()));
        bytes.resize(std::size_t(file.gcount()));  // it may be shorter by now
        if (!ignored && !file.bad()) return bytes;
    }
    const std::string reason = folder  ? "Is a directory"
                               : errno ? std::strerror(errno)
                                       : "cannot be read";
    throw Error(path + ": cannot read " + what + " (" + reason + ")");
}

std::string with_suffix(const std::string& path, const std::string& suffix) {
    return fs::path(path).replace_extension(suffix).string();
}

std::string suffix_of(const std::string& path) {
    std::string suffix = fs::path(path).extension().string();
    for (char& letter : suffix)
        if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
    return suffix;
}

std::string file_name(const std::string& path) {
    return fs::path(path).filename().string();
}

}  // namespace nanodet
