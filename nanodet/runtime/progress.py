"""How far a long run is, on stderr: tqdm's bar where there is one, else a line now and then."""

import sys
import time

EVERY_S = 10.0


class Progress:
    """Counts frames.

    Args:
        total: how many there will be, ``None`` when unknown.
        unit: what is counted.
        shown: false counts silently.
    """

    def __init__(self, total=None, unit="frame", shown=True):
        self.done, self._total, self._unit, self._bar = 0, total, unit, None
        self._shown, self._next = shown, time.monotonic() + EVERY_S
        if shown and sys.stderr.isatty():
            try:
                from tqdm import tqdm
            except ImportError:
                return
            self._bar = tqdm(total=total, unit=f" {unit}", dynamic_ncols=True)

    def step(self):
        """Count one."""
        self.done += 1
        if self._bar is not None:
            self._bar.update()
        elif self._shown and time.monotonic() >= self._next:
            of = f" of {self._total}" if self._total else ""
            print(f"{self._unit} {self.done}{of}", file=sys.stderr, flush=True)
            self._next = time.monotonic() + EVERY_S

    def line(self, text, file=None):
        """Print a line without tearing the bar; stdout unless ``file`` is given."""
        if self._bar is not None:
            self._bar.write(text, file=file or sys.stdout)
        else:
            print(text, file=file or sys.stdout, flush=True)

    def close(self):
        if self._bar is not None:
            self._bar.close()
