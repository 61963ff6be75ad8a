"""Temperature, frequency and governor, and whether they or the times say that the CPU was slowed."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nanodet.bench.machine import number

SLOWER = 1.05  # the later half's median over the first half's
LOWER = 0.95  # of the frequency
HOT_C = 80.0  # where a thermal zone names no trip point; boards begin to slow down at about this

# the present state in a Raspberry Pi's firmware; higher bits tell of the time since it started
_PI_BITS = {
    1: "under-voltage", 2: "frequency capped", 4: "throttled", 8: "soft temperature limit",
}  # fmt: skip


_CPU, _THERMAL = "sys/devices/system/cpu", "sys/class/thermal"
_FIRMWARE = "sys/devices/platform/soc/soc:firmware/get_throttled"
ZONES = tuple(f"{_THERMAL}/thermal_zone*/{name}" for name in ("type", "temp"))
# patterns of the files that `read_sensors` looks at, see `nanodet.bench.machine.read_files`
SENSORS = (
    *ZONES, f"{_THERMAL}/thermal_zone*/trip_point_*",
    *(f"{_THERMAL}/cooling_device*/{name}" for name in ("type", "cur_state")),
    *(f"{_CPU}/cpu*/cpufreq/scaling_{name}" for name in ("cur_freq", "max_freq", "governor")),
    _FIRMWARE,
)  # fmt: skip


def read_sensors(cores: Sequence[int] | None, files: Mapping[str, str]) -> dict[str, Any]:
    """Return what a machine tells now.

    Args:
        cores: numbers of the cores to look at; None for none.
        files: of `nanodet.bench.machine.read_files` and `SENSORS`.

    Returns:
        dict of dicts, each empty where the machine does not tell: ``temperature_c``, ``trip_c``
        (where the kernel begins to slow the CPU down) and ``cooling`` (state of the kernel's
        CPU cooling devices, 0 is off) by name; ``frequency_mhz``, ``limit_mhz`` and ``governor``
        by core; and ``firmware``, a Raspberry Pi's flags as a number, or None.
    """
    zones, coolers = _named(files, "thermal_zone"), _named(files, "cooling_device")
    scaling = {str(i): f"{_CPU}/cpu{i}/cpufreq/scaling" for i in cores or ()}

    def numbers(paths: Mapping[str, str], unit: float = 1.0) -> dict[str, Any]:
        return _told({name: number(files.get(path), unit) for name, path in paths.items()})

    return {
        "temperature_c": numbers({n: f"{z}/temp" for n, z in zones.items()}, 1e-3),
        "trip_c": _told({n: _trip(z, files) for n, z in zones.items()}),
        "cooling": numbers({n: f"{c}/cur_state" for n, c in coolers.items() if "cpu" in n.lower()}),
        "frequency_mhz": numbers({i: f"{s}_cur_freq" for i, s in scaling.items()}, 1e-3),
        "limit_mhz": numbers({i: f"{s}_max_freq" for i, s in scaling.items()}, 1e-3),
        "governor": _told({i: files.get(f"{s}_governor") for i, s in scaling.items()}),
        "firmware": _hexadecimal(files.get(_FIRMWARE)),
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


def _named(files: Mapping[str, str], kind: str) -> dict[str, str]:
    """Return number and type of each thermal zone or cooling device, to its folder."""
    found = {m[0]: m[1] for f in files if (m := re.match(rf"{_THERMAL}/{kind}(\d+)", f))}
    return {f"{found[d]} {files.get(f'{d}/type', '')}".strip(): d for d in sorted(found)}


def _trip(zone: str, files: Mapping[str, str]) -> float | None:
    """Return the lowest temperature at which the kernel acts on a zone by slowing something."""
    points = [
        number(files.get(path.replace("_type", "_temp")), 1e-3)
        for path, kind in files.items()
        if path.startswith(f"{zone}/trip_point_") and kind in ("passive", "hot")
    ]
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
