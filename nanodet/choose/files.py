"""The files of a candidate: exported to ncnn, and in int8. What is there already is kept."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nanodet import __version__
from nanodet.choose.candidates import Candidate
from nanodet.config.beside import config_beside
from nanodet.config.data_sections import Data
from nanodet.errors import NanodetError
from nanodet.evaluate.ground_truth import data_for
from nanodet.export.export import export
from nanodet.files.files import make_folder, sha256, write_text
from nanodet.files.incoming import is_file
from nanodet.model.checkpoint import read_checkpoint
from nanodet.quantize.choose import ALL, FAST
from nanodet.quantize.quantize import NothingToQuantise, quantize
from nanodet.runtime.engines import CHECKPOINT, NCNN, files_of, kind_of, spec_file
from nanodet.runtime.spec import Spec
from nanodet.text import Say

MADE = "made.json"  # what the files of a candidate were made from
FP32, FP16, INT8 = "fp32", "fp16", "int8"


@dataclass(frozen=True)
class Making:
    """How candidates become files.

    Attributes:
        target: what the graphs are rewritten for, see `nanodet.export.rewriting.plan.TARGETS`.
        int8: whether to quantize, too.
        elsewhere: whether the files are for another CPU than this one.
        max_drop: points of AP that int8 may lose.
        config: config of checkpoints and models that have none; see `config_for`.
    """

    target: str
    int8: bool = True
    elsewhere: bool = False
    max_drop: float = 0.5
    config: str | None = None

    @property
    def layers(self) -> str:
        """Which become int8, see `nanodet.quantize.choose.start`: the times of this CPU say nothing
        about another's."""
        return ALL if self.elsewhere else FAST

    def config_for(self, model: Path) -> str | None:
        """Return the config to read a checkpoint or ``.param`` with: None if it has one, or there is none."""
        if self.config is None:
            return None
        if kind_of(model) is CHECKPOINT:
            return self.config if read_checkpoint(model).config is None else None
        return None if is_file(config_beside(model)) else self.config

    def data_of(self, model: Path) -> Data:
        """Return the ``data`` of the config of a checkpoint or ``.param``.

        Raises:
            NanodetError: it has none.
        """
        own = model if kind_of(model) is CHECKPOINT else None
        return data_for(model, self.config_for(model) or own)[0]


@dataclass(frozen=True)
class ModelFile:
    """One file to choose: a ``.param`` of a candidate, in ``fp32``, ``fp16`` (as given) or ``int8``."""

    candidate: Candidate
    form: str
    param: Path

    @property
    def name(self) -> str:
        """Its candidate and form, as in tables."""
        return f"{self.candidate.name} {self.form}"

    @property
    def files(self) -> list[Path]:
        """All files that are shipped."""
        return [*files_of(self.param), spec_file(self.param)]

    @property
    def megabytes(self) -> float:
        """Of all files that are shipped, in units of 10^6 bytes."""
        return sum(path.stat().st_size for path in self.files) / 1e6

    def hashes(self) -> dict[str, str]:
        """Return name to SHA-256 of its files."""
        return {path.name: sha256(path) for path in self.files}


def make_files(
    candidate: Candidate, folder: Path, making: Making, report: Say, data: str | None = None
) -> tuple[list[ModelFile], list[str]]:
    """Export and quantize a candidate, unless that was done before from the same checkpoint and data.

    Args:
        candidate: its model exists.
        folder: gets the files, in a folder of the candidate's.
        making: how.
        report: called with each line of progress.
        data: a hash of the data that chooses the int8 layers; None if it cannot be read.

    Returns:
        the files, and a line for each that could not be made: int8 may cost too much everywhere. What
        failed for another reason is tried again by the next call.

    Raises:
        NanodetError: the model cannot be exported.
    """
    own = folder / candidate.stem
    given = kind_of(candidate.model) is NCNN
    source = candidate.model if given else own / f"{candidate.stem}.param"
    config = making.config_for(candidate.model)
    stamp = {
        "nanodet": __version__, "model": sha256(candidate.model), "target": making.target,
        "int8": making.int8 and [making.layers, making.max_drop],
        "config": None if config is None else sha256(config), "data": data,
    }  # fmt: skip
    kept = _kept(own, stamp, candidate, source)
    if kept is not None:
        report(f"{candidate.name}: files of an earlier run")
        return kept
    make_folder(own)
    (own / MADE).unlink(missing_ok=True)
    notes, final = [], True
    if not given:
        export(
            candidate.model, own, config, ("ncnn-fp32",),
            name=candidate.stem, target=making.target, report=report,
        )  # fmt: skip
    made = [ModelFile(candidate, _form_of(source), source)]
    if making.int8 and made[0].form != INT8:
        try:
            result = quantize(
                source, None, own, max_drop=making.max_drop, layers=making.layers,
                config=making.config_for(source), report=report,
            )  # fmt: skip
            made.append(ModelFile(candidate, INT8, result.files[0]))
        except NanodetError as error:
            notes.append(f"{candidate.name}: no int8 file: {error}")
            report(notes[-1])
            final = isinstance(error, NothingToQuantise)  # anything else may be mended
    facts: dict[str, Any] = {
        "stamp": stamp, "notes": notes, "files": {one.form: one.hashes() for one in made},
    }  # fmt: skip
    if final:
        write_text(own / MADE, json.dumps(facts, indent=1) + "\n")
    return made, notes


def _kept(
    own: Path, stamp: dict[str, Any], candidate: Candidate, source: Path
) -> tuple[list[ModelFile], list[str]] | None:
    """Return what an earlier call made with the same stamp, if its files are unchanged."""
    try:
        facts = json.loads((own / MADE).read_text(encoding="utf-8"))
        # data that cannot be read now say nothing about the files
        unknown = {"data": None} if stamp["data"] is None else {}
        if facts["stamp"] | unknown != stamp:
            return None
        found = [
            ModelFile(candidate, form, source if number == 0 else own / next(iter(hashes)))
            for number, (form, hashes) in enumerate(facts["files"].items())
        ]
        same = all(one.hashes() == facts["files"][one.form] for one in found)
        return (found, list(facts["notes"])) if same else None
    except Exception:
        return None  # whatever is wrong with it: they are made anew


def _form_of(param: Path) -> str:
    if "int8" in Spec.load(spec_file(param)).measured:
        return INT8
    return FP16 if param.stem.endswith("-fp16") else FP32
