"""HTTP requests with a deadline, however slowly a server sends.

The timeout of a socket is per read: a byte now and then would keep a request alive forever.
"""

import functools
import http.client
import io
import queue
import socket
import threading
import time
import urllib.request
from typing import Any


class Deadline:
    """The deadline for one step of a transfer.

    Attributes:
        seconds: per step.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.restart()

    def restart(self) -> None:
        """Start a step."""
        self._end = time.monotonic() + self.seconds

    def left(self) -> float:
        """Return how many seconds are left, above 0.

        Raises:
            TimeoutError: no time is left.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left


def opener(deadline: Deadline) -> urllib.request.OpenerDirector:
    """Return a `urllib.request.OpenerDirector` for http and https whose reads keep a `Deadline`.

    Resolving the server's address and connecting keep it, too. Redirects to other protocols are refused.
    """
    director = urllib.request.OpenerDirector()  # build_opener's would follow a redirect to ftp, too
    for handler in (
        urllib.request.ProxyHandler(), _Handler(deadline), _RedirectHandler(),
        urllib.request.HTTPDefaultErrorHandler(), urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):  # fmt: skip
        director.add_handler(handler)
    return director


class _Handler(urllib.request.AbstractHTTPHandler):
    """Opens http and https alike."""

    http_request = https_request = urllib.request.AbstractHTTPHandler.do_request_

    def __init__(self, deadline):
        super().__init__()
        self._deadline = deadline

    def http_open(self, request):
        return self._open(http.client.HTTPConnection, request)

    def https_open(self, request):
        return self._open(http.client.HTTPSConnection, request)

    def _open(self, kind, request):
        return self.do_open(functools.partial(_connection, kind, self._deadline), request)


class _RedirectHandler(urllib.request.HTTPRedirectHandler):
    def http_error_302(self, request, response, code, message, headers):
        response.close()  # otherwise all of its contents would be read
        return super().http_error_302(request, response, code, message, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _connection(kind, deadline, host, timeout=None, **settings):
    """Return an `http.client` connection of a kind; see `opener`."""
    connection = kind(host, timeout=timeout, **settings)
    connection._create_connection = functools.partial(_connect, deadline)
    connection.response_class = functools.partial(_Response, deadline)
    return connection


def _connect(deadline, address, timeout=None, source_address=None):
    """Like `socket.create_connection`, within the remaining time."""
    problem = None
    for family, kind, protocol, _, place in _addresses(address[0], address[1], deadline):
        connected = socket.socket(family, kind, protocol)
        try:
            connected.settimeout(deadline.left())
            connected.connect(place)
            return connected
        except OSError as error:
            connected.close()
            problem = error
    raise problem or OSError("the server has no address")


def _addresses(host, port, deadline):
    """Like `socket.getaddrinfo`, with a timeout."""
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def ask():
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        found = answers.get(timeout=deadline.left())
    except queue.Empty:
        raise TimeoutError("timed out") from None
    if isinstance(found, Exception):
        raise found
    return found


class _Response(http.client.HTTPResponse):
    def __init__(self, deadline, connected, *arguments, **settings):
        super().__init__(connected, *arguments, **settings)
        self.fp = io.BufferedReader(_Reads(self.fp.detach(), connected, deadline))


class _Reads(io.RawIOBase):
    """Reads a socket until the deadline."""

    def __init__(self, raw, connected, deadline):
        self._raw, self._socket, self._deadline = raw, connected, deadline

    def readable(self):
        return True

    def readinto(self, buffer):
        self._socket.settimeout(self._deadline.left())
        return self._raw.readinto(buffer)

    def close(self):
        self._raw.close()
        super().close()
