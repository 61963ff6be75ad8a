"""A web server on 127.0.0.1 that serves files well, or lies in a way it is told."""

import http.server
import re
import threading
from contextlib import contextmanager


class LyingServer(http.server.ThreadingHTTPServer):
    """Serves ``files``: path to bytes.

    Attributes:
        ways: how to answer, one word a request (see `_Handler`); the last one stays.
        ranges: the Range header of each request, None where it had none.
        sent: bytes of content given to the network for each request.
    """

    daemon_threads = True

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.ways, self.ranges, self.sent = files, ["well"], [], []
        self.over = threading.Event()
        self.lock = threading.Lock()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def restart(self, *ways):
        """Answer in these ways from now on, and count anew."""
        self.ways, self.ranges, self.sent = list(ways), [], []

    def handle_error(self, request, client_address):
        pass  # clients that hang up are what is tested


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        with server.lock:
            way = server.ways.pop(0) if len(server.ways) > 1 else server.ways[0]
            server.ranges.append(self.headers["Range"])
            # a handler that outlives `restart` goes on counting in the list of its own time
            self.sent, self.number = server.sent, len(server.sent)
            self.sent.append(0)
        # through a proxy the whole address is asked for
        path = re.sub("^http://[^/]*", "", self.path)
        self.content = server.files.get(path)
        if self.content is None and way not in ("loop", "silent"):
            self.send_error(404)
            return
        getattr(self, way.replace("-", "_"))()

    def well(self, length=None, pause_s=0.0, chunk=1 << 14):
        """As it should be; ``length`` bytes of content, then the connection ends."""
        start = self.start()
        part = self.content[start:]
        if start >= len(self.content):
            self.head(416, {"Content-Range": f"bytes */{len(self.content)}"})
            return
        described = {"Content-Length": len(part)}
        if start:
            end = len(self.content)
            described["Content-Range"] = f"bytes {start}-{end - 1}/{end}"
        self.head(206 if start else 200, described)
        part = part if length is None else part[: int(len(part) * length)]
        for begin in range(0, len(part), chunk):
            self.write(part[begin : begin + chunk])
            if pause_s:
                self.server.over.wait(pause_s)

    def slow(self):
        """As it should be, over about half a second."""
        self.well(pause_s=500 / len(self.content), chunk=1 << 10)

    def truncate(self):
        """Half of what is announced."""
        self.well(length=0.5)

    def stall(self):
        """Half of it, and then nothing, with the connection open."""
        self.well(length=0.5)
        self.server.over.wait(30)

    def drip(self):
        """A byte now and then, so that no single wait is long."""
        self.well(pause_s=0.05, chunk=1)

    def silent(self):
        """Takes the connection and never answers."""
        self.server.over.wait(30)

    def no_range(self):
        """Knows no ranges: always the whole file."""
        del self.headers["Range"]
        self.well()

    def other_range(self):
        """Sends another range than the one asked for."""
        start = self.start()
        if not start:
            self.well()
            return
        end = len(self.content)
        self.head(206, {"Content-Range": f"bytes 1-{end - 1}/{end}", "Content-Length": end - 1})
        self.write(self.content[1:])

    def unasked_range(self):
        """A part where the whole was asked for."""
        self.head(206, {"Content-Range": "bytes 5-9/10", "Content-Length": 5})
        self.write(self.content[5:10])

    def wrong(self):
        """Other bytes of the right length."""
        self.content = bytes(255 - byte for byte in self.content)
        self.well()

    def shorter(self):
        """A shorter file, well announced."""
        self.content = self.content[:-1]
        self.well()

    def longer(self):
        """Announces the right length, sends more."""
        self.head(200, {"Content-Length": len(self.content)})
        self.write(self.content + b"more")

    def endless(self):
        """No length, no end."""
        self.head(200, {})
        while not self.server.over.is_set():
            self.write(bytes(1 << 16))

    def chunked(self):
        """The right file in chunks, without a length."""
        self.in_chunks()
        for begin in range(0, len(self.content), 1000):
            part = self.content[begin : begin + 1000]
            self.wfile.write(b"%x\r\n" % len(part))
            self.write(part)
            self.wfile.write(b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def broken_chunks(self):
        """Chunks whose lengths are none."""
        self.in_chunks()
        self.wfile.write(b"zzz\r\nno chunk\r\n")

    def drip_status(self):
        """The first line of an answer, a byte now and then."""
        self.keep_sending(b"H", first=b"HTTP/1.1 200 ")

    def drip_header(self):
        """A line of the header, a byte now and then."""
        self.keep_sending(b"x", first=b"HTTP/1.1 200 OK\r\nX-Long: ")

    def drip_headers(self):
        """Lines of the header, one now and then."""
        self.keep_sending(b"X-More: yes\r\n", first=b"HTTP/1.1 200 OK\r\n")

    def continue_drip(self):
        """That we should go on, now and then."""
        self.keep_sending(b"HTTP/1.1 100 Continue\r\n\r\n")

    def continue_endless(self):
        """That we should go on, without a pause."""
        self.keep_sending(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, pause_s=0)

    def continue_headers(self):
        """That we should go on, with a header that does not end."""
        self.keep_sending(b"X-More: yes\r\n" * 1000, first=b"HTTP/1.1 100 Continue\r\n", pause_s=0)

    def drip_extension(self):
        """A chunk whose first line goes on and on."""
        self.in_chunks()
        self.keep_sending(b"x", first=b"5;more=")

    def drip_trailer(self):
        """The right file in chunks, and what follows them never ends."""
        self.in_chunks()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(self.content), self.content))
        self.keep_sending(b"x", first=b"0\r\nX-Long: ")

    def endless_trailers(self):
        """The same, without a pause."""
        self.in_chunks()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(self.content), self.content))
        self.keep_sending(b"X-More: yes\r\n" * 1000, first=b"0\r\n", pause_s=0)

    def redirect_drip(self):
        """To another name, with content that does not end."""
        self.server.files["/moved"] = self.content
        self.head(302, {"Location": "/moved"})
        self.keep_sending(b"x")

    def redirect_endless(self):
        """The same, without a pause."""
        self.server.files["/moved"] = self.content
        self.head(302, {"Location": "/moved"})
        self.keep_sending(bytes(1 << 16), pause_s=0)

    def in_chunks(self):
        self.protocol_version = "HTTP/1.1"
        self.head(200, {"Transfer-Encoding": "chunked"})

    def keep_sending(self, data, first=b"", pause_s=0.05):
        """Write some bytes again and again, as long as the client takes them."""
        self.wfile.write(first)
        while not self.server.over.wait(pause_s):
            self.wfile.write(data)

    def gibberish(self):
        """Not HTTP at all."""
        self.wfile.write(b"\x00\x01\x02 hello\r\n\r\n" * 20)

    def wordy(self):
        """A reason of 60,000 letters for an error."""
        self.wfile.write(b"HTTP/1.1 404 " + b"x" * 60_000 + b"\r\n\r\n")

    def wordy_success(self):
        """The same for an answer that was not asked for."""
        self.wfile.write(b"HTTP/1.1 206 " + b"x" * 60_000 + b"\r\n\r\n")

    def wordy_status(self):
        """The same where a number is to be."""
        self.wfile.write(b"HTTP/1.1 " + b"x" * 60_000 + b"\r\n\r\n")

    def wordy_gibberish(self):
        self.wfile.write(b"x" * 60_000 + b"\r\n\r\n")

    def wordy_redirect(self):
        """To an address of 60,000 letters that is none."""
        self.head(302, {"Location": f"x{'y' * 60_000}://z", "Content-Length": 0})

    def hang_up(self):
        """Ends the connection without a word."""

    def failing(self):
        self.head(500, {"Content-Length": 0})

    def redirect(self):
        """To another name, which serves well."""
        self.server.files["/moved"] = self.content
        self.head(302, {"Location": "/moved", "Content-Length": 0})

    def redirect_to_file(self):
        self.head(302, {"Location": "file:///etc/hostname", "Content-Length": 0})

    def redirect_to_ftp(self):
        self.head(302, {"Location": "ftp://127.0.0.1/x", "Content-Length": 0})

    def loop(self):
        self.head(302, {"Location": f"{self.path}x", "Content-Length": 0})

    def start(self):
        """Return the first byte asked for."""
        match = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        return int(match[1]) if match else 0

    def head(self, status, described):
        self.send_response(status)
        for name, value in described.items():
            self.send_header(name, str(value))
        self.end_headers()

    def write(self, data):
        self.sent[self.number] += len(data)  # before: a client may have it all at once
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@contextmanager
def lying_server(files):
    """Run a `LyingServer` while the context lasts."""
    with LyingServer(files) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()
