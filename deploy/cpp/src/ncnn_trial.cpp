#include "ncnn_trial.h"

#include "nanodet/error.h"

#if defined(__unix__) || defined(__APPLE__)

#include <fcntl.h>
#include <net.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <set>

#include "ncnn_parameters.h"
#include "split.h"
#include "text_reader.h"

namespace nanodet {

namespace {

constexpr unsigned int time_limit_s = 120;
constexpr rlim_t most_memory = rlim_t(4) << 30;  // bytes that a trial may take beside what is there
constexpr int refused = 3;                       // exit status: ncnn said no

/// Lets this process have so much more memory and no more, where the system says what it has.
void limit_memory() {
    unsigned long pages = 0;
    if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
        if (std::fscanf(file, "%lu", &pages) != 1) pages = 0;
        std::fclose(file);
    }
    rlimit limit = {};
    if (pages == 0 || getrlimit(RLIMIT_AS, &limit) != 0) return;
    const rlim_t most = rlim_t(pages) * rlim_t(sysconf(_SC_PAGESIZE)) + most_memory;
    if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < most) return;
    limit.rlim_cur = most;
    setrlimit(RLIMIT_AS, &limit);
}

/// Does what the parent is about to do. Only ncnn runs here, and nothing returns.
[[noreturn]] void run_in_child(const NcnnModel& model, Size size, ncnn::Option option) {
    for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM, SIGINT, SIGTERM})
        std::signal(signal, SIG_DFL);
    alarm(time_limit_s);
    rlimit no_core = {};
    setrlimit(RLIMIT_CORE, &no_core);
    limit_memory();
    const int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
    ncnn::Net net;
    net.opt = option;
    net.opt.num_threads = 1;  // the others of a pool have not come along, nor has a GPU
    net.opt.use_vulkan_compute = false;
    if (net.load_param_mem(model.graph.to_text().c_str()) != 0 ||
        net.load_model(TextReader(model.weights)) != 0)
        _exit(refused);
    ncnn::Mat picture(size.width, size.height, 3), result;
    picture.fill(0.0F);
    ncnn::Extractor extractor = net.create_extractor();
    int status = extractor.input(model.spec.input_name.c_str(), picture);
    for (const std::string& name : model.spec.output_names())
        if (status == 0) status = extractor.extract(name.c_str(), result);
    _exit(status == 0 ? 0 : refused);
}

/// Returns the kinds of layers that are not known here.
std::string others_of(const NcnnGraph& graph) {
    std::set<std::string> others;
    for (const NcnnLayer& layer : graph.layers)
        if (!is_known(layer.kind)) others.insert(layer.kind);
    return join({others.begin(), others.end()}, ", ");
}

}  // namespace

void try_in_child(const NcnnModel& model, Size size, const ncnn::Option& option) {
    const pid_t child = fork();
    if (child < 0)
        throw Error(model.path + ": cannot be tried out (" + std::strerror(errno) + ")");
    if (child == 0) run_in_child(model, size, option);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    std::string how = "ended the process that tried it out";
    if (WIFEXITED(status) && WEXITSTATUS(status) == refused) how = "cannot run it";
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        how = "did not run it within " + std::to_string(time_limit_s) + " s";
    throw Error(model.path + ": ncnn " + how + " at " + std::to_string(size.width) + " x " +
                std::to_string(size.height) + " (not known here: " + others_of(model.graph) + ")");
}

}  // namespace nanodet

#else

namespace nanodet {

void try_in_child(const NcnnModel& /*model*/, Size /*size*/, const ncnn::Option& /*option*/) {}

}  // namespace nanodet

#endif
