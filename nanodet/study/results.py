"""What a run of a study leaves in its folder besides what every training does."""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from nanodet import __version__
from nanodet.config import read_mapping
from nanodet.errors import NanodetError
from nanodet.evaluate.coco_metrics import SUMMARY
from nanodet.files.files import write_text
from nanodet.files.inputs import METRICS, read_text
from nanodet.files.json_keys import JsonKeys, parse_json
from nanodet.study.plan import Run, same_settings
from nanodet.train.outputs import LAST

_SET = ("name", "img_path", "ann_path", "list_path")  # keys of ``data.val`` that say which images
RESULT, SETTINGS, LOG, FAILED = "result.json", "settings.yml", "log.txt", "failed.txt"


@dataclass(frozen=True)
class Result:
    """What a finished run measured.

    Attributes:
        settings: what it was trained with.
        metrics: of `SUMMARY`, in percent; None where undefined.
        pearson: correlation of score and IoU over the positives of ``data.val``, -1..1 or None.
        positives: their number.
        seconds: of the training and its validation; None for a run that was cut and resumed.
        version: of nanodet.
        resampled_ap: of `nanodet.study.over_images.resamples_of`.
        images: of ``data.val``; None in results of earlier versions.
    """

    settings: dict[str, Any]
    metrics: dict[str, float | None]
    pearson: float | None
    positives: int
    seconds: float | None
    version: str = __version__
    resampled_ap: list[float] | None = None
    images: int | None = None

    def value(self, name: str) -> float | None:
        """Return the figure ``name``: of `SUMMARY`, or ``pearson``."""
        return self.pearson if name == "pearson" else self.metrics[name]


@dataclass(frozen=True)
class Outcome:
    """What has become of a run: a result, the line of its failure, or neither yet."""

    run: Run
    result: Result | None = None
    failure: str | None = None


def same_validation_set(results: Collection[Result]) -> bool:
    """Return whether all were measured on the same images, as far as is known: their values compare."""
    sections = [one.settings["data"]["val"] for one in results]
    counts = {one.images for one in results} - {None}
    return len(counts) <= 1 and all(
        section.get(key) == sections[0].get(key) for section in sections for key in _SET
    )


def write_result(folder: Path, result: Result) -> None:
    """Write ``result.json`` into a run folder, completely or not at all."""
    write_text(folder / RESULT, json.dumps(asdict(result), indent=1) + "\n")


def outcome_of(run: Run) -> Outcome:
    """Return what has become of a run; results of other settings do not count.

    Raises:
        NanodetError: its ``result.json`` was not written by a study.
    """
    path = run.folder / RESULT
    if path.is_file():
        result = _read_result(path)
        if same_settings(result.settings, _plain(run.settings)):
            return Outcome(run, result)
    path = run.folder / FAILED
    if path.is_file() and _has_settings(run):
        return Outcome(run, failure=read_text(path, METRICS).strip())
    return Outcome(run)


def prepare(run: Run) -> bool:
    """Make the run folder ready for a training.

    Returns:
        whether the training there was cut and can be resumed: it has the same settings, and a
        checkpoint. An earlier training of other settings is moved aside by the new one.
    """
    resume = _has_settings(run) and (run.folder / LAST).is_file()
    for name in (RESULT, FAILED):
        (run.folder / name).unlink(missing_ok=True)
    if not resume:
        text = yaml.safe_dump(run.settings, sort_keys=False, allow_unicode=True)
        write_text(run.folder / SETTINGS, text)
    return resume


def _has_settings(run: Run) -> bool:
    path = run.folder / SETTINGS
    return path.is_file() and same_settings(read_mapping(path), run.settings)


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as they come back from JSON."""
    return json.loads(json.dumps(settings))


def _read_result(path: Path) -> Result:
    try:
        keys = JsonKeys(parse_json(read_text(path, METRICS), path, "this result"), path)
        metrics = keys.sub("metrics")
        return Result(
            settings=keys.get("settings", dict),
            metrics={name: _number(metrics, name) for name in SUMMARY},
            pearson=_number(keys, "pearson"),
            positives=keys.get("positives", int),
            seconds=_number(keys, "seconds"),
            version=keys.get("version", str),
            resampled_ap=(
                keys.list_of("resampled_ap", float) if keys.mapping.get("resampled_ap") else None
            ),
            images=keys.get("images", int) if keys.mapping.get("images") is not None else None,
        )
    except (NanodetError, UnicodeDecodeError) as error:
        why = str(error).removeprefix(f"{path}: ")
        raise NanodetError(f"{path}: {why}; remove it to train this run again") from None


def _number(keys: JsonKeys, name: str) -> float | None:
    return None if keys.mapping.get(name, 0.0) is None else keys.get(name, float)
