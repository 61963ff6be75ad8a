"""Copies of images: within a set, or of training images in validation."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from nanodet.data.records import Picture, in_both
from nanodet.doctor.examined import Examined
from nanodet.doctor.finding import ERROR, EXAMPLES, NOTE, WARNING, Example, Finding, of_lines
from nanodet.images.likeness import Likeness, groups, likenesses

SOME = 0.05  # fraction of the images of a set; if more are copies, there is a warning


def of_copies(sets: Sequence[Examined]) -> Iterator[Finding]:
    """Yield copies among the images of the sets; reads all of them, but not the unreadable ones."""
    by_path = [{p.path: p for p in one.pictures} for one in sets]
    bad = {path for one in sets for path in one.annotations.unreadable}
    paths = [path for path in dict.fromkeys(chain(*by_path)) if path not in bad]
    found = likenesses(paths)
    seen = {path: one for path, one in zip(paths, found, strict=True) if isinstance(one, Likeness)}
    errors = {path: one for path, one in zip(paths, found, strict=True) if path not in seen}
    for one, own in zip(sets, by_path, strict=True):
        yield from _undecoded(one, [str(errors[path]) for path in own if path in errors])
    alike = [[paths[n] for n in some] for some in groups(found)]
    if len(sets) == 2:
        yield from _between(by_path[0], by_path[1], alike, seen)
    for one, own in zip(sets, by_path, strict=True):
        copies = [[own[path] for path in some if path in own] for some in alike]
        yield from _within(one, [some for some in copies if len(some) > 1])


def _undecoded(one: Examined, lines: Sequence[str]) -> Iterator[Finding]:
    if lines:
        yield Finding(
            ERROR, "undecodable-images", one.part, "images have a header and an end, but no content",
            "Replace these files or remove them: the training stops at the first one.",
            len(lines), len(one.pictures), of_lines(lines),
        )  # fmt: skip


def _between(
    train: Mapping[Path, Picture],
    val: Mapping[Path, Picture],
    alike: Sequence[Sequence[Path]],
    seen: Mapping[Path, Likeness],
) -> Iterator[Finding]:
    same = {one.path for one in in_both([*train.values()], [*val.values()])}
    count = 0
    examples: list[Example] = []
    for some in alike:
        ours = [path for path in some if path in val and path not in same]
        theirs = [path for path in some if path in train]
        if not ours or not theirs:
            continue
        count += len(ours)
        for path in ours[: EXAMPLES - len(examples)]:
            other = min(theirs, key=lambda one: _apart(seen[path], seen[one]))
            text = f"{path} is a copy of {other}"
            examples.append(Example(text, (val[path], train[other])))
    if count:
        yield Finding(
            WARNING, "copies-in-both", "", "images of data.val are copies of images of data.train",
            "Put copies into the same set: AP on images that were trained on says little. Files that "
            "are equal, re-encoded, resized, slightly cropped or changed in brightness count as copies.",
            count, len(val), examples,
        )  # fmt: skip


def _within(one: Examined, alike: Sequence[Sequence[Picture]]) -> Iterator[Finding]:
    count = sum(len(some) - 1 for some in alike)
    if not count:
        return
    examples = [
        Example(f"{some[1].path} is a copy of {some[0].path}", tuple(some[:2]))
        for some in alike[:EXAMPLES]
    ]
    training = one.part == "data.train"
    yield Finding(
        WARNING if count > SOME * len(one.pictures) else NOTE, "copies-within", one.part,
        "images are copies of others in this set",
        "Copies teach nothing new; of objects that are labelled in one and not in the other, they teach "
        "both." if training else "Each copy counts again in AP.",
        count, len(one.pictures), examples,
    )  # fmt: skip


def _apart(a: Likeness, b: Likeness) -> int:
    """Return the bits in which two images differ, and -1 for the same file."""
    return (a.bits ^ b.bits).bit_count() - (a.file == b.file)
