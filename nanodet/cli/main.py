"""The ``nanodet`` command: runs one, and says how it ended."""

import signal
import sys
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from nanodet.errors import MissingSpecError, NanodetError
from nanodet.stopping import Stopped, Stopping, end_on_signals


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status.

    Returns:
        0; 1, an error of the user's; 3, an export that left out stages; 130, Ctrl-C; 143, SIGTERM;
        129, SIGHUP.
    """
    return run_command(_parse_and_run, argv)


def _parse_and_run(argv: Sequence[str] | None) -> int | None:
    # imported here, where signals are reported in one line: it takes most of the time of a start
    from nanodet.cli.commands import parse_and_run

    return parse_and_run(argv)


def run_command(function: Callable[..., int | None], *arguments: Any) -> int:
    """Call a command's function; turn whatever ends it into one line and an exit status."""
    with Stopping() as stopping:
        from nanodet.cli.packages import needed_packages
        from nanodet.cli.streams import standard_streams
        from nanodet.text.printable import say

        with standard_streams():
            status, ended = 0, None
            try:
                with stopping.interrupting(), needed_packages():
                    status = _flushed(_with_way_on, function, *arguments)
            except BaseException as error:
                ended = error
            if stopping.number is not None and not isinstance(ended, KeyboardInterrupt):
                ended = Stopped(stopping.number)  # whatever has become of it on its way
            if ended is not None:
                status, line = _status_and_line(ended)
                say(f"nanodet: {line}", file=sys.stderr)
            return status


def _status_and_line(error: BaseException) -> tuple[int, str]:
    """Return the exit status and the line for what ended a command; raise what has none."""
    if isinstance(error, KeyboardInterrupt):
        number = getattr(error, "number", signal.SIGINT)  # Python's own has none, and no words
        return 128 + number, str(error) or "stopped"
    if isinstance(error, NanodetError):
        return 1, f"error: {error}"
    if isinstance(error, UnicodeEncodeError):
        # files are opened by names, and these hold letters that the system's encoding lacks
        way_on = "rename it" if error.encoding == "utf-8" else "set PYTHONUTF8=1, or rename it"
        return 1, (
            f"error: {error.object[:200]}: this name cannot be written in {error.encoding}; {way_on}"
        )
    if isinstance(error, OSError):
        name = error.filename2 or error.filename
        return 1, f"error: {f'{name}: {error.strerror}' if name else error}"
    raise error


def _with_way_on(function: Callable[..., int | None], *arguments: Any) -> int | None:
    """Call a function; where a spec is missing, add the command that makes one (reads the whole file)."""
    try:
        return function(*arguments)
    except MissingSpecError as error:
        from nanodet.adopt.facts import way_on

        raise NanodetError(f"{error.missing}; {way_on(error.model)}") from None


def _flushed(function: Callable[..., int | None], *arguments: Any) -> int:
    """Return a command's status when all that it printed is written."""
    try:
        status = function(*arguments)
    except SystemExit:  # of argparse, after --help
        sys.stdout.flush()
        raise
    sys.stdout.flush()
    return status or 0


def entry() -> None:
    """The installed script."""
    end_on_signals()
    sys.excepthook = _show
    sys.exit(main())


def _show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    from nanodet.cli.terminal import traceback_text

    sys.stderr.write(traceback_text(error))


if __name__ == "__main__":
    entry()
