/// Temperature, frequency and governor, and whether they or the times say that the CPU was slowed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "json.h"

namespace nanodet::bench {

/// Returns what the machine tells now, in the form of docs/bench.md: objects by name or core, each
/// empty where the machine does not tell, and ``firmware``, a Raspberry Pi's flags or null.
///
/// @param cores  numbers of the cores to look at
/// @param root   see machine.h
Json read_sensors(const std::vector<int>& cores, const std::string& root = "/");

/// Returns why the machine is thought to have been slowed down, a text each; empty if not.
///
/// @param before, after  read_sensors when idle
/// @param during         read_sensors after each turn, in order
std::vector<std::string> reasons(const Json& before, const std::vector<Json>& during,
                                 const Json& after);

/// Returns why times whose later half is `ratio` of the first are suspect, nothing if they are not.
std::optional<std::string> slower(double ratio);

}  // namespace nanodet::bench
