"""The plan that is fastest on this CPU: measured with ncnn, candidates side by side."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nanodet.export import ncnn_file, onnx_file, quiet
from nanodet.export.rewriting.plan import TUNED, Plan
from nanodet.export.rewriting.target import by_plan
from nanodet.files.temporary import temporary_folder
from nanodet.ncnn_files.graph import Graph
from nanodet.quantize.timing import model_times
from nanodet.runtime.engines import files_of
from nanodet.runtime.engines.ncnn import load_net
from nanodet.runtime.spec import Spec
from nanodet.text import Say

UNITS = (4, 8, 16)
KEEPS = (8, 0)
STRIDES = (8, 16, 32)
_WORTH = 0.99  # of the time: what is not below it may be noise


def tuned(spec: Spec, network: Any, plan: Plan, report: Say) -> Spec:
    """Return a spec whose ``rewriting`` is the fastest on this CPU in ncnn, with one thread.

    The units of the groups are changed at one stride after the other, and whether stages stay as they
    are at the first.

    Args:
        spec: of the files to be.
        network: the detector.
        plan: to start from.
        report: called with a line for each thing that was measured.

    Raises:
        NanodetError: a candidate cannot be converted.
    """
    best = dataclasses.replace(plan, target=TUNED)
    if by_plan(spec, network, dataclasses.replace(best, keep=0)).rewriting is None:
        report("tune: this network has nothing to rewrite")
        return spec
    with temporary_folder() as folder:
        nets = _Nets(spec, network, Path(folder))
        for stride in STRIDES:
            # what a unit is worth at the first stride depends on which stages stay as they are
            keeps = KEEPS if stride == STRIDES[0] else (best.keep,)
            plans = [
                dataclasses.replace(best, keep=keep, units={**best.units, stride: unit})
                for keep in keeps
                for unit in UNITS
            ]
            *times, now = nets.times([*plans, best])
            for keep, some in zip(keeps, np.reshape(times, (len(keeps), -1)), strict=True):
                shown = (f"{unit} {time * 1e3:.2f}" for unit, time in zip(UNITS, some, strict=True))
                kept = f", multiples of {keep} kept" if keep else ""
                report(f"tune: stride {stride}{kept}, ms with groups of: {', '.join(shown)}")
            if min(times) < _WORTH * now:
                best = plans[int(np.argmin(times))]
    units = ", ".join(
        f"{unit} from stride {stride} on" for stride, unit in sorted(best.units.items())
    )
    kept = f"multiples of {best.keep} kept" if best.keep else "no stage kept"
    report(f"tune: taken: groups of {units}; {kept}")
    return by_plan(spec, network, best)


class _Nets:
    """Makes ncnn models of plans and times them, each made once."""

    def __init__(self, spec: Spec, network: Any, folder: Path) -> None:
        self.spec, self.network, self.folder = spec, network, folder
        self.made: dict[tuple[int, ...], Any] = {}
        width, height = spec.input_size
        self.image = np.full((1, 3, height, width), 0.01, np.float32)

    def times(self, plans: Sequence[Plan]) -> list[float]:
        """Return the median seconds of each plan's model, taking turns."""
        keys = [(plan.keep, *map(plan.unit, (2, 4, *STRIDES))) for plan in plans]
        different = dict(zip(keys, plans, strict=True))
        nets = [self._net(key, plan) for key, plan in different.items()]
        seconds = dict(zip(different, model_times(nets, self.spec, self.image), strict=True))
        return [float(seconds[key]) for key in keys]

    def _net(self, key: tuple[int, ...], plan: Plan) -> Any:
        if key not in self.made:
            spec = by_plan(self.spec, self.network, plan)
            onnx, param = (self.folder / f"{len(self.made)}{end}" for end in (".onnx", ".param"))
            with quiet.stage("tune"):
                onnx_file.write_simplified(self.network, spec, onnx)
                ncnn_file.convert(onnx, param, spec, half=False)
            self.made[key] = load_net(Graph.load(param), param, files_of(param)[1], threads=1)
        return self.made[key]
