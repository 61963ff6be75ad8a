"""The machine, as its sysfs and procfs tell it: this one's, or those that a device sent.

``files`` is path, below the root, to text. What a machine does not tell is None or absent.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nanodet.errors import NanodetError
from nanodet.files import StrPath

# implementer 0x41 is Arm; the part numbers are those of its technical reference manuals
_ARM_PARTS = {
    0xD03: "Cortex-A53", 0xD04: "Cortex-A35", 0xD05: "Cortex-A55", 0xD07: "Cortex-A57",
    0xD08: "Cortex-A72", 0xD09: "Cortex-A73", 0xD0A: "Cortex-A75", 0xD0B: "Cortex-A76",
    0xD0C: "Neoverse-N1", 0xD0D: "Cortex-A77", 0xD40: "Neoverse-V1", 0xD41: "Cortex-A78",
    0xD44: "Cortex-X1", 0xD46: "Cortex-A510", 0xD47: "Cortex-A710", 0xD48: "Cortex-X2",
    0xD49: "Neoverse-N2", 0xD4D: "Cortex-A715", 0xD4E: "Cortex-X3",
}  # fmt: skip


_CPU = "sys/devices/system/cpu"
_TREE, _SOC = "sys/firmware/devicetree/base", "sys/devices/soc0"
# patterns of the files that `describe` and `allowed_cores` look at
MACHINE = (
    "proc/cpuinfo", "proc/meminfo", "proc/self/status", f"{_TREE}/model", f"{_TREE}/compatible",
    "sys/class/dmi/id/product_name", f"{_SOC}/machine", f"{_SOC}/soc_id", f"{_CPU}/online",
    f"{_CPU}/cpu*/cpufreq/cpuinfo_max_freq", f"{_CPU}/cpu*/cpu_capacity",
)  # fmt: skip


def read_files(patterns: Iterable[str], root: StrPath = "/") -> dict[str, str]:
    """Return path to text of this machine's files; those that are empty or unreadable are left out.

    Args:
        patterns: such as `MACHINE`, below ``root``.
        root: the folder in which ``sys`` and ``proc`` lie.
    """
    found = {}
    for path in (path for pattern in patterns for path in Path(root).glob(pattern)):
        try:
            text = path.read_bytes().decode(errors="replace").replace("\0", "\n").strip()
        except OSError:
            continue
        if text:
            found[path.relative_to(root).as_posix()] = text
    return found


def describe(files: Mapping[str, str]) -> dict[str, Any]:
    """Return what does not change while a bench runs.

    Args:
        files: of `read_files` and `MACHINE`.

    Returns:
        dict with ``board``, ``soc``, ``memory_mb``, ``cpu_flags`` and ``cores``, a list of
        ``id``, ``model``, ``max_mhz``, ``capacity`` and ``big`` in order of ``id``.
    """
    processors = _processors(files)
    known = set().union(*(p.get("Features", p.get("flags", "")).split() for p in processors))
    memory = re.search(r"MemTotal:\s*(\d+) kB", files.get("proc/meminfo", ""))
    return {
        "board": files.get(f"{_TREE}/model") or files.get("sys/class/dmi/id/product_name"),
        "soc": _soc(files, processors),
        "memory_mb": int(memory[1]) // 1024 if memory else None,
        "cpu_flags": sorted(known),
        "cores": _cores(files, processors),
    }


def allowed_cores(files: Mapping[str, str]) -> list[int] | None:
    """Return the cores that the process which read the files may use; None if that is not told."""
    found = re.search(r"Cpus_allowed_list:\s*(\S+)", files.get("proc/self/status", ""))
    return parse_list(found[1]) or None if found else None


def choose_cores(
    wanted: str, cores: Sequence[dict[str, Any]], allowed: Collection[int] | None = None
) -> list[int] | None:
    """Return the numbers of the CPU cores to run on, ascending; None where none are known.

    Args:
        wanted: ``big``, ``little``, ``all`` or numbers such as ``0,2`` and ``4-7``.
        cores: of `describe`.
        allowed: the cores this process may use; None for all.

    Raises:
        NanodetError: a core that does not exist, or little ones on a machine with one kind.
    """
    there = [c for c in cores if allowed is None or c["id"] in allowed]
    if wanted in ("big", "little", "all"):
        if wanted == "little" and all(core["big"] for core in there):
            raise NanodetError(
                "--cores little: this machine has no smaller cores, as far as it reports"
            )
        picked = [c["id"] for c in there if wanted == "all" or c["big"] == (wanted == "big")]
        return picked or None
    numbers = parse_list(wanted)
    if not numbers:
        raise NanodetError(f"--cores {wanted}: must be big, little, all, or numbers such as 0,2")
    missing = sorted(set(numbers) - {c["id"] for c in there})
    if missing:
        raise NanodetError(f"--cores {wanted}: there is no core {missing[0]} to run on")
    return sorted(set(numbers))


def number(text: str | None, unit: float = 1.0) -> float | None:
    """Return the number that a text is, times ``unit``; None where it is none."""
    try:
        return float(text or "") * unit
    except ValueError:
        return None


def parse_list(text: str | None) -> list[int]:
    """Return the numbers of ``0-3,5``, empty when it has another form."""
    if text is None or not re.fullmatch(r"\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*", text):
        return []
    numbers: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return numbers


def _processors(files: Mapping[str, str]) -> list[dict[str, str]]:
    """Return /proc/cpuinfo as a dict per paragraph."""
    paragraphs = files.get("proc/cpuinfo", "").split("\n\n")
    pairs = [[line.partition(":") for line in p.splitlines() if ":" in line] for p in paragraphs]
    return [{key.strip(): value.strip() for key, _, value in p} for p in pairs if p]


def _soc(files: Mapping[str, str], processors: list[dict[str, str]]) -> str | None:
    names = [files.get(f"{_SOC}/{name}") for name in ("machine", "soc_id")]
    # from the board to what it is built on
    names += files.get(f"{_TREE}/compatible", "").splitlines()[-1:]
    names += [p[key] for key in ("Hardware", "model name") for p in processors if key in p]
    return next((name for name in names if name), None)


def _cores(files: Mapping[str, str], processors: list[dict[str, str]]) -> list[dict[str, Any]]:
    models = {p.get("processor"): _core_model(p) for p in processors}
    cores: list[dict[str, Any]] = [
        {
            "id": i, "model": models.get(str(i)),
            "max_mhz": number(files.get(f"{_CPU}/cpu{i}/cpufreq/cpuinfo_max_freq"), 1e-3),
            "capacity": number(files.get(f"{_CPU}/cpu{i}/cpu_capacity")), "big": True,
        }
        for i in parse_list(files.get(f"{_CPU}/online")) or range(len(models))
    ]  # fmt: skip
    # capacity says what a core does, frequency only how fast it ticks
    for key in ("capacity", "max_mhz"):
        values = [core[key] for core in cores]
        if values and None not in values and min(values) < max(values):
            middle = (min(values) + max(values)) / 2
            for core in cores:
                core["big"] = core[key] >= middle
            break
    return cores


def _core_model(processor: dict[str, str]) -> str | None:
    if "model name" in processor:
        return processor["model name"]
    try:
        maker = int(processor["CPU implementer"], 16)
        part = int(processor["CPU part"], 16)
    except (KeyError, ValueError):
        return None
    known = _ARM_PARTS.get(part) if maker == 0x41 else None
    return known or f"implementer {maker:#x} part {part:#x}"
