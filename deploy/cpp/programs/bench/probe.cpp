/// For the tests: statistics, reasons and tables of what comes on standard input, one JSON object a
/// line.
#include <iostream>
#include <string>
#include <vector>

#include "json.h"
#include "report.h"
#include "statistics.h"
#include "throttling.h"

int main() {
    using namespace nanodet::bench;
    using Turns = std::vector<std::vector<double>>;
    try {
        for (std::string line; std::getline(std::cin, line);) {
            const Json asked = Json::parse(line);
            Json answer = Json::object();
            if (asked.contains("runs"))
                answer["stage_times"] = stage_times(asked["runs"], asked["stages"]);
            if (asked.contains("turns")) {
                answer["ratio"] = ratio(asked["turns"], asked["reference"]);
                answer["later_half"] = later_half(asked["turns"].get<Turns>()[0]);
            }
            if (asked.contains("before"))
                answer["reasons"] = reasons(asked["before"], asked["during"], asked["after"]);
            if (asked.contains("report")) answer["tables"] = format_tables(asked["report"]);
            std::cout << dump(answer) << std::endl;
        }
        return 0;
    } catch (const std::exception& error) {
        std::cerr << "nanodet-bench-probe: " << error.what() << std::endl;
        return 1;
    }
}
