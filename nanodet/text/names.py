"""Class names: which spellings are the same name, and matching the names of two lists."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from nanodet.errors import NanodetError
from nanodet.text.brief import brief, brief_text

LONGEST = 1000  # bytes of a class name in UTF-8
NAMES_SHOWN = 8
ITEMS_SHOWN = 5
TWICE = "give each class its own name, or all objects of both one number"
_ENDS = re.compile(r"^[\s_]+|(?<![\s_])[\s_]+$")
_SEPARATORS = re.compile(r"(?<=[^\s_-])[\s_-]+(?=[^\s_-])")


def levelled(name: object) -> str:
    """Return the normalised form of a class name, which is the same for all its spellings.

    Case, blanks, ``_`` and ``-`` between words do not matter: ``Traffic-Light``, ``traffic_light`` and
    ``trafficlight`` are one name. ``5-10`` and ``510`` are two, and so are ``A`` and ``A-``.
    """
    text = unicodedata.normalize("NFKC", str(name)).casefold()
    text = _ENDS.sub("", unicodedata.normalize("NFKC", text))

    def joint(match: re.Match[str]) -> str:
        digits = text[match.start() - 1].isdigit() and text[match.end()].isdigit()
        return " " if digits else ""

    return _SEPARATORS.sub(joint, text)


def is_numbering(names: Sequence[object]) -> bool:
    """Return whether the names are only numbers: ``0``, ``1``, ..."""
    return [str(name) for name in names] == [str(n) for n in range(len(names))]


def match_names(
    given: Sequence[str], wanted: Sequence[str], file: object, several: bool = False
) -> list[int | None]:
    """Find the names of one list in another; the same spelling is preferred.

    Args:
        given, wanted: lists of names; those of ``wanted`` differ from each other.
        file: where ``given`` comes from, for messages.
        several: whether more than one of ``given`` may be the same of ``wanted``.

    Returns:
        for each of ``given`` its index in ``wanted``, None if it is not there.

    Raises:
        NanodetError: a name matches two, or two match one.
    """
    same = {name: n for n, name in enumerate(wanted)}
    spelled: dict[str, list[int]] = {}
    for n, name in enumerate(wanted):
        spelled.setdefault(levelled(name), []).append(n)
    there, found = set(given), []
    owner: dict[int | None, str] = {}
    for name in given:
        index = same.get(name)
        if index is None:
            near = [n for n in spelled.get(levelled(name), ()) if several or wanted[n] not in there]
            if len(near) > 1:
                first, second = (wanted[n] for n in near[:2])
                raise NanodetError(
                    f"{file}: class {brief(name)} may be {brief(first)} or {brief(second)}"
                )
            index = near[0] if near else None
        if index is not None and not several and index in owner:
            if owner[index] == name:
                raise NanodetError(f"{file}: class name {brief(name)} occurs twice; {TWICE}")
            raise NanodetError(
                f"{file}: classes {brief(owner[index])} and {brief(name)} may both be {brief(wanted[index])}"
            )
        owner[index] = name
        found.append(index)
    return found


def shortened(names: Iterable[object], most: int = NAMES_SHOWN) -> str:
    """Return the first names as text, with ``...`` if there are more."""
    names = list(names)
    first = ", ".join(map(brief_text, names[:most]))
    return first + (f", ... ({len(names)} in all)" if len(names) > most else "")


def first_few(items: Sequence[str], most: int = ITEMS_SHOWN, joint: str = ", ") -> str:
    """Return the first items joined as text, with the number of the others."""
    more = len(items) - most
    if more <= 0:
        return joint.join(items)
    return f"{joint.join(items[:most])}{joint.rstrip(' ,')} and {more} more"


def is_short(name: str) -> bool:
    """Return whether a class name is short enough to be shown, written and drawn."""
    return len(name) <= LONGEST and len(name.encode("utf-8", "replace")) <= LONGEST


def is_unicode(text: str) -> bool:
    """Return whether a text can be written as UTF-8: no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
