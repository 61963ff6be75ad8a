#include "published.h"

#include <sys/stat.h>

#include <chrono>
#include <exception>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "files.h"
#include "json_keys.h"
#include "nanodet/error.h"
#include "nanodet/sha256.h"

namespace nanodet {

namespace fs = std::filesystem;

namespace {

constexpr std::uintmax_t longest_manifest = 1U << 20;
constexpr int tries = 30;

bool is_plain(const fs::path& path, fs::file_type type) {
    std::error_code ignored;
    return fs::symlink_status(path, ignored).type() == type;
}

/// Returns what the files in a folder replace, by their names; null where there is no manifest.
nlohmann::json read_manifest(const fs::path& incoming) {
    const fs::path file = incoming / ".published.json";
    if (!is_plain(incoming, fs::file_type::directory) || !is_plain(file, fs::file_type::regular))
        return nullptr;
    try {
        return parse_json(read_file(file.string(), "this list", longest_manifest), file.string(),
                          "this list");
    } catch (const Error&) {
        return nullptr;
    }
}

bool is_as_it_was(const fs::path& path, const nlohmann::json& digest) {
    std::error_code ignored;
    if (fs::symlink_status(path, ignored).type() == fs::file_type::not_found) return true;
    std::string own = "unreadable";
    try {
        own = sha256_of_file(path.string());
    } catch (const Error&) {  // as it may have been then
    }
    return digest.is_string() && digest.get<std::string>() == own;
}

/// Returns what differs if a file of a model has been replaced or moved.
std::vector<std::string> identity_of(const std::string& path) {
    std::vector<std::string> found;
    for (const std::string& suffix : {fs::path(path).extension().string(), std::string(".bin"),
                                      std::string(".json")}) {
        const std::string file = published(with_suffix(path, suffix));
        struct stat status {};
        const bool there = ::stat(file.c_str(), &status) == 0;
        long long fraction = 0;
#ifdef __linux__
        fraction = status.st_ctim.tv_nsec;
#endif
        found.push_back(file);
        for (const long long value :
             {(long long)there, (long long)status.st_dev, (long long)status.st_ino,
              (long long)status.st_size, (long long)status.st_ctime, fraction})
            found.push_back(std::to_string(value));
    }
    return found;
}

}  // namespace

std::string published(const std::string& path) {
    std::error_code problem;
    const fs::path whole = fs::absolute(path, problem).lexically_normal();
    if (problem) return path;
    fs::path folder = whole.parent_path(), name = whole.filename();
    for (int depth = 1; depth <= 2; ++depth) {  // beside models, or in a folder there
        const fs::path incoming = folder / ".incoming";
        const nlohmann::json replaced = read_manifest(incoming);
        const std::string key = name.generic_string();
        if (replaced.is_object() && replaced.contains(key) &&
            is_plain((incoming / name).parent_path(), fs::file_type::directory) &&
            is_plain(incoming / name, fs::file_type::regular) &&
            is_as_it_was(folder / name, replaced[key]))
            return (incoming / name).string();
        name = folder.filename() / name;
        folder = folder.parent_path();
    }
    return path;
}

bool is_published(const std::string& path) {
    return is_file(published(path)) || is_file(path);  // it may have been moved there meanwhile
}

void read_steadily(const std::string& path, const std::function<void()>& read) {
    for (int turn = 0; turn < tries; ++turn) {
        std::this_thread::sleep_for(std::chrono::milliseconds(turn));
        const auto before = identity_of(path);
        std::exception_ptr failure;
        try {
            read();
        } catch (const Error&) {
            failure = std::current_exception();
        }
        if (identity_of(path) != before) continue;
        if (failure) std::rethrow_exception(failure);
        return;
    }
    throw Error(path + ": is replaced again and again while it is read; try again later");
}

}  // namespace nanodet
