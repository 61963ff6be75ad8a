"""Images that occur several times: within a set, or in training and in validation."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from nanodet.data.records import Picture
from nanodet.doctor.examined import Examined
from nanodet.doctor.finding import ERROR, EXAMPLES, NOTE, WARNING, Example, Finding, of_lines
from nanodet.errors import NanodetError
from nanodet.images.likeness import Likeness, groups, likenesses

SOME = 0.05  # fraction of the images of a set; if more are copies, there is a warning


def of_copies(sets: Sequence[Examined]) -> Iterator[Finding]:
    """Yield copies among the images of the sets; reads all of them, but not the unreadable ones."""
    by_path = {p.path: (p, one.part) for one in sets for p in one.pictures}
    bad = {path for one in sets for path in one.annotations.unreadable}
    paths = [path for path in by_path if path not in bad]
    found = likenesses(paths)
    for one in sets:
        yield from _undecoded(one, paths, found)
    alike = [[paths[n] for n in some] for some in groups(found)]
    seen = dict(zip(paths, found, strict=True))
    yield from _between(sets, alike, by_path, seen)
    for one in sets:
        own = [[path for path in some if by_path[path][1] == one.part] for some in alike]
        yield from _within(one, [some for some in own if len(some) > 1], by_path)


def _undecoded(
    one: Examined, paths: Sequence[Path], found: Sequence[Likeness | NanodetError]
) -> Iterator[Finding]:
    own = {p.path for p in one.pictures}
    lines = [
        str(error)
        for path, error in zip(paths, found, strict=True)
        if isinstance(error, NanodetError) and path in own
    ]
    if lines:
        yield Finding(
            ERROR, "undecodable-images", one.part, "images have a header and an end, but no content",
            "Replace these files or remove them: the training stops at the first one.",
            len(lines), len(own), of_lines(lines),
        )  # fmt: skip


def _between(
    sets: Sequence[Examined],
    alike: Sequence[Sequence[Path]],
    by_path: dict[Path, tuple[Picture, str]],
    seen: dict[Path, Likeness | NanodetError],
) -> Iterator[Finding]:
    if len(sets) < 2:
        return
    train, val = ({p.path: p for p in one.pictures} for one in sets)
    shared = [path for path in val if path in train]
    if shared:
        yield Finding(
            WARNING, "same-images-in-both", "", "images of data.val are also in data.train",
            "Take them out of one set: AP on images that were trained on says little.",
            len(shared), len(val), [Example(str(path), (val[path],)) for path in shared[:EXAMPLES]],
        )  # fmt: skip
    count = 0
    examples: list[Example] = []
    for some in alike:
        ours = [path for path in some if path in val and path not in train]
        theirs = [path for path in some if path in train]
        if not ours or not theirs:
            continue
        count += len(ours)
        for path in ours[: EXAMPLES - len(examples)]:
            other = min(theirs, key=lambda one: _apart(seen[path], seen[one]))
            text = f"{path} is a copy of {other}"
            examples.append(Example(text, (by_path[path][0], by_path[other][0])))
    if count:
        yield Finding(
            WARNING, "copies-in-both", "", "images of data.val are copies of images of data.train",
            "Put copies into the same set: AP on images that were trained on says little. Files that "
            "are equal, re-encoded, resized, slightly cropped or changed in brightness count as copies.",
            count, len(val), examples,
        )  # fmt: skip


def _within(
    one: Examined, alike: Sequence[Sequence[Path]], by_path: dict[Path, tuple[Picture, str]]
) -> Iterator[Finding]:
    count = sum(len(some) - 1 for some in alike)
    if not count:
        return
    examples = [
        Example(
            f"{some[1]} is a copy of {some[0]}", tuple(by_path[path][0] for path in some[:2])
        )
        for some in alike[:EXAMPLES]
    ]  # fmt: skip
    training = one.part == "data.train"
    yield Finding(
        WARNING if count > SOME * len(one.pictures) else NOTE, "copies-within", one.part,
        "images are copies of others in this set",
        "Copies teach nothing new; of objects that are labelled in one and not in the other, they teach "
        "both." if training else "Each copy counts again in AP.",
        count, len(one.pictures), examples,
    )  # fmt: skip


def _apart(a: Likeness | NanodetError, b: Likeness | NanodetError) -> int:
    if isinstance(a, NanodetError) or isinstance(b, NanodetError):
        return 64
    return (a.bits ^ b.bits).bit_count() - (a.file == b.file)
