/// nanodet-bench: how fast models are on this machine, side by side.
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <new>

#include "arguments.h"
#include "bench.h"
#include "printable.h"
#include "signals.h"

namespace {

/// Makes threads that wait for each other sleep unless the user chose: on a machine with other
/// work they would spin on a core that the thread they wait for needs.
///
/// OpenMP reads its variables when a program starts, so this program starts once more.
void make_threads_sleep(char** words) {
    if (std::getenv("OMP_WAIT_POLICY") != nullptr) return;
    ::setenv("OMP_WAIT_POLICY", "PASSIVE", 1);
    std::array<char, 4096> path{};
    if (::readlink("/proc/self/exe", path.data(), path.size() - 1) > 0)
        ::execv(path.data(), words);  // where it cannot, threads wait as OpenMP has it
}

}  // namespace

int main(int count, char** words) {
    std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow further is reported by the write
    try {
        const auto arguments = nanodet::bench::parse_arguments(count, words);
        if (arguments.help || arguments.version) {
            std::cout << (arguments.help ? nanodet::bench::usage
                                         : "nanodet-bench " NANODET_VERSION "\n");
        } else if (arguments.machine) {
            nanodet::bench::print_machine(arguments);
        } else {
            make_threads_sleep(words);
            nanodet::bench::run(arguments);
        }
        return 0;
    } catch (const nanodet::bench::Interrupted& interrupted) {
        std::cerr << "nanodet-bench: stopped" << std::endl;
        return 128 + interrupted.number;
    } catch (const std::bad_alloc&) {
        std::cerr << "nanodet-bench: error: there is not enough memory" << std::endl;
    } catch (const std::exception& error) {
        std::cerr << "nanodet-bench: error: " << nanodet::printable(error.what()) << std::endl;
    }
    return 1;
}
