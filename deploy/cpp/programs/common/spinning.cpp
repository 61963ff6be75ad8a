#include "spinning.h"

#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>

namespace nanodet {

namespace {

std::string last_part(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

void limit_spinning(char** words) {
    if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
    std::array<char, 4096> path{};
    // started by name of the dynamic loader, the running program is that
    if (::readlink("/proc/self/exe", path.data(), path.size() - 1) <= 0 || words[0] == nullptr ||
        last_part(path.data()) != last_part(words[0]))
        return;
    ::setenv("GOMP_SPINCOUNT", "1000", 1);
    ::execv(path.data(), words);
    ::unsetenv("GOMP_SPINCOUNT");
}

}  // namespace nanodet
