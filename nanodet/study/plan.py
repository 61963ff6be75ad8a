"""A study file: a training config, the variants to compare and the seeds; read into runs."""

import copy
import itertools
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from nanodet.config import Config, config_from_dict, read_mapping
from nanodet.config.build import build
from nanodet.config.check import check_values, failing
from nanodet.config.effects import refuse_without_effect
from nanodet.config.keys import MUCH, REQUIRED, Fail, key
from nanodet.config.load import apply_override, put
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.learn.objective import build_objective
from nanodet.model.detectors import DETECTORS
from nanodet.model.part import on_meta
from nanodet.text.brief import brief_text

# of a config: what a study sets in every run, so that all have the same budget and order
OWN = ("seed", "save_dir", "schedule.resume", "schedule.val_intervals", "schedule.early_stopping")
LONGEST = 120  # letters of a variant's name
MOST_RUNS = 10_000

Changes = dict[str, Any]  # dotted key of a config to value


@dataclass
class StudyFile:
    """The keys of a study file, see docs/study.md."""

    config: str = key(REQUIRED, "the training config, as seen from the study file")
    save_dir: str | None = key(None, "folder of the runs; default: workspace/ and the file's name")
    set: dict[str, Any] | None = key(None, "keys of the config that all runs change")
    seeds: list[int] = key(lambda: [0, 1, 2], "every variant is trained with each", 0, MUCH)
    baseline: str | None = key(None, "the variant to compare with; default: the first")
    variants: dict[str, dict[str, Any] | None] | None = key(
        None, "name to the keys of the config that it changes"
    )
    grid: dict[str, list[Any]] | None = key(
        None, "key of the config to values: all combinations, of every variant"
    )


_KEYS = {entry.name for entry in fields(StudyFile)}


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        variant, seed: what it is.
        folder: its run folder.
        settings: the whole config, unchecked, as `nanodet train` reads it.
    """

    variant: str
    seed: int
    folder: Path
    settings: dict[str, Any]


@dataclass(frozen=True)
class Study:
    """A study file that was read and checked.

    Attributes:
        file: its name; config: that of its training config.
        folder: of all runs and of the report.
        changes: keys that all runs change.
        variants: name to the keys that it changes; the first is what the others are compared with.
        seeds: of each variant.
        runs: all runs, in their order: all variants of a seed before those of the next.
        example: the checked `Config` of the first run.
    """

    file: str
    config: str
    folder: Path
    changes: Changes
    variants: dict[str, Changes]
    seeds: tuple[int, ...]
    runs: tuple[Run, ...]
    example: Config

    @property
    def name(self) -> str:
        """The name of the file, without folder and ending."""
        return Path(self.file).stem

    @property
    def epochs(self) -> str:
        """The epochs of a run as text, such as ``22`` or, if they differ, ``22 to 30``."""
        # the runs are validated after their last epoch
        found = {run.settings["schedule"]["val_intervals"] for run in self.runs}
        return " to ".join(map(str, sorted({min(found), max(found)})))

    @property
    def baseline(self) -> str:
        """The variant that the others are compared with."""
        return next(iter(self.variants))


def read_study(path: StrPath, overrides: Iterable[str] = ()) -> Study:
    """Read a study file, and check the config of every variant.

    Args:
        path: a YAML file.
        overrides: texts such as ``schedule.total_epochs=4``, for all runs; ``save_dir=DIR`` changes
            the study's folder.

    Raises:
        NanodetError: not readable, or a wrong key, type or value in it or in the config of a variant.
    """
    file, fail = str(path), failing(path)
    mapping = read_mapping(path)
    if "config" not in mapping and ("data" in mapping or "model" in mapping):
        fail(
            "config", "this key is missing: this is a training config, not a study (docs/study.md)"
        )
    section = build(StudyFile, mapping, file)
    check_values(section, fail)
    config = os.path.normpath(Path(path).parent / section.config)
    if not os.path.exists(config):
        fail("config", f"{config}: there is no such file (the path is as seen from the study file)")
    base = read_mapping(config)
    changes = dict(_checked(section.set or {}, "set", fail))
    for name, value in changes.items():
        put(base, name, value, f"{file}: set.{name}")
    folder = section.save_dir or f"workspace/{Path(path).stem}"
    for text in overrides:
        name = text.partition("=")[0]
        if name in OWN and name != "save_dir":
            raise NanodetError(f"{text}: a study sets {name} itself")
        if name != "save_dir" and name in _KEYS:
            raise NanodetError(f"{text}: {name} is a key of the study file: change it in {file}")
        changes[name] = apply_override(base, text)
    folder = str(changes.pop("save_dir", folder))
    variants = _variants(section, fail)
    seeds = tuple(dict.fromkeys(section.seeds))
    if not seeds:
        fail("seeds", "is empty")
    if len(variants) * len(seeds) > MOST_RUNS:
        fail("grid", f"{len(variants)} variants with {len(seeds)} seeds are over {MOST_RUNS} runs")
    settings, configs = {}, []
    for variant, changed in variants.items():
        mapping = copy.deepcopy(base)
        for name, value in changed.items():
            put(mapping, name, copy.deepcopy(value), f"{file}: variant {variant}: {name}")
        configs.append(_check_variant(mapping, f"{file}: variant {variant}"))
        settings[variant] = _equal_budget(mapping, configs[-1])
    runs = tuple(
        _run(Path(folder), variant, seed, settings[variant])
        for seed in seeds
        for variant in variants
    )
    return Study(file, config, Path(folder), changes, variants, seeds, runs, configs[0])


def folder_name(variant: str) -> str:
    """Return the name of a variant's folder: letters, digits, and ``+-=.``; all else becomes ``_``."""
    return re.sub(r"[^\w.+=-]+", "_", variant).strip("._")


def _checked(changes: Changes, place: str, fail: Fail) -> Changes:
    """Return the changes; call ``fail`` for keys that are none of a config, or that a study sets."""
    for name, value in changes.items():
        if not isinstance(name, str) or not all(name.split(".")):
            fail(f"{place}.{name}", "is not a dotted key of a config")
        values = value if place == "grid" and isinstance(value, list) else [value]
        if "." not in name and any(isinstance(one, Mapping) for one in values):
            # such as a part of a config that was pasted: the rest of the section would be lost
            fail(
                f"{place}.{name}",
                "would replace the whole section: write dotted keys, such as "
                "model.arch.head.reg_max: 15",
            )
        if name in OWN:
            fail(f"{place}.{name}", "a study sets this key itself: remove it")
    return changes


def _variants(section: StudyFile, fail: Fail) -> dict[str, Changes]:
    """Return name to changes of all variants, the baseline first."""
    if not section.variants and not section.grid:
        fail("variants", "neither this nor grid is given: nothing to compare")
    named = {
        str(name): _checked(changes or {}, f"variants.{name}", fail)
        for name, changes in (section.variants or {"": {}}).items()
    }
    grid = _checked(section.grid or {}, "grid", fail)
    for name, values in grid.items():
        if not values:
            fail(f"grid.{name}", "is empty")
    lasts = [name.rpartition(".")[2] for name in grid]
    short = {n: last if lasts.count(last) == 1 else n for n, last in zip(grid, lasts, strict=True)}
    found: dict[str, Changes] = {}
    for (start, changes), values in itertools.product(
        named.items(), itertools.product(*grid.values())
    ):
        chosen = dict(zip(grid, values, strict=True))
        parts = [f"{short[name]}={_word(value)}" for name, value in chosen.items()]
        name = ", ".join([start] * bool(start) + parts)
        if name in found:
            fail("grid", f"two variants are named {name}: name them under variants")
        found[name] = {**changes, **chosen}
    folders: dict[str, str] = {}
    for name in found:
        own = folder_name(name)
        if not own or len(name) > LONGEST:
            fail("variants", f"{brief_text(name)!r} is not a name of 1 to {LONGEST} letters")
        other = folders.setdefault(own.casefold(), name)
        if other != name:
            fail("variants", f"{other!r} and {name!r} would have the same folder, {own}")
    baseline = next(iter(found)) if section.baseline is None else section.baseline
    if baseline not in found:
        fail("baseline", f"{baseline!r} is not a variant; known: {', '.join(found)}")
    return {baseline: found[baseline], **found}  # the baseline first


def _word(value: Any) -> str:
    """Return a value of the grid for a name: that of a part where it is a section."""
    if isinstance(value, Mapping):
        rest = [f"{name} {_word(v)}" for name, v in value.items() if name != "name"]
        return " ".join([str(value.get("name", "")), *rest]).strip()
    return str(value).lower() if isinstance(value, bool) else brief_text(value)


def _check_variant(mapping: dict[str, Any], label: str) -> Config:
    """Return the `Config` of a variant, or raise a `NanodetError` that begins with ``label``."""
    config = config_from_dict(copy.deepcopy(mapping), label)
    refuse_without_effect(config, failing(label))
    arch = copy.deepcopy(config.model.arch)
    for head in (arch.head, getattr(arch, "aux_head", None)):
        if head is not None and head.num_classes is None:  # the training takes it from the data
            head.num_classes = 1
    network = on_meta(DETECTORS[arch.name].build, arch)
    try:
        build_objective(network, arch)
    except NanodetError as error:
        raise NanodetError(f"{label}: {error}") from None
    return config


def _equal_budget(settings: dict[str, Any], config: Config) -> dict[str, Any]:
    """Return the settings of a checked config, validated at the end only."""
    schedule = settings["schedule"]
    for name in ("resume", "early_stopping"):
        schedule.pop(name, None)
    schedule["val_intervals"] = config.schedule.total_epochs
    return settings


def _run(folder: Path, variant: str, seed: int, settings: dict[str, Any]) -> Run:
    own = folder / folder_name(variant) / f"seed{seed}"
    return Run(variant, seed, own, {**settings, "seed": seed, "save_dir": str(own)})


def same_settings(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether two settings of runs are the same training, wherever its folder lies."""
    return {**one, "save_dir": None} == {**other, "save_dir": None}
