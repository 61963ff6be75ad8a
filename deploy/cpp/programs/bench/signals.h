/// Ctrl-C and its kin: they end the wait for a process, never the writing of a file.
#pragma once

#include <csignal>

namespace nanodet::bench {

/// A signal to end has come.
struct Interrupted {
    int number;
};

/// While it lives, SIGINT, SIGTERM and SIGHUP are held back until somebody waits, and a pipe that
/// nobody reads is an error instead of a signal. One at a time.
class SignalGuard {
public:
    SignalGuard();
    ~SignalGuard();
    SignalGuard(const SignalGuard&) = delete;
    SignalGuard& operator=(const SignalGuard&) = delete;

    /// Gives a new process the signals as it must have them: Ctrl-C is the parent's.
    static void set_in_child();
};

/// Waits until there is something to read, or its writer has gone.
///
/// @throws Interrupted  a signal came before or meanwhile
void wait_readable(int file);

}  // namespace nanodet::bench
