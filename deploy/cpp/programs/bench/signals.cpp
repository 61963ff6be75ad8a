#include "signals.h"

#include <poll.h>

#include <array>
#include <cerrno>

namespace nanodet::bench {

namespace {

constexpr std::array<int, 3> endings = {SIGINT, SIGTERM, SIGHUP};

volatile std::sig_atomic_t caught = 0;

extern "C" void note_signal(int number) {
    caught = number;
}

void handle(int number, void (*action)(int)) {
    struct sigaction how {};
    how.sa_handler = action;
    sigemptyset(&how.sa_mask);
    ::sigaction(number, &how, nullptr);
}

/// Blocks or unblocks the signals to end.
void mask(int how) {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : endings) sigaddset(&set, number);
    ::sigprocmask(how, &set, nullptr);
}

bool is_ignored(int number) {
    struct sigaction now {};
    ::sigaction(number, nullptr, &now);
    return now.sa_handler == SIG_IGN;
}

}  // namespace

SignalGuard::SignalGuard() {
    mask(SIG_BLOCK);
    for (const int number : endings)
        if (!is_ignored(number)) handle(number, note_signal);  // nohup's wish is kept
    handle(SIGPIPE, SIG_IGN);
}

SignalGuard::~SignalGuard() {
    for (const int number : endings)
        if (!is_ignored(number)) handle(number, SIG_DFL);
    handle(SIGPIPE, SIG_DFL);
    mask(SIG_UNBLOCK);
}

void SignalGuard::set_in_child() {
    for (const int number : endings) handle(number, number == SIGTERM ? SIG_DFL : SIG_IGN);
    mask(SIG_UNBLOCK);
}

void wait_readable(int file) {
    sigset_t none;
    sigemptyset(&none);
    pollfd wanted{file, POLLIN, 0};
    while (true) {
        // the signals come in here, and nowhere else
        const int ready = ::ppoll(&wanted, 1, nullptr, &none);
        if (caught != 0) throw Interrupted{caught};
        if (ready >= 0 || errno != EINTR) return;
    }
}

}  // namespace nanodet::bench
