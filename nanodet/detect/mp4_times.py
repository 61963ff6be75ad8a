"""Sets the time of each frame of a written mp4 file.

OpenCV writes videos at a constant rate, but cameras and phones record at a varying one. The file's
index, its last part, contains the duration of each frame; only that is rewritten.
"""

import itertools
import os
import struct
from collections.abc import Sequence

from nanodet.files import StrPath
from nanodet.images.iso_boxes import boxes

PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts")
# offset of the total duration in each part: in its 32-bit form, and in its 64-bit form
LENGTHS = {b"mdhd": (16, 24), b"mvhd": (16, 24), b"tkhd": (20, 28), b"elst": (8, 8)}


def set_frame_times(path: StrPath, times: Sequence[float]) -> None:
    """Set the start times of the frames of a video.

    Args:
        path: an mp4 file of one video track without B-frames, with the index after the frames, as
            OpenCV writes it.
        times: seconds, for each frame and for the end of the last one.

    Raises:
        ValueError: the file is not of that kind.
    """
    with open(path, "r+b") as file:
        at = _find_index(file)
        file.seek(at)
        index = file.read()
        parts = {}

        def note(kind, body):
            parts[kind] = body
            return body

        _rewrite(index, note)
        (frames,) = struct.unpack_from(">I", parts[b"stsz"], 8)
        if frames != len(times) - 1 or b"ctts" in parts or b"mdat" in parts:
            raise ValueError(f"{frames} frames in this video, not {len(times) - 1}")
        rate, film_rate = (_number(parts[kind], 12, 20) for kind in (b"mdhd", b"mvhd"))
        ticks = [round((time - times[0]) * rate) for time in times]
        shown = [max(1, after - before) for before, after in itertools.pairwise(ticks)]
        film = -(
            -sum(shown) * film_rate // rate
        )  # rounded up, otherwise the last frame would be cut off
        runs = [(len(list(run)), length) for length, run in itertools.groupby(shown)]
        table = struct.pack(">II", 0, len(runs)) + b"".join(struct.pack(">II", *r) for r in runs)

        def change(kind, body):
            if kind == b"stts":
                return table
            if kind in LENGTHS:
                return _with_length(body, *LENGTHS[kind], sum(shown) if kind == b"mdhd" else film)
            return body

        file.seek(at)
        file.write(_rewrite(index, change))


def _number(body, short, long):
    """Return the number at ``short`` in a part's 32-bit form, or at ``long`` in its 64-bit form."""
    return struct.unpack_from(">I", body, long if body[0] else short)[0]


def _with_length(body, short, long, length):
    if body[0]:
        return body[:long] + struct.pack(">Q", length) + body[long + 8 :]
    return body[:short] + struct.pack(">I", min(length, 0xFFFFFFFF)) + body[short + 4 :]


def _find_index(file):
    """Return the start of the last part, which must be the index."""
    last = None
    for last in boxes(file, 0, file.seek(0, os.SEEK_END)):  # noqa: B007
        pass
    if last is None or last.kind != b"moov":
        raise ValueError("it does not end in its index")
    return last.at


def _rewrite(data, change):
    """Return the parts of ``data``, with each body replaced by ``change(kind, body)``."""
    parts, at = [], 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size < 8:
            raise ValueError("its index is damaged")
        body = data[at + 8 : at + size]
        body = _rewrite(body, change) if kind in PARENTS else change(kind, body)
        parts.append(struct.pack(">I4s", len(body) + 8, kind) + body)
        at += size
    return b"".join(parts)
