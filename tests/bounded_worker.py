"""Calls functions of this project in a process of little memory: a call that takes too much ends alone.

`Worker.call` starts it; as a program it reads calls from standard input, a JSON line each, and answers
with a line: the error or the value, and the seconds.
"""

import contextlib
import functools
import importlib
import io
import json
import resource
import subprocess
import sys
import threading
import time

from nanodet.errors import NanodetError

MEMORY = 6 << 30  # bytes of address space; torch alone takes two
SECONDS = 60  # for one call, on a busy machine


class Worker:
    """A process that makes calls, and is replaced by another where one ends it."""

    def __init__(self):
        self._process = None

    def call(self, function, *arguments):
        """Call ``module:name`` with what JSON can hold.

        Returns:
            mapping: ``error`` (its class and text, None for none), ``value`` (its repr), ``printed``,
            ``seconds``; with the error ``ended`` where the process ended or took too long.
        """
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
        print(json.dumps([function, arguments]), file=self._process.stdin, flush=True)
        watch = threading.Timer(SECONDS, self._process.kill)
        watch.start()
        answer = self._process.stdout.readline()
        watch.cancel()
        if not answer:
            self.close()
            return {"error": ["ended", ""], "value": "", "printed": "", "seconds": SECONDS}
        return json.loads(answer)

    def refusal(self, function, *arguments):
        """Return the one line of the `NanodetError` that a call must end in, soon and in short."""
        answer = self.call(function, *arguments)
        kind, text = answer["error"] or ("no error", answer["value"])
        assert kind == "NanodetError", (kind, text[:500])
        assert len(text) < 2500 and "\n" not in text
        return text

    def close(self):
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _answer(function, arguments):
    module, names = function.split(":")
    error = value = None
    text, start = io.StringIO(), time.monotonic()
    try:
        with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
            called = functools.reduce(getattr, names.split("."), importlib.import_module(module))
            value = called(*arguments)
    except BaseException as problem:
        kind = NanodetError if isinstance(problem, NanodetError) else type(problem)
        error = [kind.__name__, str(problem)[:10_000]]
    seconds, printed = time.monotonic() - start, text.getvalue()[:100_000]
    shown = repr(value)[:1000] if isinstance(value, (int, str)) else type(value).__name__
    return {"error": error, "value": shown, "printed": printed, "seconds": seconds}


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    answers = sys.stdout
    for line in sys.stdin:
        print(json.dumps(_answer(*json.loads(line))), file=answers, flush=True)
