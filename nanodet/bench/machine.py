"""The machine, as its sysfs and procfs tell it.

``root`` is the folder in which ``sys`` and ``proc`` lie: ``/``, or a copy of another machine's.
What a machine does not tell is None or absent.
"""

import re
from collections.abc import Collection, Sequence
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


def describe(root: StrPath = "/") -> dict[str, Any]:
    """Return what does not change while a bench runs.

    Returns:
        dict with ``board``, ``soc``, ``memory_mb``, ``cpu_flags`` and ``cores``, a list of
        ``id``, ``model``, ``max_mhz``, ``capacity`` and ``big`` in order of ``id``.
    """
    root = Path(root)
    processors = _processors(root)
    known = set().union(*(p.get("Features", p.get("flags", "")).split() for p in processors))
    return {
        "board": read(root / "sys/firmware/devicetree/base/model")
        or read(root / "sys/class/dmi/id/product_name"),
        "soc": _soc(root, processors),
        "memory_mb": _memory_mb(root),
        "cpu_flags": sorted(known),
        "cores": _cores(root, processors),
    }


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


def read(path: Path) -> str | None:
    """Return the text of a file in sysfs or procfs, None where it cannot be read or is empty."""
    try:
        text = Path(path).read_bytes().decode(errors="replace").strip("\0 \n")
    except OSError:
        return None
    return text or None


def read_number(path: Path, unit: float = 1.0) -> float | None:
    """Return the number in a file, times ``unit``; None where there is none."""
    try:
        return float(read(path) or "") * unit
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


def _processors(root: Path) -> list[dict[str, str]]:
    """Return /proc/cpuinfo as a dict per paragraph."""
    paragraphs = (read(root / "proc/cpuinfo") or "").split("\n\n")
    pairs = [[line.partition(":") for line in p.splitlines() if ":" in line] for p in paragraphs]
    return [{key.strip(): value.strip() for key, _, value in p} for p in pairs if p]


def _soc(root: Path, processors: list[dict[str, str]]) -> str | None:
    names = [read(root / f"sys/devices/soc0/{name}") for name in ("machine", "soc_id")]
    compatible = read(root / "sys/firmware/devicetree/base/compatible")
    if compatible:
        names.append(compatible.split("\0")[-1])  # from the board to what it is built on
    names += [p[key] for key in ("Hardware", "model name") for p in processors if key in p]
    return next((name for name in names if name), None)


def _memory_mb(root: Path) -> int | None:
    found = re.search(r"MemTotal:\s*(\d+) kB", read(root / "proc/meminfo") or "")
    return int(found[1]) // 1024 if found else None


def _cores(root: Path, processors: list[dict[str, str]]) -> list[dict[str, Any]]:
    folder = root / "sys/devices/system/cpu"
    models = {p.get("processor"): _core_model(p) for p in processors}
    cores: list[dict[str, Any]] = []
    for i in parse_list(read(folder / "online")) or range(len(models)):
        mhz = read_number(folder / f"cpu{i}/cpufreq/cpuinfo_max_freq", 1e-3)
        capacity = read_number(folder / f"cpu{i}/cpu_capacity")
        cores.append(
            {
                "id": i,
                "model": models.get(str(i)),
                "max_mhz": mhz,
                "capacity": capacity,
                "big": True,
            }
        )
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
