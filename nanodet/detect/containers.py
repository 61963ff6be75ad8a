"""Reads what the container of a video states about its frames, without decoding them.

Except for MP4, OpenCV's frame count is an estimate: the length of the longest stream, even of sound,
times a frame rate that may be wrong. This module only states what is certain.
"""

import os
import struct
from dataclasses import dataclass

import numpy as np

from nanodet.detect import container_ends as ends
from nanodet.detect.container_ends import PARTS, read_at
from nanodet.files import StrPath
from nanodet.images.iso_boxes import boxes, find_box

INDEX = 1 << 26  # bytes of an AVI's index that are read


@dataclass(frozen=True)
class Extent:
    """The length of a video.

    Attributes:
        frames: number of frames, ``None`` if the container does not state it.
        seconds: their total duration, if ``frames`` is known.
        cut_off: the file certainly lacks frames at its end.
    """

    frames: int | None = None
    seconds: float = 0.0
    cut_off: bool = False

    def lacks(self, read: int, time_s: float) -> bool:
        """Return whether there are more frames than the ``read`` ones, the last of which is at ``time_s``."""
        if self.frames is None or read >= self.frames or self.cut_off:
            return self.cut_off and (self.frames is None or read < self.frames)
        # some counts include half or repeated images; those videos do not end too early
        few = read < self.frames - max(2, self.frames // 100)
        return few and time_s + max(1, 3 * self.seconds / self.frames) < self.seconds


def extent_of(path: StrPath) -> Extent:
    """Return the `Extent` of a video file; it is empty for unknown containers."""
    if not os.path.isfile(path):
        return Extent()  # a pipe cannot be read twice
    try:
        with open(path, "rb") as file:
            start, size = file.read(16), file.seek(0, os.SEEK_END)
            for is_one, extent in _COUNTED:
                if is_one(start):
                    return extent(file, size)
            for mark, is_cut_off in _ENDS:
                if start.startswith(mark):
                    return Extent(cut_off=is_cut_off(file, size))
    except (OSError, ValueError, OverflowError, LookupError, struct.error):
        pass  # damaged: invalid offsets
    return Extent()


def _mp4(file, size):
    """MP4 and QuickTime: a table of all frames, or fragments."""
    cut_off, index = False, None
    for box in boxes(file, 0, size):
        if box.stop > size:
            cut_off = box.kind in (b"mdat", b"moov", b"moof")
        if box.kind == b"moov":
            index = box
    if index is None or find_box(file, index.start, index.stop, b"mvex"):
        return Extent(cut_off=cut_off)
    tracks = [box for box in boxes(file, index.start, index.stop) if box.kind == b"trak"]
    videos = [track for track in tracks if _is_video(file, track)]
    sizes = [find_box(file, *video[2:], b"mdia", b"minf", b"stbl", b"stsz") for video in videos]
    if len(sizes) != 1 or sizes[0] is None:
        return Extent(cut_off=cut_off)
    (frames,) = struct.unpack(">I", read_at(file, sizes[0].start + 8, 4))
    rate, length = _length(file, find_box(file, *videos[0][2:], b"mdia", b"mdhd"))
    film_rate, _ = _length(file, find_box(file, *index[2:], b"mvhd"))
    if not (frames and rate and film_rate):
        return Extent(cut_off=cut_off)
    seconds = length / rate
    edits = find_box(file, *videos[0][2:], b"edts", b"elst")
    if edits and abs(_edited(file, edits) / film_rate - seconds) > 1.5 * seconds / frames:
        return Extent(cut_off=cut_off)  # only a part of the frames, or repeated frames
    return Extent(frames, seconds, cut_off)


def _is_video(file, track):
    handler = find_box(file, *track[2:], b"mdia", b"hdlr")
    return handler is not None and read_at(file, handler.start + 8, 4) == b"vide"


def _length(file, box):
    """Return the ticks per second, and the length in ticks, from an ``mdhd`` or ``mvhd``."""
    data = read_at(file, box.start, 32) if box else b""
    form, at = (">IQ", 20) if data[:1] == b"\1" else (">II", 12)
    return struct.unpack_from(form, data, at)


def _edited(file, box):
    """Return how long an ``elst`` shows frames, in ticks of the movie."""
    wide, count = struct.unpack(">B3xI", read_at(file, box.start, 8))
    form = ">QqI" if wide else ">IiI"
    row = struct.calcsize(form)
    data = read_at(file, box.start + 8, min(count, PARTS) * row)
    rows = struct.iter_unpack(form, data[: len(data) // row * row])
    return sum(length for length, begin, _ in rows if begin >= 0)


def _chunks(file, at, stop):
    """Yield (kind, start, stop) of the chunks of a RIFF file; for a list, kind is that of its items."""
    for _ in range(PARTS):
        head = read_at(file, at, 12)
        if at + 8 > stop or len(head) < 8:
            return
        kind, length, listed = struct.unpack("<4sI4s", head.ljust(12, b"\0"))
        start, end = at + 8, at + 8 + length
        if kind in (b"RIFF", b"LIST"):
            kind, start = listed, start + 4
        yield kind, start, end
        at = end + length % 2


def _avi(file, size):
    """AVI: lists of chunks; the lengths of all streams come first, an index last."""
    cut_off, films, index, streams = False, 0, b"", []
    for film, start, stop in _chunks(file, 0, size):
        if film not in (b"AVI ", b"AVIX"):
            break
        films, frames_seen = films + 1, False
        for kind, begin, end in _chunks(file, start, min(stop, size)):
            if kind == b"hdrl":
                streams = [read_at(file, head, 56) for lists, first, last in _chunks(file, begin, end)
                           if lists == b"strl"
                           for part, head, _ in _chunks(file, first, last) if part == b"strh"]  # fmt: skip
            elif kind == b"movi":
                frames_seen, cut_off = True, end > size
            elif kind == b"idx1" and end <= min(size, begin + INDEX):
                index = read_at(file, begin, end - begin)
        cut_off = cut_off or (stop > size and not frames_seen)
    videos = [number for number, head in enumerate(streams) if head[:4] == b"vids"]
    if len(videos) != 1:
        return Extent(cut_off=cut_off)
    scale, rate, _, frames = struct.unpack_from("<4I", streams[videos[0]], 20)
    if not rate:
        return Extent(cut_off=cut_off)
    seconds = frames * scale / rate
    if index and films == 1 and not cut_off:
        # the length counts time; for a repeated frame the index has an empty chunk
        rows = np.frombuffer(index[: len(index) // 16 * 16], "S2,S2,<u4,<u4,<u4")
        mine = (rows["f0"] == b"%02d" % videos[0]) & np.isin(rows["f1"], [b"dc", b"db"])
        frames = int(np.count_nonzero(mine & (rows["f4"] > 0)))
    return Extent(frames or None, seconds, cut_off)


def _gif(file, size):
    """GIF: blocks of sub-blocks, each preceded by a byte with its length."""

    def skip_colours(flags):
        file.seek(3 << (flags & 7) + 1 if flags & 0x80 else 0, os.SEEK_CUR)

    frames, left = 0, PARTS
    skip_colours(read_at(file, 0, 13)[10])
    for _ in range(PARTS):
        kind = file.read(1)
        if kind == b",":
            skip_colours(file.read(9)[8])
            frames += 1
        elif kind != b"!":
            return Extent(frames or None) if kind == b";" else Extent()
        file.seek(1, os.SEEK_CUR)  # the code width, or the kind of an extension
        while (length := file.read(1)) > b"\0" and left:
            file.seek(length[0], os.SEEK_CUR)
            left -= 1
        if not left:
            return Extent()
        if not length:
            return Extent(cut_off=True)
    return Extent()


_COUNTED = (
    (lambda start: start[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"), _mp4),
    (lambda start: start[:4] == b"RIFF" and start[8:12] == b"AVI ", _avi),
    (lambda start: start[:4] == b"GIF8", _gif),
)
_ENDS = (
    (b"\x1a\x45\xdf\xa3", ends.matroska),
    (b"FLV\1", ends.flash),
    (b"\0\0\1\xba", ends.program_stream),
    (b"OggS", ends.ogg),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", ends.windows_media),
    (b"", ends.transport_stream),
)
