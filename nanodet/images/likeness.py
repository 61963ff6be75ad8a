"""Finds copies of an image among many: the same file, re-encoded, resized, brighter, and mirrored or cropped.

A perceptual hash proposes pairs, and `nanodet.images.same_view` compares their pixels: a hash alone takes
images of a kind, such as drawings or microscope images, for copies of each other.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO

import cv2
import numpy as np

from nanodet.cores import core_count
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.inputs import PICTURE, read_bytes
from nanodet.images.header import read_header
from nanodet.images.image_file import turn
from nanodet.images.limits import check_pixels
from nanodet.images.opencv_log import quiet
from nanodet.images.same_view import SIDE, same_view, same_view_moved
from nanodet.text.progress import Progress

DISTANCE = 16  # bits in which copies may differ; unrelated photographs differ in 32 +- 5 of 64
FLAT = (
    4.0  # deviation in grey levels: with less, the bits are noise, and only equal files are copies
)
MOST_COMPARED = 300_000  # pairs: more only of thousands of images of one fixed camera
MOST_MOVED = 5_000  # pairs that are aligned before they are compared, about a millisecond each
_REDUCED = {  # OpenCV decodes JPEG at a fraction of its size, several times faster
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    1: cv2.IMREAD_GRAYSCALE,
}
_ROWS = 512  # of the table of distances, computed at once
_PAIRS = 1024  # compared at once


@dataclass(frozen=True)
class Likeness:
    """What an image looks like.

    Attributes:
        file: digest of the file's bytes.
        bits: the hash, 64 bits: for each of the lowest frequencies of the image's cosine transform
            whether it is above their median; nearly the same at other sizes, compression, brightness
            and contrast.
        small: uint8 (`SIDE`, `SIDE`), the grey image, rotated as EXIF says.
    """

    file: bytes
    bits: int
    small: np.ndarray


def likeness(path: StrPath) -> Likeness:
    """Return the `Likeness` of an image file.

    Raises:
        NanodetError: missing, or not an image that OpenCV can read. A truncated one is not refused.
    """
    data = read_bytes(path, PICTURE)
    header = read_header(BytesIO(data))
    check_pixels(header.width, header.height, path)
    side = min(header.width, header.height)
    factor = next((n for n in (8, 4, 2) if side >= 2 * n * SIDE), 1)
    try:
        with quiet():
            flags = _REDUCED[factor] | cv2.IMREAD_IGNORE_ORIENTATION
            grey = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error:
        grey = None
    if grey is None:
        raise NanodetError(f"{path}: not an image that OpenCV can read")
    small = cv2.resize(turn(grey, header.orientation), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return Likeness(hashlib.blake2b(data, digest_size=16).digest(), _bits(small), small)


def _bits(small: np.ndarray) -> int:
    """Return the hash of a grey image uint8 (`SIDE`, `SIDE`)."""
    waves = cv2.dct(cv2.resize(small, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32))
    low = waves[:8, :8].flatten()
    low[0] = 0  # the brightness
    return int.from_bytes(np.packbits(low > np.median(low)).tobytes())


def likenesses(paths: Iterable[StrPath], progress: bool = True) -> list[Likeness | NanodetError]:
    """Return the `Likeness` of each image, or the error that says why it has none."""
    paths = list(paths)
    found: list[Likeness | NanodetError] = []
    shown = Progress(len(paths), "image", progress, "comparing images")

    def one(path: StrPath) -> Likeness | NanodetError:
        try:
            return likeness(path)
        except NanodetError as error:
            return error

    with ThreadPoolExecutor(core_count()) as pool:  # OpenCV decodes outside Python's lock
        for result in pool.map(one, paths):
            found.append(result)
            shown.step()
    shown.close()
    return found


def groups(found: Sequence[Likeness | NanodetError], distance: int = DISTANCE) -> list[list[int]]:
    """Return the groups of images that are copies of each other, or of copies of each other.

    Images of a fixed camera that differ little count as copies, too; of an image without structure
    only the same file does.

    Args:
        found: from `likenesses`; errors are alone.
        distance: bits in which the hashes of copies may differ, 0..64.

    Returns:
        lists of two or more indices into ``found``, each in order, by their first.
    """
    root = np.arange(len(found))
    first: dict[bytes, int] = {}
    compared = []
    for n, one in enumerate(found):
        if isinstance(one, NanodetError):
            continue
        root[n] = first.setdefault(one.file, n)
        if root[n] == n and one.small.std() >= FLAT:
            compared.append(n)
    if compared:
        _join_alike(found, np.array(compared), root, distance)
    members: dict[int, list[int]] = {}
    for n, leader in enumerate(root.tolist()):
        members.setdefault(leader, []).append(n)
    return [some for some in members.values() if len(some) > 1]


def _join_alike(
    found: Sequence[Likeness | NanodetError], at: np.ndarray, root: np.ndarray, distance: int
) -> None:
    """Give images of one view, also mirrored, the same ``root`` (N,); ``at`` are those to compare."""
    some = [one for n in at.tolist() if not isinstance(one := found[n], NanodetError)]
    bits = np.array([one.bits for one in some], np.uint64)
    small = np.stack([one.small for one in some])

    def join(i: int, j: int) -> None:
        ends = sorted((root[at[i]], root[at[j]]))
        root[root == ends[1]] = ends[0]

    budget = [MOST_COMPARED]
    waiting: list[tuple[int, int, int]] = []  # bits that differ, and the pair
    for a, b, apart in _near(bits, bits, distance):
        for part in _parts(a, b, at, root, budget):
            same, near = same_view(small[a[part]], small[b[part]])
            for n in part[same].tolist():
                join(int(a[n]), int(b[n]))
            waiting += [(int(apart[n]), int(a[n]), int(b[n])) for n in part[near].tolist()]
    mirrored = np.ascontiguousarray(small[:, :, ::-1])
    for a, b, _ in _near(bits, np.array([_bits(one) for one in mirrored], np.uint64), distance):
        for part in _parts(a, b, at, root, budget):
            for n in part[same_view(small[a[part]], mirrored[b[part]])[0]].tolist():
                join(int(a[n]), int(b[n]))
    # the most alike first; OpenCV aligns outside Python's lock
    waiting = [pair for pair in sorted(waiting) if root[at[pair[1]]] != root[at[pair[2]]]]
    waiting = waiting[:MOST_MOVED]
    with ThreadPoolExecutor(core_count()) as pool:
        alike = pool.map(lambda pair: same_view_moved(small[pair[1]], small[pair[2]]), waiting)
        for (_, i, j), same_pair in zip(waiting, alike, strict=True):
            if same_pair:
                join(i, j)


def _near(
    bits: np.ndarray, others: np.ndarray, distance: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield pairs of different indices whose hashes differ by ``distance`` at most, and by how much.

    (first, second, bits) of some rows of the table at once, first < second. Those that differ by a few
    bits come first, of all rows.
    """
    few = min(distance, DISTANCE // 3)
    for low, high in ((0, few), (few + 1, distance)):
        for start in range(0, len(bits), _ROWS):
            apart = np.bitwise_count(bits[start : start + _ROWS, None] ^ others[None, start:])
            first, second = np.nonzero((apart >= low) & (apart <= high))
            ahead = second > first
            first, second = first[ahead], second[ahead]
            yield first + start, second + start, apart[first, second]


def _parts(
    a: np.ndarray, b: np.ndarray, at: np.ndarray, root: np.ndarray, budget: list[int]
) -> Iterator[np.ndarray]:
    """Yield indices of pairs to compare at once; of many copies, most are joined by others before.

    ``budget`` has the number of pairs that may still be compared.
    """
    for start in range(0, len(a), _PAIRS):
        part = np.arange(start, min(start + _PAIRS, len(a)))
        part = part[root[at[a[part]]] != root[at[b[part]]]][: budget[0]]
        budget[0] -= len(part)
        yield part
