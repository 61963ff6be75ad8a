"""A device that is reached by OpenSSH's client; on its side a shell is enough."""

import contextlib
import os
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from nanodet.bench.target.device import Device, Done, quote
from nanodet.errors import NanodetError
from nanodet.files.temporary import temporary_folder

LINK_FAILED = 255
LONGEST_SOCKET = 80  # bytes; the system's limit is 108, and ssh adds some to the name
# whatever the user's config says: the session needs its input, and runs our script
NEEDED = {
    "IgnoreUnknown": "StdinNull,ForkAfterAuthentication",  # releases before 8.7
    "StdinNull": "no",
    "ForkAfterAuthentication": "no",
    "RemoteCommand": "none",
    "RequestTTY": "no",
}
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
        address: what follows ``ssh:``.
        options: texts ``KEY=VALUE`` for ssh's ``-o``, before our defaults.
        start, root: see `Device`.
    """

    raising = "sudo -n sh -c"
    package = "install OpenSSH's client"

    def __init__(
        self,
        address: str,
        options: Sequence[str] = (),
        start: Callable[..., subprocess.Popen[Any]] = subprocess.Popen,
        root: str = "/",
    ) -> None:
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
        ours, defaults = (
            [f"{key}={value}" for key, value in some.items()] for some in (NEEDED, OPTIONS)
        )
        self._options = [*ours, *options, *defaults]  # ssh takes the first of several
        self._port = ["-p", match[3]] if match[3] else []
        self._sockets: Path | None = None
        self._files = contextlib.ExitStack()

    def __enter__(self) -> Self:
        if os.name != "nt":  # there ssh cannot share a connection
            self._sockets = self._files.enter_context(temporary_folder())
        return self

    def _sharing(self) -> list[str]:
        """Return the options that share one connection; none where its socket cannot be named."""
        path = f"{self._sockets}/link"
        if self._sockets is None or len(os.fsencode(path)) > LONGEST_SOCKET or '"' in path:
            return []
        path = path.replace("%", "%%")
        return ["ControlMaster=auto", "ControlPersist=no", f'ControlPath="{path}"']

    def __exit__(self, *exception: object) -> None:
        self._files.close()

    def words(self, script: str) -> list[str]:
        options = [*self._sharing(), *self._options]
        flags = [word for option in options for word in ("-o", option)]
        # -T: no terminal, which would change bytes; the user's shell may be any
        return ["ssh", "-T", *self._port, *flags, self._host, f"exec sh -c {quote(script)}"]

    def push(self, local: str | os.PathLike[str], path: str) -> None:
        try:
            with open(local, "rb") as file:
                done = self.shell(f"cat >{quote(path)}", file, self.copy_seconds(local))
        except OSError as error:
            raise NanodetError(f"{local}: cannot be read ({error.strerror})") from None
        if done.status != 0:
            raise NanodetError(f"{self.name}: {local}: cannot be copied there ({done.said})")

    def lost(self, done: Done) -> bool:
        return done.status == LINK_FAILED

    def explain(self, said: str) -> str:
        hint = ""
        if "Permission denied" in said:
            hint = "; no password is asked: give the device your key with ssh-copy-id"
        elif "Host key verification failed" in said:
            hint = f"; connect once by hand: ssh {' '.join([*self._port, self._host])}"
        return said.removesuffix(".") + hint
