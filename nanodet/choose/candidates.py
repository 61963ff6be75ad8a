"""The models to choose from: trained for this choice, or given as files."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nanodet.choose.grid import grid_study, is_changed
from nanodet.config import read_mapping
from nanodet.errors import NanodetError
from nanodet.export.export import default_name
from nanodet.files.files import make_folder, write_text
from nanodet.files.inputs import CONFIG, read_text
from nanodet.files.locks import locked
from nanodet.runtime.detector import find_model
from nanodet.runtime.engines import CHECKPOINT, NCNN, kind_of
from nanodet.runtime.fit import Size
from nanodet.study.plan import Run, Study, folder_name, read_study
from nanodet.train.outputs import LAST, checkpoint_in

GRID = "grid.yml"


@dataclass(frozen=True)
class Candidate:
    """One model to choose from.

    Attributes:
        name: in tables, unique; stem: of its files, unique.
        model: its checkpoint or ``.param``; of a run, the checkpoint that the training will write.
        run: of the study that trains it; None for a model that was given.
    """

    name: str
    stem: str
    model: Path
    run: Run | None = None


@dataclass(frozen=True)
class Candidates:
    """All of them, and the study that trains those that have a run; None if all were given."""

    all: tuple[Candidate, ...]
    study: Study | None


def find_candidates(
    sources: Sequence[str],
    overrides: Iterable[str],
    out: Path,
    widths: Sequence[str] | None = None,
    sizes: Sequence[Size] | None = None,
) -> Candidates:
    """Return the models to choose from.

    Args:
        sources: one training config or study file, or any number of models, or both.
        overrides: texts ``key=value`` for the config.
        out: folder of the results; the runs of a config are in it.
        widths, sizes: of the grid that a config is trained in, see `nanodet.choose.grid.grid_study`.

    Raises:
        NanodetError: a file that is neither, two configs, or options that do not fit.
    """
    files = [source for source in sources if _is_yaml(source)]
    models = [source for source in sources if not _is_yaml(source)]
    if len(files) > 1:
        raise NanodetError(f"{files[1]}: a second config: give one, and any number of models")
    if not files:
        wishes = {"--widths": widths, "--sizes": sizes, **{text: True for text in overrides}}
        for option, given in wishes.items():
            if given:
                raise NanodetError(f"{option}: is for a config to train, and only models are given")
    study = _study(files[0], list(overrides), out, widths, sizes) if files else None
    runs = () if study is None else study.runs
    several = study is not None and len(study.seeds) > 1
    names = [f"{run.variant}, seed {run.seed}" if several else run.variant for run in runs]
    found = [
        Candidate(name, folder_name(name), run.folder / LAST, run)
        for name, run in zip(names, runs, strict=True)
    ]
    found += [_given(model) for model in models]
    stems: dict[str, Candidate] = {}
    for one in found:
        other = stems.setdefault(one.stem.casefold(), one)
        if other is not one:
            raise NanodetError(
                f"{one.model}: its files would have the name of those of {other.model}"
            )
    return Candidates(tuple(found), study)


def _is_yaml(source: str) -> bool:
    return Path(source).suffix.lower() in (".yml", ".yaml")


def _study(
    file: str,
    overrides: list[str],
    out: Path,
    widths: Sequence[str] | None,
    sizes: Sequence[Size] | None,
) -> Study:
    if "config" in read_mapping(file):
        for option, given in (("--widths", widths), ("--sizes", sizes)):
            if given:
                raise NanodetError(
                    f"{option}: {file} is a study, whose variants are the candidates"
                )
        return read_study(file, overrides)
    for one in overrides:
        if one.startswith("save_dir="):
            raise NanodetError(f"{one}: the runs are in the folder of --out")
    text, path = grid_study(file, overrides, out / "runs", widths, sizes), out / GRID
    make_folder(out)
    with locked(out):
        if path.is_file() and is_changed(read_text(path, CONFIG)):
            raise NanodetError(
                f"{path}: was changed since nanodet choose wrote it: give it instead of {file}, or remove it"
            )
        write_text(path, text)
    # the grid has the seed of the config
    return read_study(path, [one for one in overrides if not one.startswith("seed=")])


def _given(model: str) -> Candidate:
    path = checkpoint_in(Path(model)) if os.path.isdir(model) else Path(find_model(model))
    if kind_of(path) not in (CHECKPOINT, NCNN):
        raise NanodetError(f"{path}: must be a checkpoint, a .param file, a run folder or a config")
    name = default_name(path)
    return Candidate(name, name, path)
