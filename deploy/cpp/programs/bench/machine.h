/// The machine, as its sysfs and procfs tell it.
///
/// ``root`` is the folder in which ``sys`` and ``proc`` lie: ``/``, or a copy of another machine's.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "json.h"

namespace nanodet::bench {

/// One CPU core; what the machine does not tell is empty.
struct Core {
    int id = 0;
    std::optional<std::string> model;
    std::optional<double> max_mhz;
    std::optional<double> capacity;  ///< the kernel's: 1024 is the biggest
    bool big = true;
};

/// What does not change while a bench runs.
struct Machine {
    std::optional<std::string> board, soc;
    std::optional<long> memory_mb;  ///< MiB
    std::set<std::string> cpu_flags;
    std::vector<Core> cores;  ///< in order of their numbers
};

Machine describe(const std::string& root = "/");

/// Returns the form that docs/bench.md describes, with this system's own names and environment.
Json to_json(const Machine& machine);

/// Returns the cores that this process may use; nothing where the system does not tell.
std::optional<std::set<int>> allowed_cores();

/// Returns the numbers of the cores to run on, ascending; nothing where none are known.
///
/// @param wanted   ``big``, ``little``, ``all`` or numbers such as ``0,2`` and ``4-7``
/// @param allowed  the cores that this process may use; nothing for all
/// @throws Error  a core that is not there, or little ones on a machine with one kind
std::optional<std::vector<int>> choose_cores(const std::string& wanted,
                                             const std::vector<Core>& cores,
                                             const std::optional<std::set<int>>& allowed);

/// Returns the numbers of ``0-3,5``, empty when it has another form.
std::vector<int> parse_list(const std::string& text);

}  // namespace nanodet::bench
