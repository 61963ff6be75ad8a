#include "text_files.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

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
    std::error_code ignored;
    // the file behind a link, which stays one
    const fs::path name = fs::is_symlink(path, ignored) ? fs::weakly_canonical(path)
                                                            : fs::path(path);
    const std::string temporary =
        (folder_of(name.string()) / ("." + name.stem().string() + "-" + std::to_string(::getpid()) +
                            name.extension().string()))
            .string();
    errno = 0;
    File file(std::fopen(temporary.c_str(), "wb"));
    bool fine = file != nullptr;
    fine = fine && std::fwrite(text.data(), 1, text.size(), file.get()) == text.size();
    fine = fine && std::fflush(file.get()) == 0;
    file.reset();
    fine = fine && std::rename(temporary.c_str(), name.c_str()) == 0;
    if (fine) return;
    const std::string problem = std::strerror(errno);
    std::remove(temporary.c_str());
    throw Error(path + ": cannot be written (" + problem + ")");
}

}  // namespace nanodet::bench
