#include "machine.h"

#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "nanodet/error.h"
#include "text_files.h"
#include "texts.h"

namespace nanodet::bench {

namespace {

using Processor = std::map<std::string, std::string>;  // a paragraph of /proc/cpuinfo

std::optional<std::string> find(const Processor& processor, const std::string& key) {
    const auto found = processor.find(key);
    if (found == processor.end()) return std::nullopt;
    return found->second;
}

std::vector<Processor> processors_of(const std::string& root) {
    std::vector<Processor> processors;
    for (const auto& paragraph : split(read_text(root + "/proc/cpuinfo").value_or(""), "\n\n")) {
        Processor processor;
        for (const std::string& line : split(paragraph, "\n")) {
            const auto colon = line.find(':');
            if (colon != std::string::npos)
                processor[strip(line.substr(0, colon))] = strip(line.substr(colon + 1));
        }
        if (!processor.empty()) processors.push_back(processor);
    }
    return processors;
}

std::optional<std::string> soc_of(const std::string& root,
                                  const std::vector<Processor>& processors) {
    for (const char* name : {"machine", "soc_id"})
        if (auto text = read_text(root + "/sys/devices/soc0/" + name)) return text;
    // from the board to what it is built on
    if (auto text = read_text(root + "/sys/firmware/devicetree/base/compatible"))
        return split(*text, std::string(1, '\0')).back();
    for (const char* key : {"Hardware", "model name"})
        for (const Processor& processor : processors)
            if (auto text = find(processor, key); text && !text->empty()) return text;
    return std::nullopt;
}

std::optional<long> memory_mb_of(const std::string& root) {
    const std::string key = "MemTotal:";
    for (const auto& line : split(read_text(root + "/proc/meminfo").value_or(""), "\n")) {
        if (line.rfind(key, 0) != 0) continue;
        const auto words = words_of(line.substr(key.size()));
        const auto kib = words.empty() ? std::nullopt : decimal_number(words[0]);
        if (kib && words.size() > 1 && words[1] == "kB") return long(*kib) / 1024;
    }
    return std::nullopt;
}

/// Returns Arm's name of a core, by the part number in its technical reference manual.
const char* arm_name_of(long part) {
    static const std::map<long, const char*> names = {
        {0xD03, "Cortex-A53"},  {0xD04, "Cortex-A35"},  {0xD05, "Cortex-A55"},
        {0xD07, "Cortex-A57"},  {0xD08, "Cortex-A72"},  {0xD09, "Cortex-A73"},
        {0xD0A, "Cortex-A75"},  {0xD0B, "Cortex-A76"},  {0xD0C, "Neoverse-N1"},
        {0xD0D, "Cortex-A77"},  {0xD40, "Neoverse-V1"}, {0xD41, "Cortex-A78"},
        {0xD44, "Cortex-X1"},   {0xD46, "Cortex-A510"}, {0xD47, "Cortex-A710"},
        {0xD48, "Cortex-X2"},   {0xD49, "Neoverse-N2"}, {0xD4D, "Cortex-A715"},
        {0xD4E, "Cortex-X3"},
    };
    const auto found = names.find(part);
    return found == names.end() ? nullptr : found->second;
}

std::optional<std::string> core_model(const Processor& processor) {
    if (auto name = find(processor, "model name")) return name;
    const auto maker = hexadecimal(find(processor, "CPU implementer").value_or(""));
    const auto part = hexadecimal(find(processor, "CPU part").value_or(""));
    if (!maker || !part) return std::nullopt;
    const char* known = *maker == 0x41 ? arm_name_of(*part) : nullptr;
    if (known) return known;
    return format("implementer 0x%lx part 0x%lx", *maker, *part);
}

/// Marks the big cores where one of their figures differs.
template <typename Figure>
bool tell_apart(std::vector<Core>& cores, Figure Core::*figure) {
    std::vector<double> values;
    for (const Core& core : cores)
        if (core.*figure) values.push_back(*(core.*figure));
    if (values.empty() || values.size() < cores.size()) return false;
    const auto [least, most] = std::minmax_element(values.begin(), values.end());
    if (*least == *most) return false;
    for (Core& core : cores) core.big = *(core.*figure) >= (*least + *most) / 2;
    return true;
}

std::vector<Core> cores_of(const std::string& root, const std::vector<Processor>& processors) {
    const std::string folder = root + "/sys/devices/system/cpu/";
    std::map<std::optional<std::string>, std::optional<std::string>> models;
    for (const Processor& processor : processors)
        models[find(processor, "processor")] = core_model(processor);
    std::vector<int> ids = parse_list(read_text(folder + "online").value_or(""));
    if (ids.empty())
        for (int i = 0; i < int(models.size()); ++i) ids.push_back(i);
    std::vector<Core> cores;
    for (const int id : ids) {
        const std::string name = std::to_string(id), cpu = folder + "cpu" + name;
        Core core;
        core.id = id;
        if (const auto model = models.find(name); model != models.end()) core.model = model->second;
        core.max_mhz = read_number(cpu + "/cpufreq/cpuinfo_max_freq", 1e-3);
        core.capacity = read_number(cpu + "/cpu_capacity");
        cores.push_back(core);
    }
    // capacity says what a core does, frequency only how fast it ticks
    if (!tell_apart(cores, &Core::capacity)) tell_apart(cores, &Core::max_mhz);
    return cores;
}

/// The environment's variables that change how threads wait for each other.
Json openmp_environment() {
    Json variables = Json::object();
    for (char** variable = environ; *variable != nullptr; ++variable) {
        const std::string text = *variable;
        for (const char* start : {"OMP_", "GOMP_", "KMP_"})
            if (text.rfind(start, 0) == 0)
                variables[text.substr(0, text.find('='))] = text.substr(text.find('=') + 1);
    }
    return variables;
}

}  // namespace

Machine describe(const std::string& root) {
    const auto processors = processors_of(root);
    Machine machine;
    machine.board = read_text(root + "/sys/firmware/devicetree/base/model");
    if (!machine.board) machine.board = read_text(root + "/sys/class/dmi/id/product_name");
    machine.soc = soc_of(root, processors);
    machine.memory_mb = memory_mb_of(root);
    for (const Processor& processor : processors) {
        auto flags = find(processor, "Features");
        if (!flags) flags = find(processor, "flags");
        const auto words = words_of(flags.value_or(""));
        machine.cpu_flags.insert(words.begin(), words.end());
    }
    machine.cores = cores_of(root, processors);
    return machine;
}

Json to_json(const Machine& machine) {
    Json cores = Json::array();
    for (const Core& core : machine.cores)
        cores.push_back({{"id", core.id},
                         {"model", json_of(core.model)},
                         {"max_mhz", json_of(core.max_mhz)},
                         {"capacity", json_of(core.capacity)},
                         {"big", core.big}});
    utsname names{};
    const bool reported = ::uname(&names) == 0;
    return {
        {"board", json_of(machine.board)},
        {"soc", json_of(machine.soc)},
        {"memory_mb", json_of(machine.memory_mb)},
        {"cpu_flags", machine.cpu_flags},
        {"cores", cores},
        {"architecture", reported ? names.machine : ""},
        {"system", reported ? std::string(names.sysname) + " " + names.release : ""},
        {"environment", openmp_environment()},
    };
}

std::optional<std::set<int>> allowed_cores() {
    cpu_set_t mask;
    CPU_ZERO(&mask);
    if (::sched_getaffinity(0, sizeof mask, &mask) != 0) return std::nullopt;
    std::set<int> ids;
    for (int id = 0; id < int(CPU_SETSIZE); ++id)
        if (CPU_ISSET(id, &mask)) ids.insert(id);
    return ids;
}

std::optional<std::vector<int>> choose_cores(const std::string& wanted,
                                             const std::vector<Core>& cores,
                                             const std::optional<std::set<int>>& allowed) {
    std::vector<Core> there;
    for (const Core& core : cores)
        if (!allowed || allowed->count(core.id)) there.push_back(core);
    std::set<int> picked;
    if (wanted == "big" || wanted == "little" || wanted == "all") {
        const auto is_big = [](const Core& core) { return core.big; };
        if (wanted == "little" && std::all_of(there.begin(), there.end(), is_big))
            throw Error("--cores little: this machine has no smaller cores, as far as it reports");
        for (const Core& core : there)
            if (wanted == "all" || core.big == (wanted == "big")) picked.insert(core.id);
        if (picked.empty()) return std::nullopt;
    } else {
        const auto numbers = parse_list(wanted);
        if (numbers.empty())
            throw Error("--cores " + wanted + ": must be big, little, all, or numbers such as 0,2");
        picked.insert(numbers.begin(), numbers.end());
        for (const int id : picked)
            if (std::none_of(there.begin(), there.end(),
                             [id](const Core& core) { return core.id == id; }))
                throw Error("--cores " + wanted + ": there is no core " + std::to_string(id) +
                            " to run on");
    }
    return std::vector<int>(picked.begin(), picked.end());
}

std::vector<int> parse_list(const std::string& text) {
    std::vector<int> numbers;
    for (const std::string& part : split(text, ",")) {
        const auto dash = part.find('-');
        const auto first = whole_number(part.substr(0, dash), 4);
        const auto last =
            dash == std::string::npos ? first : whole_number(part.substr(dash + 1), 4);
        if (!first || !last) return {};
        for (int number = *first; number <= *last; ++number) numbers.push_back(number);
    }
    return numbers;
}

}  // namespace nanodet::bench
