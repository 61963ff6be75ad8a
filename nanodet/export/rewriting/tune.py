"""The plan that is fastest on this CPU: measured with ncnn, candidates side by side."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nanodet.export import ncnn_file, onnx_file, quiet
from nanodet.export.rewriting.plan import TUNED, Plan
from nanodet.files.temporary import temporary_folder
from nanodet.ncnn_files.graph import Graph
from nanodet.quantize.timing import model_times
from nanodet.runtime.engines import files_of
from nanodet.runtime.engines.ncnn import load_net
from nanodet.runtime.spec import Spec
from nanodet.text import Say

UNITS = (4, 8, 16)
STRIDES = (8, 16, 32)
_WORTH = 0.99  # of the time: what is not below it may be noise


def tuned(spec: Spec, network: Any, report: Say) -> Spec:
    """Return a spec whose ``rewriting`` is the fastest on this CPU in ncnn, with one thread.

    The units of the groups are changed at one stride after the other.

    Args:
        spec: of the files to be, with the ``rewriting`` to start from; without one there is nothing to
            choose.
        network: the detector.
        report: called with a line for each thing that was measured.

    Raises:
        NanodetError: a candidate cannot be converted.
    """
    if spec.rewriting is None:
        return spec
    best = dataclasses.replace(Plan.from_dict(spec.rewriting, "--tune"), target=TUNED)
    with temporary_folder() as folder:
        nets = _Nets(spec, network, Path(folder))
        for stride in STRIDES:
            plans = [
                dataclasses.replace(best, units={**best.units, stride: unit}) for unit in UNITS
            ]
            *times, now = nets.times([*plans, best])
            shown = (f"{unit} {time * 1e3:.2f}" for unit, time in zip(UNITS, times, strict=True))
            report(f"tune: stride {stride}, ms with groups of: {', '.join(shown)}")
            if min(times) < _WORTH * now:
                best = plans[int(np.argmin(times))]
    return dataclasses.replace(spec, rewriting=best.to_dict())


class _Nets:
    """Makes ncnn models of plans and times them, each made once."""

    def __init__(self, spec: Spec, network: Any, folder: Path) -> None:
        self.spec, self.network, self.folder = spec, network, folder
        self.made: dict[str, Any] = {}
        width, height = spec.input_size
        self.image = np.full((1, 3, height, width), 0.01, np.float32)

    def times(self, plans: Sequence[Plan]) -> np.ndarray:
        """Return the median seconds of each plan's model, taking turns."""
        return model_times([self._net(plan) for plan in plans], self.spec, self.image)

    def _net(self, plan: Plan) -> Any:
        key = str(plan.to_dict())
        if key not in self.made:
            spec = dataclasses.replace(self.spec, rewriting=plan.to_dict())
            onnx, param = (self.folder / f"{len(self.made)}{end}" for end in (".onnx", ".param"))
            with quiet.stage("tune"):
                onnx_file.write_simplified(self.network, spec, onnx)
                ncnn_file.convert(onnx, param, spec, half=False)
            self.made[key] = load_net(Graph.load(param), param, files_of(param)[1], threads=1)
        return self.made[key]
