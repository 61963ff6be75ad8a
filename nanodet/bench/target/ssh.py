"""A device that is reached by OpenSSH's client; on its side a shell is enough."""

import os
import re
import shutil
import subprocess
import tempfile

from nanodet.bench.target.device import Device, quote
from nanodet.errors import NanodetError

LINK_FAILED = 255
OPTIONS = {
    "BatchMode": "yes",  # nobody is asked: a password would have to be typed for every file
    "ConnectTimeout": "10",
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "3",
    "ClearAllForwardings": "yes",  # the user's, for other work
}


class SshDevice(Device):
    """A device such as ``me@board``, ``me@board:2222``, or a host of the user's ssh config.

    The first command's connection carries those that run beside it.

    Args:
        address: behind ``ssh:``.
        options: texts ``KEY=VALUE`` for ssh's ``-o``, before our own.
        start, root: see `Device`.
    """

    raising = "sudo -n sh -c"
    package = "install OpenSSH's client"

    def __init__(self, address, options=(), start=subprocess.Popen, root="/"):
        super().__init__(f"ssh:{address}", start, root)
        match = re.fullmatch(r"((?:[^@]+@)?)(\[[^]@]+\]|[^:@]+)(?::(\d{1,5}))?", address)
        if match is None or address.startswith("-") or match[2].startswith("-"):
            raise NanodetError(
                f"--target {self.name}: must be ssh:USER@HOST, ssh:USER@HOST:PORT or ssh:HOST"
            )
        self._host = match[1] + match[2].strip("[]")
        wrong = [option for option in options if not re.match(r"[A-Za-z0-9]+[= ]", option)]
        if wrong:
            raise NanodetError(f"--ssh-option {wrong[0]}: must be KEY=VALUE, as in ssh's config")
        self._options = [*options, *(f"{key}={value}" for key, value in OPTIONS.items())]
        self._port = ["-p", match[3]] if match[3] else []
        self._sockets = None

    def __enter__(self):
        if os.name != "nt":  # there ssh cannot share a connection
            self._sockets = tempfile.mkdtemp(prefix="nanodet-ssh-")
        return self

    def __exit__(self, *exception):
        if self._sockets is not None:
            shutil.rmtree(self._sockets, ignore_errors=True)

    def words(self, script):
        options = list(self._options)
        if self._sockets is not None:
            options += ["ControlMaster=auto", "ControlPersist=no"]
            options += [f"ControlPath={self._sockets}/link"]
        flags = [word for option in options for word in ("-o", option)]
        # -T: no terminal, which would change bytes; the user's shell may be any
        return ["ssh", "-T", *self._port, *flags, self._host, f"exec sh -c {quote(script)}"]

    def push(self, local, path):
        try:
            with open(local, "rb") as file:
                done = self.shell(f"cat >{quote(path)}", file)
        except OSError as error:
            raise NanodetError(f"{local}: cannot be read ({error.strerror})") from None
        if done.status != 0:
            raise NanodetError(f"{self.name}: {local}: cannot be copied there ({done.said})")

    def lost(self, done):
        return done.status == LINK_FAILED

    def explain(self, said):
        hint = ""
        if "Permission denied" in said:
            hint = "; no password is asked: give the device your key with ssh-copy-id"
        elif "Host key verification failed" in said:
            hint = f"; connect once by hand: ssh {' '.join([*self._port, self._host])}"
        return said.removesuffix(".") + hint
