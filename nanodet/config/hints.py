"""Hints for messages on misplaced keys and values: where they belong."""

import contextlib
import difflib
import re
import typing
from collections.abc import Iterable, Iterator
from typing import Any

from nanodet.config.keys import entries, meaning, parts_of, section_of, without_none
from nanodet.config.schema import Config
from nanodet.text.brief import brief


def unknown_value(value: Any, known: Iterable[Any], key: str, way_on: str = "") -> str:
    """Return the message for a value that a key does not take.

    Args:
        value: from the file.
        known: the values that the key takes.
        key: the dotted key.
        way_on: advice for a value that is not known anywhere.
    """
    known = list(known)
    listed = shown(known)
    if not isinstance(value, str) or len(value) >= 60:
        given = shown([value]) if isinstance(value, bool) else brief(value)
        return f"{given} is not supported; known: {listed}{way_on}"
    for one in known:
        if _letters(one) == _letters(value):
            return f"{value!r} is not supported; did you mean {one}? known: {listed}"
    with contextlib.suppress(ImportError):  # of torch, which the parts of a detector need
        owners = [(path, what) for path, what, names in _names(Config) if value in names]
        if owners:
            path, what = max(owners, key=lambda one: _in_common(one[0], key))
            return f"{value!r} is {what} ({path}); known here: {listed}"
    return f"{value!r} is not supported; known: {listed}{way_on}"


def unknown_key(name: Any, key: str, known: dict[str, Any], part: str | None) -> str:
    """Return the message for a key that a section does not have.

    Args:
        name: of the key.
        key: the dotted one.
        known: name of each key of the section to (field, type).
        part: the name of the section's part, None for a fixed section.
    """
    text = str(name)[:100]
    alike = [own for own, (entry, _) in known.items() if name in meaning(entry).alike]
    alike += difflib.get_close_matches(text, known, n=1, cutoff=0.85)
    if alike:
        return f"unknown key; did you mean {alike[0]}?"
    with contextlib.suppress(ImportError):
        found = [(path, owners) for path, owners in _paths(name).items()]
        if found:
            path, owners = max(found, key=lambda one: (_in_common(one[0], key), len(one[1])))
            if part is None or not owners:
                return f"unknown key; did you mean {path}?"
            return f"unknown key: {part} has no such setting; {_have(owners)} it: {path}"
    near = difflib.get_close_matches(text, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
    return f"unknown key; {hint}"


def shown(known: Iterable[Any]) -> str:
    """Return values as they are written in a YAML file."""
    return ", ".join(str(v).lower() if isinstance(v, bool) else str(v) for v in known)


def _have(owners: list[str]) -> str:
    return f"{', '.join(owners)} {'has' if len(owners) == 1 else 'have'}"


def _paths(name: Any) -> dict[str, list[str]]:
    """Return all used dotted keys of this name, each with the parts that have it."""
    found: dict[str, list[str]] = {}
    for path, entry, part in _everywhere(Config):
        if entry.name == name and not meaning(entry).unread:
            owners = found.setdefault(path, [])
            if part is not None and part not in owners:
                owners.append(part)
    return found


def _names(kind: type) -> Iterator[tuple[str, str, Iterable[Any]]]:
    """Yield (dotted key, what it names, the names) of every key whose value is a name."""
    for path, entry, _ in _everywhere(kind):
        about = meaning(entry)
        if about.table:
            words = about.table.partition(":")[2].lower().replace("_", " ")
            one = words.removesuffix("es") if words.endswith("sses") else words.removesuffix("s")
            one = f"{one.removesuffix('ie')}y" if one.endswith("ie") else one
            yield f"{path}.name", f"{'an' if one[0] in 'aeiou' else 'a'} {one}", parts_of(entry)
        elif entry.name == "name" and about.known:
            yield path, f"a name of {path.split('.')[-2]}", about.known


def _everywhere(
    kind: type, prefix: str = "", owner: str | None = None
) -> Iterator[tuple[str, Any, str | None]]:
    """Yield (dotted key, field, part that has it or None) of every key, with the sections of all parts."""
    for entry, hint in entries(kind):
        dotted = f"{prefix}{entry.name}"
        yield dotted, entry, owner
        if meaning(entry).table:
            for name, part in parts_of(entry).items():
                yield from _everywhere(part.section, f"{dotted}.", name)
            continue
        section = section_of(entry, hint)
        if section is not None:
            named = (
                typing.get_origin(without_none(hint)) is dict
            )  # the file chooses these names freely
            yield from _everywhere(section, f"{dotted}.*." if named else f"{dotted}.", owner)


def _in_common(path: str, key: str) -> int:
    """Return the length of the common prefix of two dotted keys, in names."""
    count = 0
    for ours, theirs in zip(path.split("."), key.split("."), strict=False):
        if ours != theirs:
            break
        count += 1
    return count


def _letters(value: Any) -> str:
    return re.sub(r"[\W_]", "", str(value)).lower()
