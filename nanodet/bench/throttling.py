"""Temperature, frequency and governor, and whether they or the times say that the CPU was slowed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nanodet.bench.machine import read, read_number
from nanodet.files import StrPath

SLOWER = 1.05  # the later half's median over the first half's
LOWER = 0.95  # of the frequency
HOT_C = 80.0  # where a thermal zone names no trip point; boards begin to slow down at about this

# the present state in a Raspberry Pi's firmware; higher bits tell of the time since it started
_PI_BITS = {
    1: "under-voltage", 2: "frequency capped", 4: "throttled", 8: "soft temperature limit",
}  # fmt: skip


def read_sensors(cores: Sequence[int] | None, root: StrPath = "/") -> dict[str, Any]:
    """Return what the machine tells now; see `nanodet.bench.machine` for ``root``.

    Args:
        cores: numbers of the cores to look at; None for none.

    Returns:
        dict of dicts, each empty where the machine does not tell: ``temperature_c``, ``trip_c``
        (where the kernel begins to slow the CPU down) and ``cooling`` (state of the kernel's
        CPU cooling devices, 0 is off) by name; ``frequency_mhz``, ``limit_mhz`` and ``governor``
        by core; and ``firmware``, a Raspberry Pi's flags as a number, or None.
    """
    root, cpus = Path(root), Path(root) / "sys/devices/system/cpu"
    zones = sorted((root / "sys/class/thermal").glob("thermal_zone*"))
    named = {f"{zone.name[12:]} {read(zone / 'type') or ''}".strip(): zone for zone in zones}
    devices = sorted((root / "sys/class/thermal").glob("cooling_device*"))
    coolers = {f"{d.name[14:]} {read(d / 'type') or ''}": d / "cur_state" for d in devices}
    files = {str(i): cpus / f"cpu{i}/cpufreq" for i in cores or ()}
    firmware = read(root / "sys/devices/platform/soc/soc:firmware/get_throttled")
    return {
        "temperature_c": _told({n: read_number(z / "temp", 1e-3) for n, z in named.items()}),
        "trip_c": _told({n: _trip(zone) for n, zone in named.items()}),
        "cooling": _told({n: read_number(c) for n, c in coolers.items() if "cpu" in n.lower()}),
        "frequency_mhz": _told(
            {i: read_number(f / "scaling_cur_freq", 1e-3) for i, f in files.items()}
        ),
        "limit_mhz": _told(
            {i: read_number(f / "scaling_max_freq", 1e-3) for i, f in files.items()}
        ),
        "governor": _told({i: read(f / "scaling_governor") for i, f in files.items()}),
        "firmware": _hexadecimal(firmware),
    }


def reasons(
    before: dict[str, Any], during: Sequence[dict[str, Any]], after: dict[str, Any]
) -> list[str]:
    """Return why the machine is thought to have been slowed down, a text each; empty if not.

    Args:
        before, after: `read_sensors` when idle.
        during: `read_sensors` after each turn, in order.
    """
    return [
        *_frequency_fell(during),
        *_limit_fell(before, [*during, after]),
        *_too_hot([before, *during, after]),
        *_cooled([*during, after]),
        *_firmware([*during, after]),
    ]


def slower(ratio: float) -> str | None:
    """Return why times whose later half is ``ratio`` of the first are suspect, else None."""
    if ratio <= SLOWER:
        return None
    return f"the later half's median is {100 * (ratio - 1):.0f} % above the first half's"


def _told(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _trip(zone: Path) -> float | None:
    """Return the lowest temperature at which the kernel acts on a zone by slowing something."""
    points = []
    for kind in zone.glob("trip_point_*_type"):
        if read(kind) in ("passive", "hot"):
            points.append(read_number(zone / kind.name.replace("_type", "_temp"), 1e-3))
    return min((point for point in points if point and point > 0), default=None)


def _hexadecimal(text: str | None) -> int | None:
    try:
        return int(text or "", 16)
    except ValueError:
        return None


def _frequency_fell(during: Sequence[dict[str, Any]]) -> Iterator[str]:
    # the fastest core: the others may be idle
    fastest = [max(s["frequency_mhz"].values()) for s in during if s["frequency_mhz"]]
    middle = len(fastest) // 2
    if middle < 2:
        return
    first, later = np.median(fastest[:middle]), np.median(fastest[middle:])
    if later < LOWER * first:
        yield f"the frequency fell from {first:.0f} to {later:.0f} MHz"


def _limit_fell(before: dict[str, Any], samples: Sequence[dict[str, Any]]) -> Iterator[str]:
    for core, limit in before["limit_mhz"].items():
        lowest = min(s["limit_mhz"].get(core, limit) for s in samples)
        if lowest < limit:
            yield f"the frequency limit of core {core} fell from {limit:.0f} to {lowest:.0f} MHz"
            return


def _too_hot(samples: Sequence[dict[str, Any]]) -> Iterator[str]:
    for zone in samples[0]["temperature_c"]:
        trip = samples[0]["trip_c"].get(zone)
        hottest = max(s["temperature_c"].get(zone, -273.0) for s in samples)
        if hottest >= (HOT_C if trip is None else trip):
            limit = f"{HOT_C:.0f} C" if trip is None else f"its trip point of {trip:.0f} C"
            yield f"thermal zone {zone} reached {hottest:.0f} C, {limit} or more"


def _cooled(samples: Sequence[dict[str, Any]]) -> Iterator[str]:
    for name in samples[-1]["cooling"]:
        state = max(s["cooling"].get(name, 0) for s in samples)
        if state > 0:
            yield f"the kernel's cooling device {name} was on (state {state:.0f})"


def _firmware(samples: Iterable[dict[str, Any]]) -> Iterator[str]:
    bits = 0
    for sample in samples:
        bits |= sample["firmware"] or 0
    named = [word for bit, word in _PI_BITS.items() if bits & bit]
    if named:
        yield f"the board's firmware reports: {', '.join(named)}"
