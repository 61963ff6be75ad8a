"""Which images calibrate, and the judge that measures on the others: of what is given, or of a config."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from nanodet.data.reading import Reading
from nanodet.data.records import Annotations, in_both
from nanodet.errors import NanodetError
from nanodet.evaluate.ground_truth import AnnotatedImages, data_for, given, of_config
from nanodet.files import StrPath
from nanodet.quantize.judge import ApJudge, Budget, Judge, TwinJudge
from nanodet.quantize.pictures import draw, list_pictures, split, split_annotations
from nanodet.runtime.spec import Spec
from nanodet.text import Say

MEASURED = 500  # most images to measure on if the user gives none


def judge_for(
    model: StrPath,
    spec: Spec,
    images: StrPath | None,
    annotations: StrPath | None,
    *,
    config: StrPath | None,
    reading: Reading | None,
    limit: int,
    seed: int,
    budget: Budget,
    report: Say,
) -> tuple[Judge, Sequence[Path]]:
    """Return the judge of a quantisation, and the paths of the images to calibrate on.

    Args:
        model: the floating-point ``.param``; spec: its spec; budget: what AP may be lost.
        images ... report: as `nanodet.quantize.quantize.quantize` takes them.
    """
    source = given(images, annotations, reading)
    if source is not None:
        return _of_source(model, source, spec, limit=limit, seed=seed, budget=budget)
    return _of_config(
        model,
        config,
        spec,
        limit=limit,
        seed=seed,
        budget=budget,
        reading=reading,
        report=report,
    )


def _of_source(
    model: StrPath, source: AnnotatedImages, spec: Spec, limit: int, seed: int, budget: Budget
) -> tuple[Judge, Sequence[Path]]:
    """Return the judge and the paths of the calibration images, both from one `AnnotatedImages`."""
    images = source.images
    if source.annotations is None:
        if budget.sure:
            raise NanodetError("--sure: needs --annotations, as it is about AP")
        paths, others = split(list_pictures(images, source.reading), limit, seed, images)
        return TwinJudge(paths, others), paths
    found = source.read(spec.class_names, model)
    return _ap_judge(*split_annotations(found, limit, seed, images), budget)


def _of_config(
    model: StrPath,
    config: StrPath | None,
    spec: Spec,
    limit: int,
    seed: int,
    budget: Budget,
    reading: Reading | None,
    report: Say,
) -> tuple[Judge, Sequence[Path]]:
    """Return what `_of_source` returns, from the two sets of the model's config."""
    data, file = data_for(model, config)
    if reading is not None and reading.list_path is not None:
        raise NanodetError("--list: needs --images, the folder of the listed images")
    sets: dict[str, Annotations] = {}
    for part, most in (("train", limit), ("val", MEASURED)):
        source = of_config(data, file, part, reading)
        found = source.read(spec.class_names, model)
        used = [picture for one in sets.values() for picture in one.pictures]
        both = {picture.path for picture in in_both(used, found.pictures)}
        left = [picture for picture in found.pictures if picture.path not in both]
        if not left:
            raise NanodetError(
                f"{file}: data.{part}: has no image other than those used to calibrate"
            )
        sets[part] = dataclasses.replace(found, pictures=draw(left, most, seed), problems=[])
        verb = "calibrate" if part == "train" else "measure"
        report(f"{len(sets[part].pictures)} of {len(found.pictures)} images {verb}, {source}")
    return _ap_judge(sets["train"], sets["val"], budget)


def _ap_judge(
    calibration: Annotations, measuring: Annotations, budget: Budget
) -> tuple[Judge, Sequence[Path]]:
    paths = [picture.path for picture in calibration.pictures]
    return ApJudge(calibration, measuring, budget), paths
