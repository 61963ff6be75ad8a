"""Reads files of ``torch.save``: data only, and no more of it than the file's size suggests."""

import collections
import pickle
import re
import struct
import warnings
import zipfile
from os import PathLike
from typing import Any

import numpy as np
import torch

from nanodet.errors import NanodetError
from nanodet.files.expansion import check_expansion, parts_of
from nanodet.files.inputs import CHECKPOINT, open_input
from nanodet.model.pickle_calls import DAMAGED, Refused
from nanodet.model.pickle_scan import LONGEST, scan
from nanodet.runtime.engines import kind_of

_UNPACKED = 10  # times its size that a file may unpack to; torch itself does not compress
_SLACK = 1 << 20  # bytes
_SHARED = 16  # times that storage may be used by tensors: layers may share weights
_DIRECTORY = 16 << 20  # bytes, of some 100,000 entries
_PICKLES = 5  # in files of torch before 1.6: a number, a version, a system, the data, the storages


def load_plain(path: str | PathLike[str]) -> Any:
    """Return the contents of a file of `torch.save`, on the CPU, refusing anything but data.

    Raises:
        NanodetError: not a checkpoint, one that would run code, or one that would take far more
            memory than its size suggests.
    """
    kind = kind_of(path)
    if kind is not None and kind.exported:
        raise NanodetError(
            f"{path}: is {kind.name}, not a checkpoint: nanodet import makes a checkpoint of it"
        )
    with open_input(path, CHECKPOINT) as file:
        start = file.read(4)
        try:
            if start == b"PK\3\4":
                unpacked = _check_zip(file)
            elif start.startswith(b"\x80"):  # a pickle, as torch wrote before 1.6
                unpacked = _check_pickles(file)
            else:
                raise Refused(DAMAGED)
        except Refused as refused:
            raise NanodetError(f"{path}: {_reason(refused)}") from None
    try:
        with torch.serialization.safe_globals(_harmless()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old formats
            raw = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises exceptions of any class for garbage
        code = re.search(r"GLOBAL (\S*\w)", str(error))
        runs_code = code and isinstance(error, pickle.UnpicklingError)
        reason = _reason(Refused("", code[1])) if code and runs_code else DAMAGED
        raise NanodetError(f"{path}: {reason}") from None
    check_expansion(raw, path)
    _check_tensors(raw, path, unpacked)
    return raw


def _reason(refused):
    if refused.code is None:
        return str(refused)
    return f"refused: this file is not plain weights, loading it would run code ({refused.code})"


def _check_zip(file):
    """Return the total size of the entries in bytes; refuse archives that torch would not write."""
    size = file.seek(0, 2)
    try:
        directory = _directory(file, size)
        if size - directory > _DIRECTORY:
            raise Refused(f"its list of entries is longer than {_DIRECTORY:,} bytes")
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            # torch ignores case
            pickles = [one for one in entries if one.filename.lower().endswith("/data.pkl")]
            unpacked = sum(entry.file_size for entry in entries)
            if archive.start_dir != directory or len(pickles) != 1:
                raise Refused(DAMAGED)
            if unpacked > _UNPACKED * size + _SLACK:
                raise Refused(
                    f"would unpack to {unpacked:,} bytes, more than {_UNPACKED} times its "
                    f"{size:,}: no checkpoint does"
                )
            if pickles[0].file_size > LONGEST:
                raise Refused(f"its pickle is longer than {LONGEST:,} bytes")
            held = {entry.filename.lower(): entry.file_size for entry in entries}
            folder = pickles[0].filename.lower().removesuffix("data.pkl")
            for key, claimed in scan(archive.read(pickles[0])).storages.items():
                if claimed > held.get(f"{folder}data/{key}".lower(), -1):
                    raise Refused(DAMAGED)
            if len(held) < len(entries):  # a duplicate name
                raise Refused(DAMAGED)
    except (zipfile.BadZipFile, RuntimeError, OSError, ValueError):
        raise Refused(DAMAGED) from None
    return unpacked


def _directory(file, size):
    """Return the offset of the directory that a zip file states.

    Torch's reader uses this number, Python's does not: they must not read different directories.
    """
    file.seek(max(size - 98, 0))
    end = file.read().rjust(98, b"\0")
    if end[76:80] != b"PK\5\6":  # a comment after it could contain a second end record
        raise Refused(DAMAGED)
    if end[56:60] != b"PK\6\7":
        return struct.unpack_from("<I", end, 76 + 16)[0]
    if end[:4] != b"PK\6\6" or struct.unpack_from("<Q", end, 56 + 8)[0] != size - 98:
        raise Refused(DAMAGED)
    return struct.unpack_from("<Q", end, 48)[0]


def _check_pickles(file):
    """Return the size of a file of torch before 1.6; refuse what `scan` refuses."""
    size = file.seek(0, 2)
    file.seek(0)
    data, at = file.read(LONGEST), 0
    for _ in range(_PICKLES):
        try:
            at, storages = scan(data, at)
        except Refused as refused:
            if refused.cut_off and size > LONGEST:
                raise Refused(f"its pickle is longer than {LONGEST:,} bytes") from None
            raise
        if sum(storages.values()) > size:  # torch allocates them before it reads them
            raise Refused(DAMAGED)
    return size


def _check_tensors(raw, path, unpacked):
    """Refuse tensors that repeat their storage: a number of 4 bytes can be as large as all memory."""
    seen, todo, total = set(), [raw], 0
    while todo:
        value = todo.pop()
        if isinstance(value, torch.Tensor):
            total += value.numel() * value.element_size()
        elif id(value) not in seen:
            seen.add(id(value))
            todo.extend(parts_of(value))
    if total > _SHARED * unpacked + _SLACK:
        raise NanodetError(
            f"{path}: its tensors claim {total:,} bytes, but the file has {unpacked:,} for them"
        )


def _harmless():
    """Return the classes, besides tensors, that occur in original checkpoints; none runs code."""
    scalar = np._core.multiarray.scalar  # type: ignore[attr-defined]
    harmless = [np.dtype, np.ndarray, scalar, collections.defaultdict]
    harmless += [type(np.dtype(kind)) for kind in (np.float32, np.float64, np.int64)]
    try:
        from pytorch_lightning.callbacks import ModelCheckpoint
    except ImportError:
        return harmless
    # Lightning 1.x wrote it as the key of the callbacks' states
    return [*harmless, ModelCheckpoint]
