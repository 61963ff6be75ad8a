"""From a list of models to a report of another machine: ``nanodet bench --target``."""

import contextlib
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from nanodet.bench.outputs import check_outputs, put_out
from nanodet.bench.plan import STANDARD, Effort
from nanodet.bench.report import FORMAT, benchncnn_call, format_tables
from nanodet.bench.target.adb import AdbDevice
from nanodet.bench.target.cool import cool_down
from nanodet.bench.target.device import Device, quote
from nanodet.bench.target.guard import Guard, run_script
from nanodet.bench.target.parcel import PROGRAM, REPORT, REPORT_BYTES, RUN, Parcel
from nanodet.bench.target.program import check_machine, find_program
from nanodet.bench.target.ssh import SshDevice
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.temporary import temporary_folder
from nanodet.text.printable import say

ERROR = f"{PROGRAM}: error: "  # what its last line begins with when it fails


def open_device(
    target: str,
    ssh_options: Sequence[str] = (),
    start: Callable[..., subprocess.Popen[Any]] = subprocess.Popen,
    root: str = "/",
) -> Device:
    """Return the `nanodet.bench.target.device.Device` of a ``--target``, not connected yet.

    Args:
        target: ``ssh:USER@HOST[:PORT]``, ``ssh:HOST``, ``adb`` or ``adb:SERIAL``.
        ssh_options: texts ``KEY=VALUE`` of ssh's config.
        start, root: see `nanodet.bench.target.device.Device`.
    """
    kind, _, address = target.partition(":")
    if kind == "adb" and not ssh_options:
        return AdbDevice(address or None, start, root)
    if kind == "ssh" and address:
        return SshDevice(address, ssh_options, start, root)
    if kind == "adb":
        raise NanodetError(f"--ssh-option: is not for --target {target}")
    raise NanodetError(
        f"--target {target}: must be adb, adb:SERIAL, ssh:HOST or ssh:USER@HOST[:PORT]"
    )


def remote_bench(
    device: Device,
    models: Iterable[str],
    graphs: Iterable[tuple[StrPath, tuple[int, int]]] = (),
    *,
    threads: Sequence[int] = (1,),
    precisions: Sequence[str] = ("fp32",),
    effort: Effort = STANDARD,
    cores: str = "big",
    image: StrPath | None = None,
    program: StrPath | None = None,
    folder: str | None = None,
    governor: str | None = None,
    cool_to: float | None = None,
    json_path: StrPath | None = None,
    plot_path: StrPath | None = None,
    command: str = "",
) -> dict[str, Any]:
    """Time models and graphs side by side on a device, and print and write the result here.

    Nothing stays on the device, however this ends.

    Args:
        device: of `open_device`.
        models ... image, json_path, plot_path, command: as `nanodet.bench.bench.bench` takes them.
        program: path of ``nanodet-bench`` for the device; None takes that of the checkout.
        folder: where on the device a temporary folder is made; None leaves it to the device.
        governor: frequency governor of its cores while it measures; None leaves them.
        cool_to: degrees Celsius to wait for before, see `nanodet.bench.target.cool.cool_down`.

    Returns:
        the report, as its JSON form (docs/bench.md).

    Raises:
        NanodetError: bad input, before the device is asked; no link, no room, or no right; a run
            that failed there; a model that died there, after the report on the others was printed
            and written.
    """
    check_outputs(json_path, plot_path)
    if not re.fullmatch(r"big|little|all|\d+([-,]\d+)*", cores):
        raise NanodetError(f"--cores {cores}: must be big, little, all, or numbers such as 0,2")
    program = find_program(program)
    with temporary_folder() as here:
        parcel = Parcel(
            models,
            graphs,
            threads=threads,
            precisions=precisions,
            program=program,
            image=image,
            folder=here,
        )
        with device, Guard(device, folder) as guard:
            check_machine(program, guard.machine)
            words = parcel.words(guard.folder, effort, threads, precisions, cores)
            script = Path(here) / RUN
            orders = run_script(guard.folder, words)
            script.write_bytes(orders.encode("utf-8", "surrogateescape"))
            _copy(device, guard, {**parcel.files, RUN: script})
            if governor is not None:
                guard.set_governor(governor)
            if cool_to is not None:
                cool_down(device, cool_to)
            log = _Log(f"{guard.folder}/{RUN}")
            status = guard.run(log, _patience(effort, len(parcel.entries)))
            text = _read_report(device, guard.folder)
            there = guard.folder
    failure = None if status == 0 else parcel.name_here(_failure(log, status), there)
    if failure and text is None:
        raise NanodetError(f"{device.name}: {failure}")
    report = _report_of(text, parcel, there, device.name, cores, effort)
    report["command"] = command
    put_out(report, json_path, plot_path)
    if failure:
        raise NanodetError(f"{device.name}: {failure}")
    return report


class _Log:
    """Passes on what the program says, but for the line with which it, or the shell, fails."""

    def __init__(self, script: str) -> None:
        self.error, self._script = "", script

    def __call__(self, line: str) -> None:
        if line.startswith(ERROR):
            self.error = line.removeprefix(ERROR)
        elif line.startswith(self._script):
            self.error = f"{PROGRAM}: {line.rpartition(': ')[2]}"
        else:
            say(line, file=sys.stderr)


def _patience(effort: Effort, entries: int) -> float:
    """Return how many seconds a run may take: ten for each run of the network, and much besides."""
    runs = 10 * (effort.runs + effort.warmup_runs)
    return 600 + entries * (2 * (effort.seconds + effort.warmup_s) + runs)


def _copy(device: Device, guard: Guard, files: Mapping[str, Path]) -> None:
    """Copy files (path in the device's folder to path here), and see that they arrived."""
    sizes = {path: file.stat().st_size for path, file in files.items()}
    size = sum(sizes.values())
    needed = size + REPORT_BYTES
    if guard.free_kb is not None and 1024 * guard.free_kb < needed:
        raise NanodetError(
            f"{device.name}: there is no space for {needed / 2**20:.1f} MB in "
            f"{guard.folder.rpartition('/')[0]} ({guard.free_kb / 1024:.1f} MB are free): choose "
            "another folder by --target-dir"
        )
    say(f"{device.name}: copying {size / 2**20:.1f} MB to {guard.folder}", file=sys.stderr)
    folders = sorted({path.partition("/")[0] for path in files if "/" in path})
    there = [f"{guard.folder}/{path}" for path in files]
    _must(device, quote("mkdir", *(f"{guard.folder}/{name}" for name in folders)))
    for path, file in zip(there, files.values(), strict=True):
        device.push(file, path)
    program = f"{guard.folder}/{PROGRAM}"
    counted = "; ".join(f"wc -c <{quote(path)}" for path in there)
    counts = _must(device, f"{quote('chmod', '700', program)} && {{ {counted}; }}").split()
    if counts != [str(size) for size in sizes.values()]:
        raise NanodetError(f"{device.name}: what was copied there did not arrive whole")


def _must(device: Device, script: str) -> str:
    """Run a script on the device; return what it wrote, raise `NanodetError` if it fails."""
    done = device.shell(script)
    if done.status != 0:
        raise NanodetError(f"{device.name}: {done.said}")
    return done.out


def _read_report(device: Device, folder: str) -> str | None:
    """Return the text of the report, None where the program wrote none."""
    done = device.shell(quote("cat", f"{folder}/{REPORT}"))
    return done.out if done.status == 0 else None


def _failure(log: _Log, status: int) -> str:
    """Return one line on why the program ended with a status other than 0."""
    if status > 128:
        name = f"signal {status - 128}"
        with contextlib.suppress(ValueError):
            name = signal.Signals(status - 128).name
        full = ": perhaps its memory was full" if name == "SIGKILL" else ""
        return f"{PROGRAM} was ended by {name}{full}"
    return log.error or f"{PROGRAM} ended with status {status}"


def _report_of(
    text: str | None, parcel: Parcel, there: str, name: str, cores: str, effort: Effort
) -> dict[str, Any]:
    """Return the report in a text, with the paths of here.

    Raises:
        NanodetError: it is not one on what was asked for.
    """
    try:
        report = parcel.name_here(json.loads(text or "", parse_constant=_no_number), there)
        asked = [(entry.path, entry.threads, entry.precision) for entry in parcel.entries]
        timed = [(r["path"], r["threads"], r["precision"]) for r in report["results"]]
        fine = report["format"] == FORMAT and timed == asked
        for result in report["results"] if fine else ():
            if "benchncnn" in result:
                # with the words of the command line quoted as they are here
                result["benchncnn"] = benchncnn_call(
                    result["path"], result["input"], result["threads"], cores, effort.runs
                )
        format_tables(report)
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError):
        fine = False
    if not fine:
        raise NanodetError(
            f"{name}: the report that came back is not one of format {FORMAT} on these models: was "
            "the program built from another version?"
        )
    return report


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no time")
