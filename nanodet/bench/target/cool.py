"""Waiting until a device has cooled down."""

import sys
import time

from nanodet.bench.target.device import Device, quote
from nanodet.text.printable import say

PATIENCE_S, EVERY_S = 300, 5
# what a zone may sensibly show; some drivers pass off volts and amperes as temperatures
LOWEST_C, HIGHEST_C = 1.0, 150.0


def hottest(device: Device) -> tuple[float, str] | None:
    """Return (degrees Celsius, name) of the hottest thermal zone; None where none is reported."""
    zones = quote(f"{device.root}/sys/class/thermal")
    done = device.shell(
        f'for zone in {zones}/thermal_zone*; do echo "$(cat "$zone/temp") $(cat "$zone/type")"; '
        "done 2>/dev/null"
    )
    readings = []
    for line in done.out.splitlines():
        number, _, name = line.strip().partition(" ")
        if number.isdigit() and LOWEST_C <= int(number) / 1000 <= HIGHEST_C:
            readings.append((int(number) / 1000, name))
    return max(readings, default=None)


def cool_down(
    device: Device, limit: float, patience: float = PATIENCE_S, every: float = EVERY_S
) -> None:
    """Wait until no thermal zone is hotter than ``limit`` degrees Celsius.

    Warns when the device reports no temperature, or is still hotter after ``patience`` seconds; it
    looks once in ``every`` seconds.
    """
    end, reported = time.monotonic() + patience, False
    while (found := hottest(device)) is not None and found[0] > limit:
        what = f"{found[1] or 'a thermal zone'} is at {found[0]:.0f} C"
        if time.monotonic() >= end:
            say(
                f"nanodet: warning: {device.name}: {what} after {patience} s; going on",
                file=sys.stderr,
            )
            return
        if not reported:
            say(f"{device.name}: {what}: waiting for {limit:g} C", file=sys.stderr)
            reported = True
        time.sleep(every)
    if found is None:
        say(
            f"nanodet: warning: {device.name}: reports no temperature to cool down to",
            file=sys.stderr,
        )
