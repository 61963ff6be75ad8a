"""Waiting until a device has cooled down."""

import sys
import time
from collections.abc import Mapping

from nanodet.bench.target.guard import Guard
from nanodet.bench.throttling import ZONES, read_sensors
from nanodet.text.printable import say

PATIENCE_S, EVERY_S = 300, 5
# what a zone may sensibly show; some drivers pass off volts and amperes as temperatures
LOWEST_C, HIGHEST_C = 1.0, 150.0


def hottest(files: Mapping[str, str]) -> tuple[float, str] | None:
    """Return (degrees Celsius, name) of the hottest thermal zone; None where none is reported."""
    zones = read_sensors(None, files)["temperature_c"].items()
    readings = [(c, n.partition(" ")[2]) for n, c in zones if LOWEST_C <= c <= HIGHEST_C]
    return max(readings, default=None)


def cool_down(
    guard: Guard, limit: float, patience: float = PATIENCE_S, every: float = EVERY_S
) -> None:
    """Wait until no thermal zone of a device is hotter than ``limit`` degrees Celsius.

    Warns when the device reports no temperature, or is still hotter after ``patience`` seconds; it
    looks once in ``every`` seconds.
    """
    end, reported = time.monotonic() + patience, False
    while (found := hottest(guard.read(ZONES))) is not None and found[0] > limit:
        what = f"{found[1] or 'a thermal zone'} is at {found[0]:.0f} C"
        if time.monotonic() >= end:
            say(
                f"nanodet: warning: {guard.name}: {what} after {patience} s; going on",
                file=sys.stderr,
            )
            return
        if not reported:
            say(f"{guard.name}: {what}: waiting for {limit:g} C", file=sys.stderr)
            reported = True
        time.sleep(every)
    if found is None:
        say(
            f"nanodet: warning: {guard.name}: reports no temperature to cool down to",
            file=sys.stderr,
        )
