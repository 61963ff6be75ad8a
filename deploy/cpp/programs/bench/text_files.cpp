#include "text_files.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

#include "common/whole_file.h"
#include "nanodet/error.h"
#include "texts.h"

namespace nanodet::bench {

namespace {

namespace fs = std::filesystem;

struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
};

using File = std::unique_ptr<std::FILE, Closer>;

/// The folder of a file, ``.`` where its path names none.
fs::path folder_of(const std::string& path) {
    const fs::path folder = fs::path(path).parent_path();
    return folder.empty() ? fs::path(".") : folder;
}

}  // namespace

std::optional<std::string> read_text(const std::string& path) {
    const File file(std::fopen(path.c_str(), "rb"));
    if (!file) return std::nullopt;
    std::string text;
    std::array<char, 4096> part;
    while (const std::size_t count = std::fread(part.data(), 1, part.size(), file.get()))
        text.append(part.data(), count);
    if (std::ferror(file.get())) return std::nullopt;
    text = strip(text, std::string("\0 \n", 3));
    if (text.empty()) return std::nullopt;
    return text;
}

std::optional<double> read_number(const std::string& path, double unit) {
    const auto text = read_text(path);
    const auto value = text ? decimal_number(strip(*text)) : std::nullopt;
    if (!value) return std::nullopt;
    return *value * unit;
}

void check_writable(const std::string& path) {
    std::error_code ignored;
    if (fs::is_directory(path, ignored)) throw Error(path + ": is a folder, not a file to write");
    if (fs::exists(path, ignored) && !fs::is_regular_file(path, ignored))
        throw Error(path + ": is no file that can be replaced");
    if (::access(folder_of(path).c_str(), W_OK | X_OK) != 0)
        throw Error(path + ": cannot be written (" + std::strerror(errno) + ")");
}

void write_text(const std::string& path, const std::string& text) {
    write_whole(behind_link(path), text.data(), text.size());
}

}  // namespace nanodet::bench
