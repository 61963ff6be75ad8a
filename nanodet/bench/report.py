"""The result as JSON (docs/bench.md says what is in it), and as tables."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nanodet.bench.plan import Entry
from nanodet.bench.statistics import later_half, ratio, stage_times
from nanodet.bench.throttling import slower
from nanodet.bench.turns import Measured
from nanodet.files import StrPath
from nanodet.files.files import sha256
from nanodet.runtime.engines import NCNN, files_of, kind_of, spec_file
from nanodet.text.printable import printable
from nanodet.text.table import aligned

FORMAT = 1
BUSY = 0.02  # of the time
POWERSAVE = {"all": 0, "little": 1, "big": 2}  # ncnn's numbers


def busy_of(report: dict[str, Any]) -> str:
    """Return how much other processes took of the CPU while a report's entries ran; "" if hardly any."""
    waited = max((one.get("waited") or 0.0 for one in report["results"]), default=0.0)
    if waited <= BUSY:
        return ""
    return f"other processes had the CPU for up to {100 * waited:.0f} % of the time"


def result_of(one: Measured, reference: Measured, cores: str, runs: int) -> dict[str, Any]:
    """Return the JSON of one `nanodet.bench.turns.Measured`.

    Args:
        one: it.
        reference: the one it is compared with.
        cores, runs: what the user asked for, for the call of benchncnn.
    """
    entry, loaded = one.entry, one.loaded
    result: dict[str, Any] = {
        "name": entry.name,
        "path": entry.path,
        "weights": "zero" if entry.graph else "file",
        "files": _hashes(entry),
        "input": loaded["input"],
        "threads": entry.threads,
        "precision": entry.precision,
        "engine": loaded["engine"],
        "options": loaded["options"],
        "cores": loaded["cores"],
        "left_out": loaded["left_out"],
        "detections": loaded["detections"],
        "load_ms": round(1000 * loaded["load_s"], 3),
        "memory_mb": {
            "before_load": _megabytes(loaded["before_bytes"]), "peak": _megabytes(one.peak_bytes),
        },
        "warmup_runs": one.warmup_runs,
        "runs": len(one.runs),
        "seconds": round(one.seconds(), 3),
        "error": one.error,
    }  # fmt: skip
    if one.turns:
        network = loaded["stages"].index("network")
        turns = _stage(one, network)
        result["times_us"] = stage_times(one.runs, loaded["stages"])
        change = later_half([time for turn in turns for time in turn])
        result["later_half"] = round(change, 4)
        result["slowed"] = slower(change)
        waited = float(np.mean(one.waited)) if one.waited else None
        result["waited"] = None if waited is None else round(waited, 4)
        if reference.turns:
            others = _stage(reference, reference.loaded["stages"].index("network"))
            median, low, high = ratio(turns, others)
            result["network_ratio"] = {"median": median, "lower": low, "upper": high}
    if kind_of(entry.path) is NCNN:
        size = loaded["input"]
        result["benchncnn"] = benchncnn_call(entry.path, size, entry.threads, cores, runs)
    return result


def benchncnn_call(path: StrPath, size: Sequence[int], threads: int, cores: str, runs: int) -> str:
    """Return the call of ncnn's own ``benchncnn`` that times the same network.

    Args:
        path: the ``.param``.
        size: (width, height) of the input.
        threads, runs: how many.
        cores: ``big``, ``little``, ``all``, or the numbers of cores.
    """
    powersave = POWERSAVE.get(cores, 0)
    pinned = [] if cores in POWERSAVE else ["taskset", "-c", cores]
    shape = f"shape=[{size[0]},{size[1]},3]"
    # no GPU (-1), no pause to cool down (0)
    words = [*pinned, "benchncnn", runs, threads, powersave, -1, 0, f"param={path}", shape]
    return shlex.join(map(str, words))


def format_tables(report: dict[str, Any]) -> list[str]:
    """Return the lines that are printed of a report (its JSON form)."""
    results = report["results"]
    done = [r for r in results if "times_us" in r]
    lines = aligned(
        ["network, ms", "input", "threads", "precision",
         "min", "median", "mean", "p90", "p99", "max", "ratio"],
        [[*_what(r), *_milliseconds(r["times_us"]["network"]), _ratio(r)] for r in done],
    )  # fmt: skip
    whole = [r for r in done if "end_to_end" in r["times_us"]]
    if whole:
        lines += ["", *aligned(
            ["end to end, median us", "input", "threads", "precision",
             "preprocess", "network", "decode+NMS", "end to end", "p90", "boxes"],
            [[*_what(r), *(f"{r['times_us'][s]['median']:.0f}" for s in
              ("preprocess", "network", "decode", "end_to_end")),
              f"{r['times_us']['end_to_end']['p90']:.0f}", str(r["detections"])] for r in whole],
        )]  # fmt: skip
    lines += ["", *aligned(
        ["process", "input", "threads", "precision", "load ms", "MB before", "MB peak", "runs"],
        [[*_what(r), f"{r['load_ms']:.1f}", _or_dash(r["memory_mb"]["before_load"]),
          _or_dash(r["memory_mb"]["peak"]), str(r["runs"])] for r in results],
    ), "", *_notes(report)]  # fmt: skip
    return list(map(printable, lines))


def _hashes(entry: Entry) -> dict[str, str]:
    files = [Path(entry.path)] if entry.graph else files_of(entry.path)
    kind = kind_of(entry.path)
    if not entry.graph and kind is not None and kind.exported and not kind.spec_inside:
        files.append(spec_file(entry.path))
    return {file.name: sha256(file) for file in files}


def _stage(one: Measured, index: int) -> list[list[int]]:
    return [[run[index] for run in turn] for turn in one.turns]


def _megabytes(count: int | None) -> float | None:
    return None if count is None else round(count / 2**20, 1)


def _what(result: dict[str, Any]) -> list[str]:
    size = "x".join(map(str, result["input"]))
    return [result["name"], size, str(result["threads"]), result["precision"]]


def _milliseconds(times: dict[str, float]) -> list[str]:
    return [f"{times[key] / 1000:.2f}" for key in ("min", "median", "mean", "p90", "p99", "max")]


def _ratio(result: dict[str, Any]) -> str:
    return f"{result['network_ratio']['median']:.2f}" if "network_ratio" in result else "-"


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _notes(report: dict[str, Any]) -> list[str]:
    machine, effort, results = report["machine"], report["effort"], report["results"]
    cores = report["cores"]
    engines = dict.fromkeys(r["engine"] for r in results)
    pinned = "not set" if cores["ids"] is None else ", ".join(map(str, cores["ids"]))
    lines = [
        f"machine     {machine['board'] or '-'}; {machine['soc'] or '-'}; "
        f"{len(machine['cores'])} cores; {machine['architecture']}",
        f"ran on      cores {pinned} ({cores['wanted']}); {', '.join(engines)}",
        f"effort      {effort['name']}: batch 1, at least {effort['runs']} runs and "
        f"{effort['seconds']:g} s each, in turns"
        + ("; NOT FOR PUBLICATION" if effort["name"] == "quick" else ""),
        "ratio       network time over the first line's, median over the rounds",
    ]
    if any(r["weights"] == "file" for r in results):
        lines.append(f"image       {report['picture']}")
    for name, where in {r["name"]: r["left_out"] for r in results if r["left_out"]}.items():
        lines.append(
            f"left out    {name}: {', '.join(where)} (all boxes of empty weights pass its threshold)"
        )
    for name in ("temperature_c", "frequency_mhz", "governor"):
        before, after = report["before"][name], report["after"][name]
        if before or after:
            changes = ", ".join(f"{k}: {before.get(k, '-')} > {after.get(k, '-')}" for k in after)
            lines.append(f"{name.partition('_')[0]:<11} {changes}")
    if not report["before"]["temperature_c"]:
        lines.append("temperature not reported by this machine")
    for reason in report["throttling"]["reasons"]:
        lines.append(f"THROTTLED?  {reason}")
    if busy := busy_of(report):
        lines.append(f"BUSY        {busy}")
    calls = dict.fromkeys(r["benchncnn"] for r in results if "benchncnn" in r)
    lines += [f"benchncnn   {call}" for call in calls]
    if "best" in report:
        lines.append(f"fastest     {', '.join(_what(results[0]))}: {results[0]['engine']}")
        lines += [f"{name:<11} {line}" for name, line in report["best"].items()]
    for result in results:
        if result["error"]:
            lines.append(f"FAILED      {result['error']}")
    return lines
