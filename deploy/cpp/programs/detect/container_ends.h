/// Whether a video file ends before its container does; as nanodet/detect/container_ends.py has it.
///
/// Each function is true only where the file certainly lacks its end: where it stops inside of a part
/// that says how long it is.
#pragma once

#include "container_bytes.h"

namespace nanodet::ends {

constexpr int most_parts = 2'000'000;  // of one file that are looked at; one of more is not judged

bool matroska(FileBytes& file);          ///< and WebM: elements in a segment, clusters of frames
bool flash(FileBytes& file);             ///< FLV: tags of sound and frames
bool program_stream(FileBytes& file);    ///< MPEG: packs of packets; looks at the last pack
bool ogg(FileBytes& file);               ///< pages of at most 65,307 bytes; looks at the last one
bool windows_media(FileBytes& file);     ///< ASF (WMV): objects, one of them all frames
bool transport_stream(FileBytes& file);  ///< MPEG: packets of 188 bytes, 192 or 204 apart

}  // namespace nanodet::ends
