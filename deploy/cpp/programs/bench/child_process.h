/// A process of its own for a function, with which one speaks in lines.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>

namespace nanodet::bench {

/// A forked process; whatever it prints is kept aside.
class ChildProcess {
public:
    /// Starts it. The caller must have a SignalGuard, and no thread but this one.
    ///
    /// @param serve  takes the descriptors of its orders (to read) and replies (to write); returns
    ///               the exit status
    /// @throws Error  there can be no other process
    explicit ChildProcess(const std::function<int(int, int)>& serve);

    /// Ends it: after its present order, or at once if `end_at_once` was called.
    ~ChildProcess();
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;

    /// Sends an order; one line. Whether it arrived is seen by the reply.
    void send(const std::string& line);

    /// Waits for a reply; nothing when the process has ended.
    ///
    /// @throws Interrupted  see signals.h
    std::optional<std::string> receive();

    /// Returns how it ended by itself, such as ``by SIGSEGV``; after receive gave nothing.
    std::string ending();

    /// Returns the last line that it printed, cut to 200 bytes; empty for none.
    std::string last_words() const;

    /// Kills it when it is destroyed.
    void end_at_once() { patient_ = false; }

private:
    bool has_ended(int options);
    void close_pipes();

    pid_t id_ = -1;
    int orders_ = -1, replies_ = -1, log_ = -1;
    std::string rest_;  // what came behind the last line
    std::optional<int> status_;
    bool patient_ = true;
};

/// Reads up to the end of a line from a descriptor, with what an earlier call left in `rest`.
///
/// @param wait  is called with the descriptor before every read
std::optional<std::string> read_line(int file, std::string& rest,
                                     const std::function<void(int)>& wait = {});

/// Writes everything; returns false when nobody reads any more.
bool write_all(int file, const std::string& text);

}  // namespace nanodet::bench
