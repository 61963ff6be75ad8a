"""A real sshd on this machine for one test session: a free port, keys of its own, this user."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

SEPARATION = Path("/run/sshd")  # of privileges; a daemon started by root insists on it


class Sshd:
    """OpenSSH's daemon; a context manager.

    Attributes:
        target: what ``--target`` takes.
        options: words for the command line of ``nanodet bench`` that make it use the keys here.

    Raises:
        OSError: there is none here, or it does not start; says why.
    """

    def __init__(self, folder):
        self._folder = Path(folder)

    def __enter__(self):
        daemon = shutil.which("sshd", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"]))
        if daemon is None or shutil.which("ssh") is None:
            raise OSError("there is no sshd (Debian's openssh-server) or no ssh here")
        if os.getuid() == 0:
            # it stays: another sshd may have begun to need it
            SEPARATION.mkdir(mode=0o755, exist_ok=True)
        for name in ("host", "user", "chatty", "stranger"):
            make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self._folder / name]
            subprocess.run(make, check=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        public = (self._folder / "host.pub").read_text().split()[:2]
        (self._folder / "known").write_text(f"[127.0.0.1]:{self.port} {' '.join(public)}\n")
        # who comes with this key has a shell that prints something before and behind
        chatty = r'command="printf hello; eval \"$SSH_ORIGINAL_COMMAND\"; s=$?; echo bye; exit $s" '
        (self._folder / "chatty.keys").write_text(
            chatty + (self._folder / "chatty.pub").read_text()
        )
        config = self._folder / "config"
        config.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self._folder}/host\n"
            f"PidFile none\nAuthorizedKeysFile {self._folder}/user.pub "
            f"{self._folder}/chatty.keys\n"
            "StrictModes no\nUsePAM no\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        )
        self._log = open(self._folder / "log", "wb")
        self.process = subprocess.Popen([daemon, "-D", "-e", "-f", config], stderr=self._log)
        self.target = f"ssh:{getpass.getuser()}@127.0.0.1:{self.port}"
        self.options = self.options_of("user")
        self._wait()
        return self

    def __exit__(self, *exception):
        self.process.terminate()
        self.process.wait()
        self._log.close()

    def options_of(self, key, known="known"):
        """Return the words of the command line for a user's key and a file of known hosts."""
        options = {
            "IdentityFile": self._folder / key, "IdentitiesOnly": "yes", "IdentityAgent": "none",
            "UserKnownHostsFile": self._folder / known, "GlobalKnownHostsFile": "none",
        }  # fmt: skip
        return [word for k, v in options.items() for word in ("--ssh-option", f"{k}={v}")]

    def sessions(self):
        """Return the processes that serve a connection now."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def cut(self):
        """Kill what serves the connections, as a link that breaks would end them."""
        for pid in self.sessions():
            below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            # with separated privileges the connection is held by a child, of the same name
            for child in [*map(int, below), pid]:
                if Path(f"/proc/{child}/comm").read_text().strip().startswith("sshd"):
                    os.kill(child, signal.SIGKILL)

    def _wait(self):
        """Wait until somebody can log in."""
        flags = [word for word in self.options if word != "--ssh-option"]
        words = [word for flag in flags for word in ("-o", flag)]
        check = ["ssh", "-T", "-p", str(self.port), "-o", "BatchMode=yes", *words, "127.0.0.1"]
        end = time.monotonic() + 10
        while subprocess.run([*check, "true"], capture_output=True).returncode != 0:
            if time.monotonic() > end or self.process.poll() is not None:
                self.__exit__()
                raise OSError((self._folder / "log").read_text()[-300:])
            time.sleep(0.1)
