"""Finds a font for a text: OpenCV's, or one that is installed.

OpenCV's covers the alphabets of Europe, Chinese, Japanese, Korean, Hebrew, and isolated Arabic
letters. For others the installed TrueType fonts are searched, once.
"""

import os
import struct
import sys
import unicodedata
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

OWN = "sans"
NEEDED = {b"cmap", b"glyf", b"head", b"hhea", b"hmtx", b"loca", b"maxp"}


@lru_cache(maxsize=4096)
def font_for(text: str) -> Any:
    """Return a `cv2.FontFace` that has all letters of ``text``, ``None`` if there is none."""
    if text.isascii():
        return face(OWN)
    letters = {c for c in text if not c.isspace() and unicodedata.category(c) not in ("Cf", "Mn")}
    if all(map(_is_in_own, letters)):
        return face(OWN)
    codes = {ord(char) for char in text if not char.isspace() and ord(char) >= 0x20}
    for path in _installed():
        if _covers(path, codes):
            return face(path)
    return None


@lru_cache(maxsize=64)
def face(name: str) -> Any:
    """Return the `cv2.FontFace` for one of OpenCV's names or the path of a file."""
    return cv2.FontFace(name)


@lru_cache(maxsize=65536)
def _is_in_own(char):
    """Return whether OpenCV's font has a letter; it draws a question mark for missing ones."""
    return char == "?" or not np.array_equal(_drawn(char), _drawn("?"))


def _drawn(char):
    canvas = np.zeros((48, 64), np.uint8)
    cv2.putText(canvas, char, (12, 34), (255,), face(OWN), 24, 400)
    return canvas


@lru_cache(maxsize=1)
def _installed():
    """Return the TrueType files of this machine, plain faces first."""
    home = Path.home()
    if sys.platform == "win32":
        places = [Path(os.environ.get("WINDIR", r"C:\Windows")) / "Fonts"]
        places.append(home / "AppData" / "Local" / "Microsoft" / "Windows" / "Fonts")
    elif sys.platform == "darwin":
        places = [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts"]
    else:
        data = os.environ.get("XDG_DATA_HOME") or home / ".local" / "share"
        places = [Path(data) / "fonts", home / ".fonts"]
        places += [Path("/usr/local/share/fonts"), Path("/usr/share/fonts")]
    matplotlib = find_spec("matplotlib")  # it contains fonts
    if matplotlib is not None:
        places += [
            Path(p) / "mpl-data" / "fonts" for p in matplotlib.submodule_search_locations or ()
        ]
    files = [
        str(Path(folder) / name)
        for place in places
        for folder, _, names in os.walk(place)
        for name in names
        if name.lower().endswith((".ttf", ".ttc")) and "lastresort" not in name.lower()
    ]

    def odd(path):
        name = Path(path).stem.lower()
        return sum(word in name for word in ("bold", "italic", "oblique", "serif", "mono", "light"))

    return tuple(sorted(files, key=lambda path: (odd(path), len(path), path)))


@lru_cache(maxsize=4096)
def _ranges(path):
    """Return the ranges (first, last code) of letters of a TrueType file, none for any other file.

    OpenCV ends the process on files that are damaged or of another kind, so this is checked first.
    """
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            at = 0
            start = _at(file, 0, 16)
            if start[:4] == b"ttcf":
                (at,) = struct.unpack_from(">I", start, 12)
            version, count = struct.unpack(">4sH", _at(file, at, 6))
            if version not in (b"\0\1\0\0", b"true"):
                return ()
            tables = {}
            for entry in struct.iter_unpack(">4s4xII", _at(file, at + 12, 16 * count)):
                tables[entry[0]] = entry[1:]
            if not tables.keys() >= NEEDED or any(sum(part) > size for part in tables.values()):
                return ()
            return tuple(_cmap_ranges(_at(file, *tables[b"cmap"])))
    except (OSError, struct.error):
        return ()


def _at(file, start, length):
    file.seek(start)
    return file.read(length)


def _cmap_ranges(table):
    (count,) = struct.unpack_from(">H", table, 2)
    for platform, _, at in struct.iter_unpack(">HHI", table[4 : 4 + 8 * count]):
        (form,) = struct.unpack_from(">H", table, at)
        if platform not in (0, 3):
            continue
        if form == 4:
            (twice,) = struct.unpack_from(">H", table, at + 6)
            ends = struct.unpack_from(f">{twice // 2}H", table, at + 14)
            starts = struct.unpack_from(f">{twice // 2}H", table, at + 16 + twice)
            yield from zip(starts, ends, strict=True)
        elif form == 12:
            (groups,) = struct.unpack_from(">I", table, at + 12)
            groups = table[at + 16 : at + 16 + 12 * groups]
            yield from (group[:2] for group in struct.iter_unpack(">III", groups))


def _covers(path, codes):
    ranges = _ranges(path)
    return all(any(first <= code <= last for first, last in ranges) for code in codes)
