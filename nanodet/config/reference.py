"""Generates the page ``docs/config.md`` from the schema: ``python -m nanodet.config.reference``."""

import collections
import dataclasses
import sys
import types
import typing

from nanodet.config.check import limits
from nanodet.config.hints import shown
from nanodet.config.keys import (
    REQUIRED,
    default_of,
    entries,
    meaning,
    parts_of,
    section_of,
    without_none,
)
from nanodet.config.schema import Config

_HEAD = """\
# Every key of a config file

A config file sets the model, the data and the training. Every key can also be set on the command line:

```
nanodet train CONFIG schedule.optimizer.lr=0.01
```

`nanodet init FOLDER` writes a config for a folder of images, and says in comments where its values come from.
[config/nanodet-m_custom.yml](../config/nanodet-m_custom.yml) is a short file to start from,
[config/nanodet-m.yml](../config/nanodet-m.yml) contains the paper's complete recipe.

The keys are those of NanoDet 1.0, so that its files run unchanged, and new ones, marked **+**. **Bold** keys
are required; an empty key (`key:`) has its default. An unknown key, a value of the wrong type or range,
and a setting that would have no effect are errors of one line that names file and key.

This page is generated from the schema: `python -m nanodet.config.reference > docs/config.md`.
"""
_WORDS = {
    bool: "true, false", int: "whole number", float: "number", str: "text", dict: "mapping",
}  # fmt: skip


def reference() -> str:
    """Return the page as Markdown."""
    return "\n".join([_HEAD, f"## Top level\n\n{_table(Config)}", *_below(Config, "", set())])


def _below(kind, prefix, shown_already):
    """Yield the tables of the sections below a dataclass; that of a part only where it occurs first."""
    for entry, hint in entries(kind):
        dotted = f"{prefix}{entry.name}"
        if dotted == "data.val":  # its keys are those of data.train
            continue
        for name, section in _sections(entry, hint).items():
            if section in shown_already:
                continue
            if name or prefix.startswith("model."):
                shown_already.add(section)
            title = f"`{dotted.replace('data.train', 'data.{train,val}')}"
            title += ".*`" if typing.get_origin(without_none(hint)) is dict else "`"
            title += f", name: {name}" if name else ""
            yield f"## {title}\n\n{_table(section)}"
            yield from _below(section, f"{dotted}.", shown_already)


def _sections(entry, hint):
    """Return the possible sections of a key: name of the part ("" for a fixed section) to dataclass."""
    if meaning(entry).table:
        return {name: part.section for name, part in parts_of(entry).items()}
    section = section_of(entry, hint)
    return {} if section is None else {"": section}


def _table(kind):
    rows, refused = [], collections.defaultdict(list)
    for entry, hint in entries(kind):
        about = meaning(entry)
        if about.unread:
            refused[about.text].append(f"`{entry.name}`")
            continue
        name = f"**`{entry.name}`**" if default_of(entry) is REQUIRED else f"`{entry.name}`"
        plus = " **+**" if about.ours else ""
        rows.append(
            f"| {name}{plus} | {_values(entry, hint, about)} | {_default(entry)} | {_sentence(about.text)} |"
        )
    lines = ["| key | values | default | meaning |", "|---|---|---|---|", *rows]
    if refused:
        lines += ["", "Keys of the original that are refused, because nothing here uses them:", ""]
        lines += [f"- {', '.join(names)}: {parts}" for parts, names in refused.items()]
    return "\n".join(lines) + "\n"


def _sentence(text):
    return text[0].upper() + text[1:]


def _values(entry, hint, about):
    if about.known:
        return shown(about.known)
    if _sections(entry, hint):
        return "section"
    words = _type(without_none(hint))
    return words if about.low is None else f"{words}, {limits(about.low, about.high)}"


def _type(hint):
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(map(_type, arguments))
    if origin is list:
        inner = "list" if typing.get_origin(arguments[0]) else _type(arguments[0])
        return f"list of {inner}s"
    return _WORDS.get(origin or hint, "any")


def _default(entry):
    value = default_of(entry)
    if value is REQUIRED or value is None or dataclasses.is_dataclass(value):
        return ""
    return f"`{shown([value])}`"


if __name__ == "__main__":
    sys.stdout.write(reference())
