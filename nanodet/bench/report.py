"""The result as JSON (docs/bench.md says what is in it), as a table, and as a plot."""

import shlex
from pathlib import Path

from nanodet.bench.statistics import later_half, ratio, stage_times
from nanodet.bench.throttling import slower
from nanodet.errors import NanodetError
from nanodet.runtime.files import replacing, sha256

FORMAT = 1
POWERSAVE = {"all": 0, "little": 1, "big": 2}  # ncnn's numbers


def result_of(one, reference, cores):
    """Return the JSON of one `nanodet.bench.turns.Measured`.

    Args:
        one: it.
        reference: the one it is compared with.
        cores: what the user asked for, for the call of benchncnn.
    """
    entry, loaded = one.entry, one.loaded
    result = {
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
            "before_load": _megabytes(loaded["before_bytes"]),
            "peak": _megabytes(one.peak_bytes),
        },
        "warmup_runs": one.warmup_runs,
        "runs": len(one.runs),
        "seconds": round(one.seconds(), 3),
        "error": one.error,
    }
    if one.turns:
        network = loaded["stages"].index("network")
        turns = _stage(one, network)
        result["times_us"] = stage_times(one.runs, loaded["stages"])
        change = later_half([time for turn in turns for time in turn])
        result["later_half"] = round(change, 4)
        result["slowed"] = slower(change)
        if reference.turns:
            others = _stage(reference, reference.loaded["stages"].index("network"))
            median, low, high = ratio(turns, others)
            result["network_ratio"] = {"median": median, "lower": low, "upper": high}
    if Path(entry.path).suffix.lower() == ".param":
        result["benchncnn"] = benchncnn_call(
            entry.path, loaded["input"], entry.threads, cores, len(one.runs)
        )
    return result


def benchncnn_call(path, size, threads, cores, runs):
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


def format_tables(report):
    """Return the lines that are printed of a report (its JSON form)."""
    results = report["results"]
    done = [r for r in results if "times_us" in r]
    lines = _table(
        ["network, ms", "input", "threads", "precision",
         "min", "median", "mean", "p90", "p99", "max", "ratio"],
        [[*_what(r), *_milliseconds(r["times_us"]["network"]), _ratio(r)] for r in done],
    )  # fmt: skip
    whole = [r for r in done if "end_to_end" in r["times_us"]]
    if whole:
        lines += ["", *_table(
            ["end to end, median us", "input", "threads", "precision",
             "preprocess", "network", "decode+NMS", "end to end", "p90", "boxes"],
            [[*_what(r), *(f"{r['times_us'][s]['median']:.0f}" for s in
              ("preprocess", "network", "decode", "end_to_end")),
              f"{r['times_us']['end_to_end']['p90']:.0f}", str(r["detections"])] for r in whole],
        )]  # fmt: skip
    lines += ["", *_table(
        ["process", "input", "threads", "precision", "load ms", "MB before", "MB peak", "runs"],
        [[*_what(r), f"{r['load_ms']:.1f}", _or_dash(r["memory_mb"]["before_load"]),
          _or_dash(r["memory_mb"]["peak"]), str(r["runs"])] for r in results],
    ), "", *_notes(report)]  # fmt: skip
    return lines


def plot(report, path):
    """Draw the median time of every entry, with a line from min to p99.

    Args:
        report: the JSON form.
        path: the PNG to write.
    """
    check_plot()
    from matplotlib.figure import Figure

    done = [r for r in report["results"] if "times_us" in r]
    figure = Figure(figsize=(9, 1.6 + 0.42 * len(done)))
    axes = figure.add_subplot()
    stages = {"preprocess": "#8da0cb", "network": "#4c72b0", "decode": "#dd8452"}
    named = set()
    for row, result in enumerate(done):
        times, left = result["times_us"], 0.0
        for stage, colour in stages.items():
            if stage not in times:
                continue
            width = times[stage]["median"] / 1000
            label = None if stage in named else {"decode": "decode + NMS"}.get(stage, stage)
            named.add(stage)
            axes.barh(row, width, left=left, color=colour, height=0.6, label=label)
            left += width
        total = times.get("end_to_end", times["network"])
        axes.plot([total["min"] / 1000, total["p99"] / 1000], [row, row], color="0.15", linewidth=1)
        axes.annotate(
            f"{total['median'] / 1000:.2f}", (max(left, total["p99"] / 1000), row),
            xytext=(4, 0), textcoords="offset points", va="center", fontsize=8,
        )  # fmt: skip
    axes.set_yticks(range(len(done)), [", ".join(_what(r)) for r in done], fontsize=8)
    axes.invert_yaxis()
    axes.set(xlabel="milliseconds: median; line from min to p99", xlim=(0, None))
    axes.set_title(_title(report), fontsize=10)
    axes.margins(x=0.08)
    axes.grid(axis="x", alpha=0.3)
    axes.legend(fontsize=8, loc="lower right")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=130, bbox_inches="tight")


def check_plot():
    """Raise `NanodetError` where plots cannot be drawn."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise NanodetError(f"--plot: needs matplotlib ({error}): pip install matplotlib") from None


def _hashes(entry):
    path = Path(entry.path)
    files = [path]
    if path.suffix.lower() == ".param" and not entry.graph:
        files += [path.with_suffix(".bin"), path.with_suffix(".json")]
    return {file.name: sha256(file) for file in files}


def _stage(one, index):
    return [[run[index] for run in turn] for turn in one.turns]


def _megabytes(count):
    return None if count is None else round(count / 2**20, 1)


def _what(result):
    size = "x".join(map(str, result["input"]))
    return [result["name"], size, str(result["threads"]), result["precision"]]


def _milliseconds(times):
    return [f"{times[key] / 1000:.2f}" for key in ("min", "median", "mean", "p90", "p99", "max")]


def _ratio(result):
    return f"{result['network_ratio']['median']:.2f}" if "network_ratio" in result else "-"


def _or_dash(value):
    return "-" if value is None else f"{value:.0f}"


def _table(head, rows):
    """Return lines with aligned columns: names to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in (head, *rows)
    ]


def _title(report):
    machine = report["machine"]
    effort = report["effort"]["name"]
    quick = ", quick: not for publication" if effort == "quick" else ""
    return f"{machine['board'] or machine['soc'] or machine['architecture']}{quick}"


def _notes(report):
    machine, effort, results = report["machine"], report["effort"], report["results"]
    cores = report["cores"]
    pinned = "not set" if cores["ids"] is None else ", ".join(map(str, cores["ids"]))
    lines = [
        f"machine     {machine['board'] or '-'}; {machine['soc'] or '-'}; "
        f"{len(machine['cores'])} cores; {machine['architecture']}",
        f"ran on      cores {pinned} ({cores['wanted']})",
        f"effort      {effort['name']}: batch 1, at least {effort['runs']} runs and "
        f"{effort['seconds']:g} s each, in turns"
        + ("; NOT FOR PUBLICATION" if effort["name"] == "quick" else ""),
        "ratio       network time over the first line's, median over the rounds",
    ]
    if any(r["weights"] == "file" for r in results):
        lines.append(f"picture     {report['picture']}")
    for name, where in {r["name"]: r["left_out"] for r in results if r["left_out"]}.items():
        lines.append(
            f"left out    {name}: {', '.join(where)} (all boxes of empty weights pass its threshold)"
        )
    for name in ("temperature_c", "frequency_mhz", "governor"):
        before, after = report["before"][name], report["after"][name]
        if before or after:
            told = ", ".join(f"{k}: {before.get(k, '-')} > {after.get(k, '-')}" for k in after)
            lines.append(f"{name.partition('_')[0]:<11} {told}")
    if not report["before"]["temperature_c"]:
        lines.append("temperature this machine does not tell")
    for reason in report["throttling"]["reasons"]:
        lines.append(f"THROTTLED?  {reason}")
    for result in results:
        if "benchncnn" in result:
            lines.append(f"benchncnn   {result['benchncnn']}")
    for result in results:
        if result["error"]:
            lines.append(f"FAILED      {result['error']}")
    return lines
