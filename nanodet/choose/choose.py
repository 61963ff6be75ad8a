"""From a config or models to the best model for a time budget: what ``nanodet choose`` does."""

import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from nanodet.choose.candidates import Candidate, Candidates, find_candidates
from nanodet.choose.files import Making, ModelFile, make_files
from nanodet.choose.front import Choice, recommend
from nanodet.choose.measure import detect_or_read
from nanodet.choose.page import Chosen, write_pages
from nanodet.choose.sets import DataSets, forget_if_changed
from nanodet.choose.times import TimingOptions, time_files, timed_before
from nanodet.data.reading import Reading
from nanodet.errors import NanodetError
from nanodet.evaluate.bootstrap import Interval
from nanodet.evaluate.coco_metrics import check_pycocotools, evaluate_detections
from nanodet.evaluate.ground_truth import given, of_config
from nanodet.evaluate.intervals import TOO_FEW, Resampled, resampled
from nanodet.evaluate.plots import new_figure
from nanodet.evaluate.run import evaluation_detector
from nanodet.files import StrPath
from nanodet.files.files import check_folder_writable, make_folder
from nanodet.files.locks import locked
from nanodet.runtime.engines import CHECKPOINT, kind_of
from nanodet.runtime.fit import Size
from nanodet.study.results import outcome_of
from nanodet.study.study import train_runs
from nanodet.text import Say
from nanodet.text.printable import say


def choose(
    sources: Sequence[str],
    budget_ms: float,
    out: StrPath,
    *,
    making: Making,
    timing: TimingOptions,
    overrides: Sequence[str] = (),
    widths: Sequence[str] | None = None,
    sizes: Sequence[Size] | None = None,
    jobs: int = 1,
    images: StrPath | None = None,
    annotations: StrPath | None = None,
    reading: Reading | None = None,
    command: Sequence[str] = (),
    report: Say = say,
) -> Chosen:
    """Train or take models, export and quantize them, measure AP and milliseconds, and recommend one.

    What a stopped run left in ``out`` is kept where it is of the same models, images and options.

    Args:
        sources, overrides, widths, sizes: see `nanodet.choose.candidates.find_candidates`.
        budget_ms: milliseconds end to end for one image.
        out: folder of the runs, files and results.
        making: how models become files; timing: how these are timed.
        jobs: trainings at once.
        images, annotations, reading: what AP is measured on; None: ``data.val`` of the first model's
            config.
        command: the words that repeat the choice.
        report: called with each line of progress.

    Returns:
        what was measured and recommended; also written into ``out``, see `write_pages`.

    Raises:
        NanodetError: bad input; a training, an export or a measurement that failed.
    """
    check_pycocotools()
    new_figure(1, 1)  # is matplotlib there?
    check_folder_writable(out)
    folder = Path(out)
    source = given(images, annotations, reading)
    if source is not None and annotations is None:
        raise NanodetError("--images: needs --annotations to measure AP")
    candidates = find_candidates(sources, overrides, folder, widths, sizes)
    sets = DataSets()
    classes = _check_classes(candidates, making, sets)
    if timing.place is not None and not timed_before(timing, folder):
        timing.place.check()
    study = candidates.study
    first = candidates.all[0].model if study is None else Path(study.config)
    if source is None:
        data = making.data_of(first) if study is None else study.example.data
        source = of_config(data, str(first), "val", reading)
    report(f"AP on {source.annotations}")
    truth = source.read(classes, first)
    seconds: dict[str, float] = {}

    @contextmanager
    def step(name: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        seconds[name] = time.monotonic() - started

    make_folder(folder)
    with locked(folder):
        with step("training"):
            _train(candidates, sets, jobs, report)
        files: list[ModelFile] = []
        notes: list[str] = []
        with step("export and int8"):
            for candidate in candidates.all:
                made, lines = make_files(
                    candidate, folder / "models", making, report,
                    _calibration(candidate, making, sets, classes),
                )  # fmt: skip
                files += made
                notes += lines
        with step("AP"):
            drawn: dict[str, Resampled] = {}
            for one in files:
                found = detect_or_read(one, truth, folder / "models" / one.candidate.stem)
                drawn[one.name] = resampled(evaluate_detections(truth, found), sizes=False)
            if drawn[files[0].name].interval() is None:
                notes.append(f"{TOO_FEW}: which models differ in it by chance is not known.")
                report(notes[-1])
        with step("milliseconds"):
            image = truth.pictures[0].path
            times = time_files(files, timing, image, folder)
        choices = tuple(
            Choice(one.name, _ap(drawn[one.name]), *times.of[str(one.param)], one.megabytes)
            for one in files
        )
        chosen = Chosen(
            choices=choices,
            params={one.name: str(one.param) for one in files},
            recommendation=recommend(choices, budget_ms, _paired(drawn)),
            budget_ms=budget_ms,
            images=f"{len(truth.pictures)} images of {source.annotations}",
            machine=times.machine + (" (kept from an earlier run)" if times.kept else ""),
            notes=(*notes, *times.doubts),
            seconds=seconds,
            commands=(shlex.join(command), timing.command(files, image)),
        )
        for path in write_pages(chosen, folder):
            report(str(path))
    return chosen


def _check_classes(candidates: Candidates, making: Making, sets: DataSets) -> Sequence[str]:
    """Return the classes of the candidates, before anything takes long: they have to be the same.

    Models that were given are loaded.
    """
    given = [one.model for one in candidates.all if one.run is None]
    configs = {model: making.config_for(model) for model in given}
    if making.config is not None and not any(configs.values()):
        raise NanodetError(
            "--config: is for models that have no config, and all of these have theirs"
        )
    first: tuple[str, list[str]] | None = None
    for one in candidates.all:
        if one.run is not None and candidates.study is not None:
            where = f"{candidates.study.config} (variant {one.run.variant})"
            names = list(sets.classes_of(one.run))
        else:
            where = str(one.model)
            of = configs[one.model] if kind_of(one.model) is CHECKPOINT else None
            names = list(evaluation_detector(one.model, config=of).class_names)
        first = first or (where, names)
        if names != first[1]:
            raise NanodetError(
                f"{where}: its classes are not those of {first[0]}: they cannot be compared"
            )
    assert first is not None, "no candidates"
    return first[1]


def _calibration(
    one: Candidate, making: Making, sets: DataSets, class_names: Sequence[str]
) -> str | None:
    """Return a hash of the data that chooses the int8 layers of a candidate; None if that cannot be read."""
    if not making.int8:
        return None
    try:
        return sets.calibration_key(making.data_of(one.model), class_names)
    except NanodetError:
        return None  # what is wrong with it, quantizing says


def _train(candidates: Candidates, sets: DataSets, jobs: int, report: Say) -> None:
    """Train the candidates that are to be trained and are not yet."""
    study = candidates.study
    if study is None:
        return
    make_folder(study.folder)
    with locked(study.folder):
        for run in study.runs:
            forget_if_changed(run, sets.key_of(run), report)
        train_runs(study, jobs, report)
    for run in study.runs:
        outcome = outcome_of(run)
        if outcome.result is None:
            raise NanodetError(
                f"{run.folder}: this training failed: {outcome.failure or 'it was stopped'}"
            )


def _ap(drawn: Resampled) -> Interval:
    """Return AP with its interval; without one it may be anything."""
    return drawn.interval() or Interval(drawn.value(), 0.0, 100.0)


def _paired(drawn: Mapping[str, Resampled]) -> Callable[[Choice, Choice], Interval]:
    def change(ours: Choice, theirs: Choice) -> Interval:
        anything = Interval(ours.ap.value - theirs.ap.value, -100.0, 100.0)
        return drawn[ours.name].minus(drawn[theirs.name]) or anything

    return change
