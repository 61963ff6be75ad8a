#include "child_process.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "nanodet/error.h"
#include "signals.h"
#include "texts.h"

namespace nanodet::bench {

namespace {

constexpr double patience_s = 5.0;

/// The parent's ends of all pipes: a child that kept another's would keep it from seeing its end.
std::vector<int>& ends() {
    static std::vector<int> files;
    return files;
}

int opened(int file) {
    ends().push_back(file);
    return file;
}

void closed(int& file) {
    if (file < 0) return;
    ::close(file);
    ends().erase(std::remove(ends().begin(), ends().end(), file), ends().end());
    file = -1;
}

/// Returns a file without a name, -1 where there can be none.
int open_log() {
    std::FILE* file = std::tmpfile();
    if (file == nullptr) return -1;
    const int copy = ::dup(::fileno(file));
    std::fclose(file);
    return copy;
}

/// Puts `file`, or else nothing, in the place of a standard descriptor.
void replace(int standard, int file) {
    const int nothing = file < 0 ? ::open("/dev/null", O_RDWR) : -1;
    ::dup2(file < 0 ? nothing : file, standard);
    if (nothing > STDERR_FILENO) ::close(nothing);
}

std::string name_of_signal(int number) {
    constexpr std::array<std::pair<int, const char*>, 10> names = {{
        {SIGABRT, "SIGABRT"}, {SIGBUS, "SIGBUS"}, {SIGFPE, "SIGFPE"}, {SIGHUP, "SIGHUP"},
        {SIGILL, "SIGILL"}, {SIGKILL, "SIGKILL"}, {SIGSEGV, "SIGSEGV"}, {SIGSYS, "SIGSYS"},
        {SIGTERM, "SIGTERM"}, {SIGTRAP, "SIGTRAP"},
    }};
    for (const auto& [known, name] : names)
        if (known == number) return name;
    return "signal " + std::to_string(number);
}

}  // namespace

ChildProcess::ChildProcess(const std::function<int(int, int)>& serve) {
    std::array<int, 2> orders{}, replies{};
    if (::pipe(orders.data()) != 0)
        throw Error(std::string("cannot start another process (") + std::strerror(errno) + ")");
    if (::pipe(replies.data()) != 0) {
        const std::string problem = std::strerror(errno);
        for (const int end : orders) ::close(end);
        throw Error("cannot start another process (" + problem + ")");
    }
    log_ = opened(open_log());
    orders_ = opened(orders[1]);
    replies_ = opened(replies[0]);
    std::fflush(nullptr);  // or the child would print it once more
    id_ = ::fork();
    if (id_ == 0) {
        SignalGuard::set_in_child();
        replace(STDIN_FILENO, -1);
        replace(STDERR_FILENO, log_);
        replace(STDOUT_FILENO, log_);
        for (const int file : ends())
            if (file > STDERR_FILENO) ::close(file);
        ::_exit(serve(orders[0], replies[1]));
    }
    const std::string problem = std::strerror(errno);
    ::close(orders[0]);
    ::close(replies[1]);
    if (id_ < 0) {
        close_pipes();
        throw Error("cannot start another process (" + problem + ")");
    }
}

ChildProcess::~ChildProcess() {
    closed(orders_);  // its order to end
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + std::chrono::duration<double>(patience_s);
    while (patient_ && !has_ended(WNOHANG) && Clock::now() < end)
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    if (!has_ended(WNOHANG)) {
        ::kill(id_, SIGKILL);
        has_ended(0);
    }
    close_pipes();
}

void ChildProcess::send(const std::string& line) {
    write_all(orders_, line + "\n");
}

std::optional<std::string> ChildProcess::receive() {
    return read_line(replies_, rest_, wait_readable);
}

std::string ChildProcess::ending() {
    has_ended(0);
    const int status = status_.value_or(0);
    if (WIFSIGNALED(status)) return "by " + name_of_signal(WTERMSIG(status));
    return "with status " + std::to_string(WEXITSTATUS(status));
}

std::string ChildProcess::last_words() const {
    std::string text;
    std::array<char, 4096> part{};
    const off_t length = log_ < 0 ? 0 : ::lseek(log_, 0, SEEK_END);
    const off_t start = std::max<off_t>(0, length - off_t(part.size()));
    const ssize_t count = length > 0 ? ::pread(log_, part.data(), part.size(), start) : 0;
    if (count > 0) text.assign(part.data(), std::size_t(count));
    return strip(split(strip(text), "\n").back()).substr(0, 200);
}

bool ChildProcess::has_ended(int options) {
    int status = 0;
    while (!status_) {
        const pid_t ended = ::waitpid(id_, &status, options);
        if (ended == id_) status_ = status;
        else if (ended == 0) return false;
        else if (errno != EINTR) status_ = 0;
    }
    return true;
}

void ChildProcess::close_pipes() {
    closed(orders_);
    closed(replies_);
    closed(log_);
}

std::optional<std::string> read_line(int file, std::string& rest,
                                     const std::function<void(int)>& wait) {
    std::array<char, 65536> part{};
    std::size_t seen = 0;
    while (true) {
        const auto end = rest.find('\n', seen);
        if (end != std::string::npos) {
            std::string line = rest.substr(0, end);
            rest.erase(0, end + 1);
            return line;
        }
        seen = rest.size();
        if (wait) wait(file);
        const ssize_t count = ::read(file, part.data(), part.size());
        if (count > 0) rest.append(part.data(), std::size_t(count));
        else if (count == 0 || errno != EINTR) return std::nullopt;
    }
}

bool write_all(int file, const std::string& text) {
    std::size_t done = 0;
    while (done < text.size()) {
        const ssize_t count = ::write(file, text.data() + done, text.size() - done);
        if (count > 0) done += std::size_t(count);
        else if (errno != EINTR) return false;
    }
    return true;
}

}  // namespace nanodet::bench
