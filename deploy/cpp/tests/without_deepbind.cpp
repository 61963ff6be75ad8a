/// AddressSanitizer ends a process that opens a library with RTLD_DEEPBIND, as OpenVINO's TBB does.
/// This dlopen, which comes before the C library's, leaves that flag out.
#include <dlfcn.h>

extern "C" __attribute__((visibility("default"))) void* dlopen(const char* name, int flags) {
    using Function = void* (*)(const char*, int);
    static const auto next = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "dlopen"));
    return next(name, flags & ~RTLD_DEEPBIND);
}
