"""Downloads a file into the cache: resumable, limited in size, and checked by its hash."""

import contextlib
import http.client
import os
import re
import time
import urllib.error
import urllib.request
from pathlib import Path

from tqdm import tqdm

from nanodet import __version__
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.files import make_folder, replacing, sha256
from nanodet.files.locks import hold, is_at
from nanodet.hub.connection import Deadline, opener
from nanodet.text.brief import brief_text

TIMEOUT_S = 30.0
ATTEMPTS = 5  # attempts in one call, as long as each of them receives data
SLOWEST = 100  # bytes per second over one timeout; below it a server counts as stalled
CHUNK = 1 << 16
LIMIT = 1 << 30  # bytes, for files of unknown size


def cache_folder() -> Path:
    """Return the folder for downloads: ``NANODET_HOME``, or ``~/.cache/nanodet``."""
    return Path(os.environ.get("NANODET_HOME") or Path.home() / ".cache" / "nanodet")


def address(place: str, url: str) -> str:
    """Return the URL for downloading a file: ``url``, or ``place`` below ``NANODET_MIRROR``.

    Args:
        place: path of the file in the cache folder, with ``/``; a mirror has the same layout.
        url: where it was published.
    """
    mirror = os.environ.get("NANODET_MIRROR")
    return f"{mirror.rstrip('/')}/{place}" if mirror else url


def download(
    url: str,
    path: StrPath,
    digits: str,
    size: int | None = None,
    timeout: float = TIMEOUT_S,
    label: str | None = None,
) -> None:
    """Download ``url`` to ``path``, which is written completely and with the right hash, or not at all.

    An interrupted download leaves ``<path>.part``, and the next one resumes from there. No ETag is
    stored, because the hash is checked: if it differs, the part is dropped and the file is downloaded
    once more. If several processes download the same file, one uses the part; the others use temporary
    names.

    Args:
        url: http or https; proxies are taken from the environment.
        path: the file to write; an existing one is replaced.
        digits: the file's SHA-256 in hexadecimal digits, or the first digits.
        size: of the file in bytes, if it is known; more is never read.
        timeout: seconds for each step: from the request to the first byte of the response's
            contents, and between data. The data rate must be at least `SLOWEST`.
        label: names the file in a progress bar, which is only shown on a terminal; None for no bar.

    Raises:
        NanodetError: one line that names the URL and what went wrong.
    """
    path = Path(path)
    make_folder(path.parent)
    try:
        with _part(path) as (part, file):
            resumed = _complete(file, url, size, timeout, label)
            if resumed and not sha256(part).startswith(digits):
                file.truncate(0)
                _complete(file, url, size, timeout, label)
            found = sha256(part)
            if not found.startswith(digits):
                file.truncate(0)
                raise NanodetError(
                    f"cannot fetch {url} (what comes is not the published file: its SHA-256 begins "
                    f"with {found[:8]}, not {digits[:8]})"
                )
    except OSError as error:  # disk errors; network errors are already NanodetErrors
        raise NanodetError(f"{path}: cannot be written ({error.strerror or error})") from None


@contextlib.contextmanager
def _part(path):
    """Yield name and open file of a part that no other process writes; then rename it to ``path``."""
    part = path.with_name(f"{path.name}.part")
    file = _open_locked(part)
    if file is None:
        with replacing(path) as part, open(part, "a+b") as file:
            yield part, file
        return
    with file:
        try:
            yield part, file
            os.replace(part, path)
        finally:
            if os.fstat(file.fileno()).st_size == 0:
                part.unlink(missing_ok=True)


def _open_locked(part):
    """Open a part exclusively; None if another process has it."""
    if os.name == "nt":  # without locks: downloads start again there
        return None
    file = open(part, "a+b")
    # another process may have finished in the meantime: then the open file has its final name
    if hold(file, wait=False) and is_at(file, part):
        return file
    file.close()
    return None


class _Broken(Exception):
    """The transfer ended too early; the received part is presumably good."""


def _complete(file, url, size, timeout, label):
    """Append the missing part of ``file``; return whether it had contents before."""
    start = file.seek(0, os.SEEK_END)
    if size is not None and start > size:
        file.truncate(start := 0)
    for attempt in range(ATTEMPTS):
        begin = file.seek(0, os.SEEK_END)
        if begin == size:
            break
        try:
            with contextlib.ExitStack() as open_things:
                deadline = Deadline(timeout)
                with _network_errors(url, timeout):
                    response, begin = _request_from(url, begin, size, deadline)
                    open_things.enter_context(response)
                file.truncate(begin)  # to 0 if the whole file is sent
                _receive(response, begin, file, url, size, deadline, label)
            break
        except _Broken as broken:
            kept = file.seek(0, os.SEEK_END)
            if kept <= begin or attempt == ATTEMPTS - 1:
                on = f"; its first {kept:,} bytes are kept, and the next try goes on there"
                raise NanodetError(f"cannot fetch {url} ({broken}){on if kept else ''}") from None
        finally:
            file.flush()
    return start > 0


def _receive(response, begin, file, url, size, deadline, label):
    """Request the rest of ``file``, which has ``begin`` bytes, and append it."""
    total = size if response.length is None else begin + response.length
    if size is not None and total != size:
        raise NanodetError(
            f"cannot fetch {url} (the server has {total:,} bytes there, the published file {size:,})"
        )
    done, limit = begin, LIMIT if size is None else size
    timeout, since, arrived = deadline.seconds, time.monotonic(), 0
    with tqdm(
        total=total, initial=begin, desc=label, unit="B", unit_scale=True, leave=False,
        dynamic_ncols=True, disable=None if label else True,
    ) as bar:  # fmt: skip
        while True:
            with _network_errors(url, timeout):
                deadline.restart()
                # the available bytes: read() would wait for the whole chunk, however slowly it arrives
                data = response.read1(min(CHUNK, limit - done + 1))
                arrived += len(data)
                if time.monotonic() - since >= timeout:
                    if arrived < SLOWEST * timeout:
                        raise TimeoutError
                    since, arrived = time.monotonic(), 0
            if not data:
                break
            done += len(data)
            if done > limit:
                file.truncate(0)
                raise NanodetError(f"cannot fetch {url} (more than {limit:,} bytes come)")
            file.write(data)
            bar.update(len(data))
    if total is not None and done < total:
        raise _Broken(f"the connection ended after {done:,} of {total:,} bytes")


def _request_from(url, start, size, deadline):
    """Return a response, and its first byte: ``start``, or 0 if the server does not support ranges."""
    director = opener(deadline)
    headers = {"User-Agent": f"nanodet/{__version__}", "Accept-Encoding": "identity"}
    if start:
        request = urllib.request.Request(url, headers=headers | {"Range": f"bytes={start}-"})
        try:
            response = director.open(request, timeout=deadline.seconds)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
        else:
            if response.status == http.client.OK:
                return response, 0
            whole = r"(\d+|\*)" if size is None else size
            described = response.headers.get("Content-Range", "")
            if re.fullmatch(rf"bytes {start}-\d+/{whole}", described.strip()):
                return response, start
            response.close()
    request = urllib.request.Request(url, headers=headers)
    response = director.open(request, timeout=deadline.seconds)
    if response.status != http.client.OK:
        response.close()
        raise urllib.error.URLError(f"the server answers {response.status} {response.reason}")
    return response, 0


@contextlib.contextmanager
def _network_errors(url, timeout):
    """Convert exceptions of a request to `_Broken`, or to `NanodetError` if a retry is useless."""
    problem: object
    try:
        yield
    except urllib.error.HTTPError as error:
        problem = f"the server answers {error.code} {error.reason}"
    except urllib.error.URLError as error:
        problem = error.reason
        if isinstance(problem, TimeoutError):
            problem = f"no connection within {timeout:g} s: offline?"
        elif isinstance(problem, OSError) and not hasattr(problem, "verify_message"):
            problem = f"no connection: {problem.strerror or problem}; offline?"
    except TimeoutError:
        raise _Broken(f"the server has stalled for {timeout:g} s") from None
    except ValueError as error:  # an invalid address
        problem = error
    except (OSError, http.client.HTTPException) as error:
        what = brief_text(str(error)) or type(error).__name__
        raise _Broken(f"the connection broke: {what}") from None
    else:
        return
    # a server's message may be of any length
    raise NanodetError(f"cannot fetch {url} ({brief_text(str(problem))})")
