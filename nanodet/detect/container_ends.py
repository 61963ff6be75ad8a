"""Detects truncated video files without decoding them.

Each function takes a binary file and its size in bytes, and returns true only if the file is
certainly truncated: if it stops inside a part that states its length.
"""

import struct
from typing import BinaryIO

PARTS = 2_000_000  # parts of a file that are read; a file with more is not judged
_SEGMENT, _CLUSTER, _BLOCKS = 0x18538067, 0x1F43B675, (0xA0, 0xA3)
_ASF_HEADER, _ASF_DATA = b"\x30\x26\xb2\x75", b"\x36\x26\xb2\x75"


def read_at(file: BinaryIO, place: int, count: int) -> bytes:
    """Return up to ``count`` bytes from ``place`` on."""
    file.seek(place)
    return file.read(count)


def matroska(file: BinaryIO, size: int) -> bool:
    """Matroska and WebM: elements in a segment, clusters of frames among them."""
    at, stop, known, clusters = 0, size, False, 0
    for _ in range(PARTS):
        if at >= min(stop, size):
            return stop > size
        head = read_at(file, at, 12)
        number = 9 - head[0].bit_length()
        width = 9 - head[number].bit_length() if number < len(head) else 1
        if number > 4 or width > 8:  # no element where there must be one: the rest is lost
            return known and clusters > 0
        if len(head) < number + width:
            return True
        kind = int.from_bytes(head[:number])
        length = int.from_bytes(head[number : number + width]) & ~(1 << 7 * width)
        unknown = length == (1 << 7 * width) - 1
        at += number + width
        clusters += kind == _CLUSTER
        if kind == _SEGMENT and not known:
            stop, known = (size, False) if unknown else (at + length, True)
        elif kind != _CLUSTER or not unknown:
            if at + length > size:  # what follows the frames, an index, may be lost
                return kind == _CLUSTER or kind in _BLOCKS or not clusters
            at += length
    return False


def flash(file: BinaryIO, size: int) -> bool:
    """FLV: tags of sound and frames."""
    at = 13
    for _ in range(PARTS):
        head = read_at(file, at, 4)
        if len(head) < 4:
            return len(head) > 0
        if head[0] & 0x1F not in (8, 9, 18):
            return False
        at += 11 + int.from_bytes(head[1:]) + 4
        if at - 4 > size:
            return True
    return False


def program_stream(file: BinaryIO, size: int) -> bool:
    """MPEG program stream: packs of packets that state their length; checks the last pack."""
    tail = read_at(file, max(0, size - (1 << 18)), 1 << 18)
    at = tail.rfind(b"\0\0\1\xba")
    while 0 <= at < len(tail):
        code = tail[at : at + 4]
        if not b"\0\0\1".startswith(code[:3]) or code == b"\0\0\1\xb9":
            return False
        if len(tail) - at < 14:
            return True
        if code[3] != 0xBA:
            at += 6 + int.from_bytes(tail[at + 4 : at + 6])
        else:
            at += 14 + (tail[at + 13] & 7) if tail[at + 4] & 0xC0 == 0x40 else 12
    return at > len(tail)


def ogg(file: BinaryIO, size: int) -> bool:
    """Ogg: pages of at most 65,307 bytes; checks the last one."""
    tail = read_at(file, max(0, size - (1 << 17)), 1 << 17)
    page = tail[max(0, tail.rfind(b"OggS")) :]
    if len(page) < 27 or len(page) < 27 + page[26]:
        return True
    return len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]])


def windows_media(file: BinaryIO, size: int) -> bool:
    """ASF (WMV): objects, one of them all frames."""
    at = 0
    for _ in range(PARTS):
        if at + 24 > size:
            return False
        name, length = struct.unpack("<4s12xQ", read_at(file, at, 24))
        if at + length > size:
            return name in (_ASF_HEADER, _ASF_DATA)
        if length < 24:
            return False
        at += length
    return False


def transport_stream(file: BinaryIO, size: int) -> bool:
    """MPEG transport stream: packets of equal length, possibly with 4 bytes before or 16 after each."""
    start = read_at(file, 0, 1024)
    for length in (188, 192, 204):
        for first in range(length if len(start) == 1024 else 0):
            if start[first::length][:4] == b"GGGG":
                rest = (size - first) % length
                return 0 < rest < 188 and read_at(file, size - rest, 1) == b"G"
    return False
