"""Reports the notes and problems of reading a data set to the user."""

from nanodet.data.records import Annotations
from nanodet.text import Say
from nanodet.text.counted import counted
from nanodet.text.names import ITEMS_SHOWN


def tell_reading(annotations: Annotations, say: Say, name: str = "") -> None:
    """Report the notes of `nanodet.data.records.Annotations`, and the first of their problems.

    Args:
        annotations: as read.
        say: called with each line.
        name: of the data set, as a prefix of the lines: ``data.train``.
    """
    start = f"{name}: " if name else ""
    for note in annotations.notes:
        say(f"{start}{note}")
    problems = annotations.problems
    if not problems:
        return
    say(f"{start}{counted(len(problems), 'problem')} in the annotations:")
    for problem in problems[:ITEMS_SHOWN]:
        say(f"  {problem}")
    if len(problems) > ITEMS_SHOWN:
        say(f"  and {len(problems) - ITEMS_SHOWN} more")
