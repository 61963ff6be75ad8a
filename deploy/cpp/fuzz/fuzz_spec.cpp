/// Any bytes as a spec: either it is refused with a line that names the file, or it can be worked with.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "nanodet/error.h"
#include "nanodet/preprocess.h"
#include "nanodet/spec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    try {
        const nanodet::Spec spec = nanodet::parse_spec(text, "spec.json");
        if (spec.channels() < 5 || spec.point_count(spec.input_size) == 0) std::abort();
        if (spec.input_size.width <= 512 && spec.input_size.height <= 512) {
            const std::uint8_t pixel[3] = {1, 2, 3};
            nanodet::Preprocessor(spec, spec.fit, spec.input_size).run({pixel, 1, 1, 3});
        }
    } catch (const nanodet::Error& error) {
        if (std::string(error.what()).rfind("spec.json: ", 0) != 0) std::abort();
    }
    return 0;
}
