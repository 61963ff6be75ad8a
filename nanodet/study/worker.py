"""The process of one run: trains, measures, and writes ``result.json``.

Started as ``python -m nanodet.study.worker FOLDER (new|resume)`` by `nanodet.study.turns`. It ends when
its standard input does, so that it does not outlive the study.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path

from nanodet.errors import NanodetError
from nanodet.files.temporary import own_scratch
from nanodet.stopping import Stopping
from nanodet.text.printable import say

PATIENCE_S = 20.0


def main(folder: str, how: str) -> int:
    """Train and measure the run in ``folder``; return the exit status."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with Stopping() as stopping:
        try:
            with stopping.interrupting():
                own_scratch()
                from nanodet.study.measure import train_and_measure

                train_and_measure(Path(folder), how == "resume")
        except NanodetError as error:
            say(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt as error:
            say(str(error) or "stopped", file=sys.stderr)
            return 130
    return 0


def _end_with_parent() -> None:
    """Stop this process when the study's has ended, however that happened."""
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(PATIENCE_S)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
