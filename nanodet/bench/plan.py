"""What is to be timed and how long: model x threads x precision, all of it checked beforehand."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.ncnn_files.graph import Graph
from nanodet.ncnn_files.resizing import made_for
from nanodet.runtime.detector import find_model
from nanodet.runtime.engines import PRECISIONS, engine_of, engines_of, kind_of
from nanodet.runtime.spec import check_input_size

TURN_S, SETTLE_S, SETTLE_RUNS = 0.5, 0.05, 2


@dataclass(frozen=True)
class Effort:
    """How much is measured of each entry.

    Attributes:
        runs, seconds: both are reached; ``seconds`` of measured time.
        name: ``standard``, ``strict`` or ``quick``.
    """

    runs: int = 100
    seconds: float = 10.0
    name: str = "standard"

    @property
    def warmup_runs(self) -> int:
        return 10

    @property
    def warmup_s(self) -> float:
        return min(1.0, self.seconds)

    @property
    def turn_s(self) -> float:
        """Seconds of one turn; short enough that everything gets at least four of them."""
        return min(TURN_S, self.seconds / 4)

    @property
    def settle_s(self) -> float:
        """Seconds at the start of a turn that do not count: caches and clocks are another's."""
        return min(SETTLE_S, self.turn_s / 4)


STANDARD, STRICT = Effort(), Effort(1024, 60.0, "strict")


def effort_of(
    strict: bool = False, runs: int | None = None, seconds: float | None = None
) -> Effort:
    """Return the `Effort` of the options; less than `STANDARD` is called ``quick``."""
    base = STRICT if strict else STANDARD
    runs, seconds = runs or base.runs, seconds or base.seconds
    if runs < STANDARD.runs or seconds < STANDARD.seconds:
        return Effort(runs, seconds, "quick")
    strict = runs >= STRICT.runs and seconds >= STRICT.seconds
    return Effort(runs, seconds, "strict" if strict else "standard")


@dataclass(frozen=True)
class Entry:
    """One line of the result, and one process that is timed.

    Attributes:
        path: the model's file, or the graph's.
        graph: whether it is a graph without weights.
        size: (width, height) of the input; None takes the model's own.
        threads: CPU threads.
        precision: of the arithmetic, see `nanodet.runtime.engines.ncnn`.
        name: of the model in tables, unique among the models of a plan.
        engine: see `nanodet.runtime.engines.ENGINES`; None for the usual one.
        cores: numbers of the CPU cores to run on; None for those of the whole run.
    """

    path: str
    graph: bool
    size: tuple[int, int] | None
    threads: int
    precision: str
    name: str
    engine: str | None = None
    cores: tuple[int, ...] | None = None

    @property
    def label(self) -> str:
        """Names the entry in messages, uniquely."""
        size = "" if self.size is None else f" {self.size[0]}x{self.size[1]}"
        return f"{self.name}{size}, {count_threads(self.threads)}, {self.precision}"


def count_threads(threads: int) -> str:
    """Return ``1 thread``, ``2 threads`` and so on."""
    return f"{threads} thread{'' if threads == 1 else 's'}"


def plan_entries(
    models: Iterable[str],
    graphs: Iterable[tuple[StrPath, tuple[int, int]]] = (),
    threads: Sequence[int] = (1,),
    precisions: Sequence[str] = ("fp32",),
    here: bool = True,
) -> list[Entry]:
    """Return the `Entry` list of everything that is to be timed, in the order of the table.

    Args:
        models: texts ``MODEL`` or ``MODEL@WxH``; a model as `Detector` takes it, by path or name.
        graphs: (file, (width, height)) of each graph that is timed with empty weights.
        threads, precisions: every model is timed with each of them; ``.onnx`` and ``.ckpt`` have
            fp32 alone.
        here: whether they are timed on this machine; what another's CPU can do is not asked.

    Raises:
        NanodetError: nothing to time, a missing file, a precision that this CPU or a model lacks.
    """
    sized = [split_size(text) for text in models]
    wanted: list[tuple[str, tuple[int, int] | None, bool]] = [
        (find_model(path), size, False) for path, size in sized
    ]
    wanted += [(str(path), (size[0], size[1]), True) for path, size in graphs]
    if not wanted:
        raise NanodetError("nothing to time: give a MODEL, or --graph GRAPH.param --size WxH")
    for path, size, graph in wanted:
        _check_file(path, size, graph)
    _check_precisions(precisions, [path for path, _, _ in wanted], here)
    names = _names([path for path, _, _ in wanted])
    entries = []
    for path, size, graph in wanted:
        own = precisions if _has_precisions(path) else PRECISIONS[:1]
        entries += [
            Entry(path, graph, size, count, precision, names[path])
            for count in threads
            for precision in own
        ]
    twice = [entry.label for entry, times in Counter(entries).items() if times > 1]
    if twice:
        raise NanodetError(f"{twice[0]}: is to be timed twice in one run")
    return entries


def split_size(text: str) -> tuple[str, tuple[int, int] | None]:
    """Return (file, size) of ``FILE@WxH``; size is None where there is none."""
    match = re.fullmatch(r"(.+)@(\d{1,5})[xX](\d{1,5})", text)
    if match is None or Path(text).exists():
        return text, None
    return match[1], (int(match[2]), int(match[3]))


def _check_file(path: str, size: tuple[int, int] | None, graph: bool) -> None:
    if graph and size is not None:
        wanted = made_for(Graph.load(path), path)
        if wanted is not None and wanted != size:
            raise NanodetError(
                f"{path}: was made for {wanted[0]}x{wanted[1]} alone, as what it resizes to says, not for "
                f"{size[0]}x{size[1]}"
            )
        return
    engine_of(path)
    if size is not None:
        check_input_size(size, f"{path}@{size[0]}x{size[1]}")


def _check_precisions(precisions: Sequence[str], paths: Sequence[str], here: bool) -> None:
    from nanodet.runtime.engines.ncnn import import_ncnn, set_options

    in_ncnn = [path for path in paths if _has_precisions(path)]
    others = [path for path in paths if path not in in_ncnn]
    if others and "fp32" not in precisions:
        raise NanodetError(
            f"precision: {others[0]} is calculated in fp32 alone; {', '.join(precisions)} is for "
            ".param files"
        )
    unknown = [precision for precision in precisions if precision not in PRECISIONS]
    if unknown:
        raise NanodetError(f"precision: must be one of {', '.join(PRECISIONS)}, not {unknown[0]!r}")
    if in_ncnn and here:
        ncnn = import_ncnn(in_ncnn[0])
        for precision in precisions:
            set_options(ncnn.Net(), None, precision)


def _has_precisions(path: str) -> bool:
    return any(len(engine.precisions) > 1 for engine in engines_of(kind_of(path)).values())


def _names(paths: Collection[str]) -> dict[str, str]:
    """Return path to the shortest name that tells the models of this plan apart."""
    names = {path: Path(path).stem for path in paths}
    for shorten in (lambda path: Path(path).name, str):
        times = Counter(names.values())
        names = {p: n if times[n] == 1 else shorten(p) for p, n in names.items()}
    return names
