"""The progress of a long run on stderr: tqdm's bar if it is installed, otherwise a line now and then."""

import sys
import time
from typing import TextIO

from nanodet.text.printable import printable, say

EVERY_S = 10.0


class Progress:
    """Counts finished items; in a log, a run shorter than `EVERY_S` gets no line.

    Args:
        total: number of items, ``None`` if unknown.
        unit: what is counted, in the singular.
        shown: false counts silently.
        label: what is being done, for runs with several progress displays.
    """

    def __init__(
        self, total: int | None = None, unit: str = "frame", shown: bool = True, label: str = ""
    ) -> None:
        self.done, self._total, self._unit, self._bar = 0, total, unit, None
        self._start, self._told, self._shown = time.monotonic(), 0, shown
        self._label = f"{label}: " if label else ""
        self._next = self._start + EVERY_S
        if shown and sys.stderr.isatty():
            try:
                from tqdm import tqdm
            except ImportError:
                return
            self._bar = tqdm(total=total, desc=label or None, unit=f" {unit}", dynamic_ncols=True)

    def step(self) -> None:
        """Count one item."""
        self.done += 1
        if self._bar is not None:
            self._bar.update()
        elif self._shown and time.monotonic() >= self._next:
            self._tell()
            self._next = time.monotonic() + EVERY_S

    def line(self, text: object, file: TextIO | None = None) -> None:
        """Print a line without breaking the bar, to stdout unless ``file`` is given."""
        if self._bar is not None:
            self._bar.write(printable(text), file=file or sys.stdout)
        else:
            say(text, file=file)

    def close(self) -> None:
        """End the bar, or write the final number to a log that has begun."""
        if self._bar is not None:
            self._bar.close()
        elif 0 < self._told < self.done:
            self._tell()

    def _tell(self) -> None:
        of = f" of {self._total}" if self._total and self.done <= self._total else ""
        rate = self.done / max(time.monotonic() - self._start, 1e-9)
        say(f"{self._label}{self.done}{of} {self._unit}s, {rate:.1f} a second", file=sys.stderr)
        self._told = self.done
