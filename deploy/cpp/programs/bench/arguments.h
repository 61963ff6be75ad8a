/// The command line of nanodet-bench.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "plan.h"

namespace nanodet::bench {

struct Arguments {
    std::vector<std::string> models;
    std::vector<std::pair<std::string, Size>> graphs;
    std::vector<int> threads{1};
    std::vector<Precision> precisions{Precision::fp32};
    std::string cores = "big";
    std::string image;  ///< empty for a generated one
    Effort effort;
    std::string json;        ///< file to write, ``-`` for stdout; or empty
    std::string root = "/";  ///< folder in which ``sys`` and ``proc`` lie
    bool machine = false;    ///< only tell what the machine tells
    bool help = false, version = false;
    std::string command;  ///< the command line
};

/// Text of ``--help``.
extern const char* const usage;

/// @throws Error  an unknown option, a missing or wrong value
Arguments parse_arguments(int count, char** words);

}  // namespace nanodet::bench
