"""`diagnose`: data sets in, findings about them out."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nanodet.doctor import boxes, classes, copies, difference, files, points
from nanodet.doctor.examined import Examined, examine
from nanodet.doctor.finding import ERROR, NOTE, SEVERITIES, Finding, of_lines
from nanodet.doctor.points import Learner
from nanodet.doctor.subject import Subject
from nanodet.init.size import choose_size


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor found.

    Attributes:
        findings: the most severe first.
        sets: those that could be read.
        learner: which points learn a box; None if the classes are unknown.
        unlearned: of each set with boxes, what `nanodet.doctor.points.unlearned` returns.
    """

    findings: list[Finding]
    sets: list[Examined]
    learner: Learner | None
    unlearned: Mapping[str, tuple[np.ndarray, np.ndarray]]

    def count(self, severity: str) -> int:
        """Return the number of findings of a severity."""
        return sum(one.severity == severity for one in self.findings)

    @property
    def healthy(self) -> bool:
        """Whether a training would start and could learn."""
        return not self.count(ERROR)


def diagnose(subject: Subject, decode: bool = True) -> Diagnosis:
    """Look at one or two sets.

    Args:
        subject: the sets.
        decode: whether to read every image in full, to find copies and images that cannot be decoded.
    """
    found: list[Finding] = []
    if subject.notes:
        advice = "Nothing to do if this is what is meant."
        notes = of_lines(subject.notes)
        found.append(Finding(NOTE, "layout", "", "how the sets were found", advice, examples=notes))
    sets: list[Examined] = []
    names = subject.class_names
    for part, section in subject.sections.items():
        one, faults = examine(section, part, names, subject.names_of)
        found += files.of_faults(part, faults)
        if one is not None:
            sets.append(_sized(one, subject, sets))
            names = names or list(one.names)
    learner = Learner.of(subject.arch, len(names)) if names else None
    lost = {}
    for one in sets:
        found += _of_set(one)
        if learner is not None and len(one.boxes):
            lost[one.part] = points.unlearned(one, learner)
            found += points.of_points(one, learner, *lost[one.part])
    if len(sets) == 2:
        found += files.of_both(*sets)
        # what follows from a fault that is named above is not one more
        if len(sets[0].boxes):
            found += classes.of_both(*sets)
        if not any(fault.kind == "form" for one in sets for fault in one.faults):
            found += difference.of_difference(*sets)
    if len(sets) == len(subject.sections):
        found += files.unmentioned(sets)
    if decode:
        found += copies.of_copies(sets)
    found.sort(key=lambda one: SEVERITIES.index(one.severity))
    return Diagnosis(found, sets, learner, lost)


def _sized(one: Examined, subject: Subject, before: Sequence[Examined]) -> Examined:
    """Return a set with the input size that is chosen for the first, if it is to be chosen."""
    if not subject.largest:
        return one
    chosen = (
        before[0].section.input_size if before else choose_size(one.pictures, subject.largest)[0]
    )
    section = dataclasses.replace(one.section, input_size=list(chosen))
    return dataclasses.replace(one, section=section)


def _of_set(one: Examined) -> Iterator[Finding]:
    yield from files.of_images(one)
    yield from files.of_labels(one)
    yield from classes.of_classes(one)
    yield from boxes.of_boxes(one)
    if one.annotations.notes:
        yield Finding(
            NOTE, "reading", one.part, "how the reader understood the files",
            "Nothing to do if this is what is meant.", examples=of_lines(one.annotations.notes),
        )  # fmt: skip
