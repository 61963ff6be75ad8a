/// The report as tables, the same as those of ``nanodet bench``.
#include <algorithm>

#include "printable.h"
#include "report.h"
#include "texts.h"

namespace nanodet::bench {

namespace {

using Row = std::vector<std::string>;

constexpr double busy = 0.02;  // of the time

/// Characters of a UTF-8 text.
std::size_t length_of(const std::string& text) {
    return std::size_t(std::count_if(text.begin(), text.end(),
                                     [](char byte) { return (byte & 0xC0) != 0x80; }));
}

/// Returns lines with aligned columns: names to the left, numbers to the right.
std::vector<std::string> table(std::vector<Row> rows) {
    std::vector<std::size_t> widths(rows[0].size(), 0);
    for (const Row& row : rows)
        for (std::size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max(widths[i], length_of(row[i]));
    std::vector<std::string> lines;
    for (const Row& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            const std::string gap(widths[i] - length_of(row[i]), ' ');
            line += (i ? "  " : "") + (i ? gap + row[i] : row[i] + gap);
        }
        line.erase(line.find_last_not_of(' ') + 1);
        lines.push_back(line);
    }
    return lines;
}

std::string text_of(const Json& value) {
    return value.is_string() ? value.get<std::string>() : dump(value);
}

std::string or_dash(const Json& value) {
    return value.is_null() ? "-" : format("%.0f", value.get<double>());
}

/// Returns the first columns of every table.
Row what(const Json& result) {
    return {text_of(result.at("name")),
            text_of(result.at("input")[0]) + "x" + text_of(result.at("input")[1]),
            text_of(result.at("threads")), text_of(result.at("precision"))};
}

Row operator+(Row row, const Row& more) {
    row.insert(row.end(), more.begin(), more.end());
    return row;
}

Row network_row(const Json& result) {
    Row row = what(result);
    for (const char* key : {"min", "median", "mean", "p90", "p99", "max"})
        row.push_back(
            format("%.2f", result.at("times_us").at("network").at(key).get<double>() / 1000));
    const bool compared = result.contains("network_ratio");
    row.push_back(
        compared ? format("%.2f", result["network_ratio"]["median"].get<double>()) : "-");
    return row;
}

Row whole_row(const Json& result) {
    const Json& times = result.at("times_us");
    Row row = what(result);
    for (const char* stage : {"preprocess", "network", "decode", "end_to_end"})
        row.push_back(or_dash(times.at(stage).at("median")));
    row.push_back(or_dash(times.at("end_to_end").at("p90")));
    row.push_back(text_of(result.at("detections")));
    return row;
}

Row process_row(const Json& result) {
    return what(result) + Row{format("%.1f", result.at("load_ms").get<double>()),
                              or_dash(result.at("memory_mb").at("before_load")),
                              or_dash(result.at("memory_mb").at("peak")),
                              text_of(result.at("runs"))};
}

/// Adds a text unless it is there.
void add_once(Row& texts, const std::string& text) {
    if (std::find(texts.begin(), texts.end(), text) == texts.end()) texts.push_back(text);
}

Row parts_of(const Json& list) {
    Row parts;
    for (const Json& item : list) parts.push_back(text_of(item));
    return parts;
}

std::vector<std::string> what_ran(const Json& report) {
    const Json& machine = report.at("machine");
    const Json& effort = report.at("effort");
    const Json& ids = report.at("cores").at("ids");
    const auto reported = [&](const char* key) {
        return machine.at(key).is_null() ? "-" : text_of(machine.at(key));
    };
    Row engines, left_out;
    bool pictures = false;
    for (const Json& result : report.at("results")) {
        add_once(engines, text_of(result.at("engine")));
        pictures = pictures || result.at("weights") == "file";
        if (!result.at("left_out").empty())
            add_once(left_out, "left out    " + text_of(result.at("name")) + ": " +
                                   join(parts_of(result.at("left_out")), ", ") +
                                   " (all boxes of empty weights pass its threshold)");
    }
    std::vector<std::string> lines = {
        "machine     " + reported("board") + "; " + reported("soc") + "; " +
            std::to_string(machine.at("cores").size()) + " cores; " + reported("architecture"),
        "ran on      cores " + (ids.is_null() ? "not set" : join(parts_of(ids), ", ")) + " (" +
            text_of(report.at("cores").at("wanted")) + "); " + join(engines, ", "),
        "effort      " + text_of(effort.at("name")) + ": batch 1, at least " +
            text_of(effort.at("runs")) +
            format(" runs and %g s each, in turns", effort.at("seconds").get<double>()) +
            (effort.at("name") == "quick" ? "; NOT FOR PUBLICATION" : ""),
        "ratio       network time over the first line's, median over the rounds",
    };
    if (pictures) lines.push_back("image       " + text_of(report.at("picture")));
    return lines + left_out;
}

std::vector<std::string> sensor_lines(const Json& report) {
    std::vector<std::string> lines;
    for (const auto& [key, name] : {std::pair{"temperature_c", "temperature"},
                                    {"frequency_mhz", "frequency"},
                                    {"governor", "governor"}}) {
        const Json& before = report.at("before").at(key);
        const Json& after = report.at("after").at(key);
        Row reported;
        for (const auto& item : after.items()) {
            const bool known = before.contains(item.key());
            reported.push_back(item.key() + ": " + (known ? text_of(before[item.key()]) : "-") + " > " +
                           text_of(item.value()));
        }
        if (!before.empty() || !after.empty())
            lines.push_back(format("%-11s ", name) + join(reported, ", "));
    }
    if (report.at("before").at("temperature_c").empty())
        lines.emplace_back("temperature not reported by this machine");
    return lines;
}

std::vector<std::string> warnings(const Json& report) {
    std::vector<std::string> lines;
    for (const Json& reason : report.at("throttling").at("reasons"))
        lines.push_back("THROTTLED?  " + text_of(reason));
    double waited = 0;
    Row calls, failed;
    for (const Json& result : report.at("results")) {
        if (result.contains("waited") && !result["waited"].is_null())
            waited = std::max(waited, result["waited"].get<double>());
        if (result.contains("benchncnn"))
            add_once(calls, "benchncnn   " + text_of(result["benchncnn"]));
        if (!result.at("error").is_null())
            failed.push_back("FAILED      " + text_of(result["error"]));
    }
    if (waited > busy)
        lines.push_back(format(
            "BUSY        other processes had the CPU for up to %.0f %% of the time", 100 * waited));
    return lines + calls + failed;
}

}  // namespace

std::vector<std::string> format_tables(const Json& report) {
    std::vector<Row> network = {{"network, ms", "input", "threads", "precision", "min", "median",
                                 "mean", "p90", "p99", "max", "ratio"}};
    std::vector<Row> whole = {{"end to end, median us", "input", "threads", "precision",
                               "preprocess", "network", "decode+NMS", "end to end", "p90",
                               "boxes"}};
    std::vector<Row> process = {{"process", "input", "threads", "precision", "load ms",
                                 "MB before", "MB peak", "runs"}};
    for (const Json& result : report.at("results")) {
        process.push_back(process_row(result));
        if (!result.contains("times_us")) continue;
        network.push_back(network_row(result));
        if (result["times_us"].contains("end_to_end")) whole.push_back(whole_row(result));
    }
    const Row nothing{""};
    std::vector<std::string> lines = table(network);
    if (whole.size() > 1) lines = lines + nothing + table(whole);
    lines = lines + nothing + table(process) + nothing + what_ran(report) + sensor_lines(report) +
            warnings(report);
    std::transform(lines.begin(), lines.end(), lines.begin(), printable);
    return lines;
}

}  // namespace nanodet::bench
