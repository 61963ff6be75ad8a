"""Downloads from a real server that stalls, truncates and lies."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lying_server import lying_server

from nanodet.errors import NanodetError
from nanodet.hub.download import ATTEMPTS, _open_locked, cache_folder, download

CONTENT = bytes(i * i % 251 for i in range(50_000))
SIZE = len(CONTENT)
DIGITS = hashlib.sha256(CONTENT).hexdigest()
FETCH = """
import sys
from nanodet.errors import NanodetError
from nanodet.hub.download import download
try:
    download(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5]))
except NanodetError as error:
    sys.exit(str(error))
"""


@pytest.fixture(scope="module")
def module_server():
    with lying_server({"/model.bin": CONTENT}) as server:
        yield server


@pytest.fixture
def server(module_server):
    module_server.restart("well")
    return module_server


def fetch(server, path, size=SIZE, timeout=0.4):
    download(f"{server.url}/model.bin", path, DIGITS, size, timeout)


def start_fetch(server, path, timeout=20, program=FETCH):
    arguments = [f"{server.url}/model.bin", path, DIGITS, SIZE, timeout]
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)], stderr=subprocess.PIPE, text=True
    )


def names(folder):
    return sorted(f.name for f in folder.iterdir())


@pytest.mark.parametrize("way", ["well", "chunked", "redirect", "longer", "no-range"])
@pytest.mark.parametrize("size", [SIZE, None])
def test_whole_file(server, tmp_path, way, size):
    server.restart(way, "well")
    fetch(server, tmp_path / "new" / "model.bin", size)
    assert (tmp_path / "new" / "model.bin").read_bytes() == CONTENT
    assert names(tmp_path / "new") == ["model.bin"]
    assert (tmp_path / "new" / "model.bin").stat().st_mode & 0o777 == 0o666 & ~umask()


def umask():
    now = os.umask(0)
    os.umask(now)
    return now


LIES = {
    "wrong": "not the published file: its SHA-256 begins with",
    "shorter": "49,999 bytes there, the published file 50,000",
    "endless": "more than 50,000 bytes come",
    "failing": "answers 500",
    "unasked-range": "answers 206",
    "redirect-to-file": "302",
    "redirect-to-ftp": "unknown url type: ftp",
    "loop": "infinite loop",
    "gibberish": "the connection broke",
    "hang-up": "the connection broke",
    "silent": "stalled for 0.4 s",
    "broken-chunks": "the connection broke",
    "wordy": "answers 404",
    "wordy-success": "answers 206",
    "wordy-status": "the connection broke",
    "wordy-gibberish": "the connection broke",
    "wordy-redirect": "302",
}


@pytest.mark.parametrize("way", LIES)
def test_lies_are_one_line_and_leave_nothing(server, tmp_path, way):
    server.restart(way)
    with pytest.raises(NanodetError) as caught:
        fetch(server, tmp_path / "model.bin")
    assert str(caught.value).startswith(f"cannot fetch {server.url}/model.bin (")
    assert LIES[way] in str(caught.value)
    assert len(str(caught.value)) < 400
    assert names(tmp_path) == []
    assert len(server.ranges) <= 20
    assert sum(server.sent) < 50e6  # what the system buffers among it


ENDLESS = (
    "drip-status", "drip-header", "drip-headers", "continue-drip", "continue-endless",
    "continue-headers", "drip-extension",
)  # fmt: skip


@pytest.mark.parametrize("way", ENDLESS)
def test_an_answer_that_never_ends_is_given_up_in_time(server, tmp_path, way):
    server.restart(way)
    began = time.monotonic()
    with pytest.raises(
        NanodetError, match=r"stalled for 0\.2 s|connection broke: got more than 100"
    ):
        fetch(server, tmp_path / "model.bin", timeout=0.2)
    assert time.monotonic() - began < 3
    assert names(tmp_path) == [] and len(server.ranges) == 1


@pytest.mark.parametrize("size", [SIZE, None])
@pytest.mark.parametrize("way", ["drip-trailer", "endless-trailers"])
def test_what_never_ends_behind_the_content_is_given_up_in_time(server, tmp_path, way, size):
    server.restart(way)
    began = time.monotonic()
    if size is None:
        with pytest.raises(NanodetError, match=r"stalled for 0\.2 s"):
            fetch(server, tmp_path / "model.bin", size, timeout=0.2)
    else:
        fetch(server, tmp_path / "model.bin", timeout=0.2)
        assert (tmp_path / "model.bin").read_bytes() == CONTENT
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("way", ["redirect-drip", "redirect-endless"])
def test_the_content_of_a_redirect_is_not_waited_for(server, tmp_path, way):
    server.restart(way, "well")
    fetch(server, tmp_path / "model.bin")
    assert (tmp_path / "model.bin").read_bytes() == CONTENT


def test_wrong_bytes_are_refused_when_the_size_is_not_known(server, tmp_path):
    for way in ("wrong", "shorter"):
        server.restart(way)
        with pytest.raises(NanodetError, match="SHA-256"):
            fetch(server, tmp_path / "model.bin", size=None)
        assert names(tmp_path) == []


def test_an_older_file_stays_until_the_new_one_is_whole(server, tmp_path):
    (tmp_path / "model.bin").write_bytes(b"old")
    server.restart("wrong")
    with pytest.raises(NanodetError):
        fetch(server, tmp_path / "model.bin")
    assert (tmp_path / "model.bin").read_bytes() == b"old"


def test_missing_file_is_told(server, tmp_path):
    with pytest.raises(NanodetError, match="answers 404"):
        download(f"{server.url}/other.bin", tmp_path / "model.bin", DIGITS)


def test_truncated_transfer_goes_on_in_the_same_call(server, tmp_path):
    server.restart("truncate", "truncate", "well")
    fetch(server, tmp_path / "model.bin")
    assert (tmp_path / "model.bin").read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=25000-", "bytes=37500-"]
    assert server.sent == [25000, 12500, 12500]


@pytest.mark.parametrize(
    "way", ["truncate", *(pytest.param(way, marks=pytest.mark.slow) for way in ("stall", "drip"))]
)
def test_given_up_transfer_goes_on_in_the_next_call(server, tmp_path, way):
    server.restart(way)
    began = time.monotonic()
    with pytest.raises(NanodetError, match=r"bytes are kept, and the next try goes on there"):
        fetch(server, tmp_path / "model.bin", timeout=1)
    assert time.monotonic() - began < 10
    assert names(tmp_path) == ["model.bin.part"] and len(server.ranges) <= ATTEMPTS
    kept = (tmp_path / "model.bin.part").stat().st_size
    assert CONTENT.startswith((tmp_path / "model.bin.part").read_bytes()) and kept > 0
    server.restart("well")
    fetch(server, tmp_path / "model.bin")
    assert (tmp_path / "model.bin").read_bytes() == CONTENT
    assert names(tmp_path) == ["model.bin"]
    assert server.ranges == [f"bytes={kept}-"] and server.sent == [SIZE - kept]


def test_a_whole_part_needs_no_server(tmp_path):
    (tmp_path / "model.bin.part").write_bytes(CONTENT)
    download("http://127.0.0.1:9/model.bin", tmp_path / "model.bin", DIGITS, SIZE)
    assert names(tmp_path) == ["model.bin"]


@settings(max_examples=60)
# another part of the same length arrives: that is progress, though the file is no longer
@example(kept=25000, right=False, size=SIZE, ways=["other-range", "truncate"])
@given(
    kept=st.integers(0, SIZE + 10),
    right=st.booleans(),
    size=st.sampled_from([SIZE, None]),
    ways=st.lists(st.sampled_from(["well", "no-range", "other-range", "truncate"]), max_size=2),
)
def test_whatever_an_earlier_run_has_left(module_server, tmp_path_factory, kept, right, size, ways):
    folder = tmp_path_factory.mktemp("part")
    left = CONTENT + bytes(10) if right else bytes(SIZE + 10)
    (folder / "model.bin.part").write_bytes(left[:kept])
    module_server.restart(*ways, "well")
    fetch(module_server, folder / "model.bin", size, timeout=20)
    assert (folder / "model.bin").read_bytes() == CONTENT
    assert names(folder) == ["model.bin"]
    if right and size and not ways and kept <= SIZE:
        assert sum(module_server.sent) == SIZE - kept
    shutil.rmtree(folder)


def test_killed_download_leaves_no_final_file_and_goes_on(server, tmp_path):
    server.restart("stall")
    process = start_fetch(server, tmp_path / "model.bin")
    part = tmp_path / "model.bin.part"
    end = time.monotonic() + 20
    while not (part.is_file() and part.stat().st_size) and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert names(tmp_path) == ["model.bin.part"]
    kept = part.stat().st_size
    assert 0 < kept <= 25000
    server.restart("well")
    fetch(server, tmp_path / "model.bin")
    assert (tmp_path / "model.bin").read_bytes() == CONTENT
    assert server.sent == [SIZE - kept]


def test_several_processes_fetch_the_same_file(server, tmp_path):
    server.restart("slow")
    processes = [start_fetch(server, tmp_path / "model.bin") for _ in range(4)]
    for process in processes:
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
    assert (tmp_path / "model.bin").read_bytes() == CONTENT
    assert names(tmp_path) == ["model.bin"]


def test_a_part_that_another_process_writes_is_left_alone(server, tmp_path):
    server.restart("stall", "well")
    process = start_fetch(server, tmp_path / "model.bin", timeout=30)
    part = tmp_path / "model.bin.part"
    end = time.monotonic() + 20
    while not (part.is_file() and part.stat().st_size) and time.monotonic() < end:
        time.sleep(0.02)
    fetch(server, tmp_path / "model.bin")
    assert (tmp_path / "model.bin").read_bytes() == CONTENT
    assert server.ranges == [None, None]
    assert names(tmp_path) == ["model.bin", "model.bin.part"]
    process.kill()
    process.communicate()


def test_a_part_that_was_finished_before_it_could_be_locked(tmp_path, monkeypatch):
    part, lock = tmp_path / "model.bin.part", fcntl.flock

    def finished_meanwhile(file, kind):
        part.rename(tmp_path / "model.bin")
        lock(file, kind)

    monkeypatch.setattr(fcntl, "flock", finished_meanwhile)
    assert _open_locked(part) is None  # appending to it would spoil what is final now


def test_disk_that_takes_no_more_is_one_line(server, tmp_path):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))\n"
    process = start_fetch(server, tmp_path / "model.bin", program=limit + FETCH)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.splitlines() == [f"{tmp_path / 'model.bin'}: cannot be written (File too large)"]
    assert not (tmp_path / "model.bin").exists()


def test_offline_is_one_line(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound and not listening: nobody answers
        url = f"http://127.0.0.1:{free.getsockname()[1]}/model.bin"
        with pytest.raises(NanodetError, match=r"cannot fetch .* \(no connection: .*; offline\?\)"):
            download(url, tmp_path / "model.bin", DIGITS)
    assert names(tmp_path) == []


def test_a_proxy_or_a_handshake_that_never_ends_is_given_up_in_time(server, tmp_path, monkeypatch):
    monkeypatch.delenv("no_proxy", raising=False)
    answers = {
        "https_proxy": [b"HTTP/1.1 200 ok\r\n", *[b"X-More: yes\r\n"] * 100],
        None: [b"\x16\x03\x03\x40\x00", *[b"\x02"] * 100],  # the begin of a record of TLS
    }
    for variable, parts in answers.items():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            place = f"127.0.0.1:{listener.getsockname()[1]}"
            if variable:
                monkeypatch.setenv(variable, f"http://{place}")
            threading.Thread(target=drip, args=(listener, parts), daemon=True).start()
            began = time.monotonic()
            with pytest.raises(NanodetError, match=r"no connection.*: offline\?|0\.4 s"):
                url = f"https://{'published.invalid' if variable else place}/model.bin"
                download(url, tmp_path / "model.bin", DIGITS, SIZE, 0.4)
            assert time.monotonic() - began < 3
            monkeypatch.undo()


def drip(listener, parts):
    connected, _ = listener.accept()
    with connected, contextlib.suppress(OSError):
        for part in parts:
            connected.sendall(part)
            time.sleep(0.05)


SILENT_RESOLVER = """
import os, socket, subprocess, sys
with open("resolv.conf", "w") as file:
    file.write("nameserver 127.0.0.1\\noptions timeout:10 attempts:2\\n")
subprocess.run(["mount", "--bind", "resolv.conf", "/etc/resolv.conf"], check=True)
silent = socket.socket(type=socket.SOCK_DGRAM)
silent.bind(("127.0.0.1", 53))
"""


def test_a_name_that_nobody_resolves_is_given_up_in_time(tmp_path):
    own = ["unshare", "-m", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    if (
        not shutil.which("unshare")
        or subprocess.run([*own, "true"], capture_output=True).returncode
    ):
        pytest.skip(
            "needs a network and mounts of its own, which this user or machine may not have"
        )
    arguments = ["http://published.example/model.bin", tmp_path / "model.bin", DIGITS, SIZE, 0.5]
    done = subprocess.run(
        [*own, sys.executable, "-c", SILENT_RESOLVER + FETCH, *map(str, arguments)],
        capture_output=True, text=True, timeout=60, cwd=tmp_path,
    )  # fmt: skip
    assert done.stderr == (
        "cannot fetch http://published.example/model.bin (no connection within 0.5 s: offline?)\n"
    )


@pytest.mark.parametrize("url", ["model.bin", "file:///etc/hostname", "ftp://x/y", "http://[/x"])
def test_other_addresses_are_refused(tmp_path, url):
    with pytest.raises(NanodetError, match="cannot fetch"):
        download(url, tmp_path / "model.bin", DIGITS)
    assert names(tmp_path) == []


def test_proxy_of_the_environment_is_used(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("no_proxy", raising=False)
    url = "http://published.invalid/model.bin"
    download(url, tmp_path / "model.bin", DIGITS, SIZE, 5)
    assert (tmp_path / "model.bin").read_bytes() == CONTENT


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl to make a certificate")
def test_certificate_that_nobody_vouches_for(tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1",
         "-days", "1", "-keyout", key, "-out", certificate], check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with lying_server({"/model.bin": CONTENT}) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        url = server.url.replace("http:", "https:") + "/model.bin"
        with pytest.raises(NanodetError, match=r"certificate verify failed") as caught:
            download(url, tmp_path / "out" / "model.bin", DIGITS, SIZE, 5)
    assert "offline" not in str(caught.value)
    assert names(tmp_path / "out") == []


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("NANODET_HOME", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("NANODET_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert cache_folder() == tmp_path / "me" / ".cache" / "nanodet"
