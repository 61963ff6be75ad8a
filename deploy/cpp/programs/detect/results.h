/// Where detections go: JSON lines, drawn images or a drawn video, a window.
#pragma once

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "arguments.h"
#include "common/whole_file.h"
#include "nanodet/decode.h"
#include "nanodet/spec.h"
#include "sources.h"

namespace nanodet {

/// Takes the detections of each frame.
class Sink {
public:
    virtual ~Sink() = default;

    /// @returns false when the user wants to end
    virtual bool write(const Frame& frame, const std::vector<Detection>& detections) = 0;

    /// Completes the files; until then they lie under temporary names.
    virtual void finish() {}
};

/// Writes JSON lines to a file, or to standard output for ``-``. A device or pipe is written to as it
/// is; a file appears when it is whole.
class JsonLines : public Sink {
public:
    /// @param edge_std  see to_json_line
    /// @throws Error  the file cannot be written
    JsonLines(std::string path, const Spec& spec, bool edge_std);

    bool write(const Frame& frame, const std::vector<Detection>& detections) override;
    void finish() override;

private:
    std::string path_;
    std::unique_ptr<TemporaryFile> temporary_;
    const Spec& spec_;
    bool edge_std_;
    std::ofstream file_;
};

/// Whether two paths name one file, links followed.
bool same_file(const std::string& a, const std::string& b);

/// Opens all that the command line asks for.
std::vector<std::unique_ptr<Sink>> open_sinks(const Arguments& arguments, const Source& source,
                                              const Spec& spec);

/// Opens what draws: a folder of images, a video in a folder, or a window where ``--out`` is missing.
std::unique_ptr<Sink> open_drawing(const Arguments& arguments, const Source& source,
                                   const Spec& spec);

/// @throws Error  nothing can be shown or drawn here
void check_drawing(const Arguments& arguments);

}  // namespace nanodet
