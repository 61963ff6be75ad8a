"""Converts a floating-point ncnn model to int8, and measures its accuracy, size and time."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from nanodet.compare.distortion import Distortion
from nanodet.compare.tensors import tensors_of
from nanodet.data.reading import Reading
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.files import sha256, text_name
from nanodet.files.incoming import published, read_steadily
from nanodet.files.publish import check_publishable, publish, publishing, working_folder
from nanodet.ncnn_files.graph import Graph, Layer
from nanodet.ncnn_files.rules import CONVOLUTIONS
from nanodet.ncnn_files.weights import Weights, load_weights, weights_to_bytes
from nanodet.quantize import choose
from nanodet.quantize.judge import Budget, Judge
from nanodet.quantize.observe import observe, running
from nanodet.quantize.report import Quantised, layer_table, summary
from nanodet.quantize.rewrite import rewrite
from nanodet.quantize.sensitivity import LayerReport, measure_layers
from nanodet.quantize.sets import judge_for
from nanodet.quantize.timing import load, model_times
from nanodet.runtime.detector import find_model
from nanodet.runtime.engines import NCNN, files_of, kind_of, spec_file
from nanodet.runtime.engines.ncnn import NcnnBackend, has_fp16_arithmetic
from nanodet.runtime.spec import Spec
from nanodet.text import Say
from nanodet.text.printable import printable, say
from nanodet.text.progress import Progress

BEST = "best"
LIMIT, MAX_DROP = 200, 0.5
SENSITIVITY_PICTURES = 16
ENOUGH = 100  # images to measure on


class NothingToQuantise(NanodetError):
    """No layer of a model can be int8 within the budget: the same model and images end so again."""


def quantize(
    model: StrPath,
    images: StrPath | None,
    out: StrPath,
    annotations: StrPath | None = None,
    *,
    limit: int = LIMIT,
    seed: int = 0,
    max_drop: float = MAX_DROP,
    sure: bool = False,
    method: str = BEST,
    layers: str = choose.FAST,
    report: Say = say,
    reading: Reading | None = None,
    config: StrPath | None = None,
) -> Quantised:
    """Quantise an ncnn model.

    Args:
        model: ``.param`` file with floating-point weights, its ``.bin`` and spec beside it, or the
            name of a published model.
        images: folder of images; some calibrate, the others measure. None: images of
            ``data.train`` of the model's config calibrate, and at most `sets.MEASURED` of its ``data.val``
            measure, with their annotations.
        out: folder for ``<stem>-int8.param``, ``.bin`` and ``.json``, and ``<stem>-int8-layers.txt``,
            a table of the layers; they appear there together.
        annotations: of the images, see `nanodet.evaluate.evaluate.evaluate`; None: accuracy is
            judged by detections that both models have instead of by AP.
        limit: most images for calibration; of ``images``, at most half are used.
        seed: of the random choice of images.
        max_drop: AP that may be lost; layers return to floating point until no more is lost.
        sure: whether the final check asks for it with confidence: the whole 95 % interval of the loss,
            not the measured value alone, must be within ``max_drop``.
        method: that chooses the thresholds, one of `METHODS`, or ``best`` for the best of them per layer.
        layers: ``fast`` or ``all``, see `nanodet.quantize.choose.start`.
        report: called with each line of text.
        reading: of the annotations, a `nanodet.data.reading.Reading`; None for the defaults.
        config: the model's config, see `nanodet.evaluate.ground_truth.data_for`.

    Returns:
        `Quantised`.

    Raises:
        NothingToQuantise: no layer can be int8 within the budget.
        NanodetError: bad input.
    """
    if seed < 0:
        raise NanodetError(f"--seed: must not be negative, not {seed}")
    model = find_model(model)
    if kind_of(model) is not NCNN:
        raise NanodetError(f"{model}: only an ncnn model (.param) can be quantised")

    def load_model() -> tuple[NcnnBackend, Weights]:
        source = NcnnBackend(model)
        return source, load_weights(files_of(model)[1], source.graph, model)

    source, weights = read_steadily(model, load_model)
    spec = source.spec
    convolutions = eligible(source.graph, weights, model)
    stem = Path(model).stem.removesuffix("-fp16")
    check_publishable(text_name(out), f"{stem}-int8.param")
    judge, paths = judge_for(
        model,
        spec,
        images,
        annotations,
        config=config,
        reading=reading,
        limit=limit,
        seed=seed,
        budget=Budget(max_drop, sure),
        report=report,
    )
    few = len(judge.measured())
    if few < ENOUGH:
        report(
            f"accuracy is measured on only {few} images: by chance, layers may return to floating point or a "
            f"loss be missed; {ENOUGH} or more are better"
        )
    report(
        f"calibrating on {len(paths)} images; measuring the accuracy of the floating-point model"
    )
    judge.start(model)
    tensors = tensors_of(paths, spec)
    report(f"measuring {len(convolutions)} convolutions, each alone in int8")
    progress = Progress(2 * len(tensors) + len(convolutions), "step")
    observed = observe(source.net, spec, convolutions, tensors, progress.step)
    distortion = Distortion(running(source.net, spec), spec, tensors[:SENSITIVITY_PICTURES])
    reports = measure_layers(
        source.graph,
        weights,
        convolutions,
        observed,
        distortion=distortion,
        method=method,
        step=progress.step,
    )
    progress.close()
    choose.start(reports, layers)
    with working_folder(out) as work:
        made = work / f"{stem}-int8.param"

        def write() -> tuple[Graph, Weights]:
            pair = rewrite(
                source.graph,
                weights,
                choose.precisions(reports),
                choose.thresholds(reports),
                observed,
            )
            _write(made, *pair, spec)
            return pair

        pair = _search(write, made, reports, judge, layers=layers, report=report)
        result = Quantised(
            files=[],
            layers=reports,
            calibration=len(paths),
            measured=len(judge.measured()),
            accuracy=judge.accuracy(),
            twins=judge.twins,
            bytes={"before": _size(model), "after": _size(made)},
            seconds=_times((source.graph, weights), pair, spec, tensors[0]),
            settings={
                "max_drop": max_drop,
                "sure": sure,
                "seed": seed,
                "method": method,
                "layers_tried": layers,
            },
        )
        for line in summary(result, layers):
            report(line)
        if spec.class_scores is not None:
            report(
                f"scores per class: kept from {model}; nanodet eval --wish finds those of the int8 model"
            )
        _write_spec(made, spec, model, result)
        _table_of(made).write_text(
            "\n".join(map(printable, layer_table(reports))) + "\n", encoding="utf-8"
        )
        with publishing(out):
            publish(work, out)
        names = *files_of(made), spec_file(made), _table_of(made)
        *result.files, result.table = (Path(out) / path.name for path in names)
        report(f"each layer  {result.table}")
    return result


def eligible(graph: Graph, weights: Weights, model: StrPath) -> list[Layer]:
    """Return the convolutions that can become int8; refuse a model that is int8 already.

    Those that only pick channels, as rewritten networks have them, would round for nothing.
    """
    stored = {parts["weight"].storage for parts in weights.values() if "weight" in parts}
    if not stored <= {"fp32", "fp16"}:
        raise NanodetError(f"{model}: is quantised already; give the floating-point .param")
    found = [
        layer
        for layer in graph.layers
        if layer.kind in CONVOLUTIONS
        and layer.name in weights
        and not np.isin(weights[layer.name]["weight"].values, (0, 1)).all()
    ]
    if not found:
        raise NanodetError(f"{model}: has no convolution to quantise")
    return found


def _search(
    write: Callable[[], tuple[Graph, Weights]],
    made: Path,
    reports: Sequence[LayerReport],
    judge: Judge,
    layers: str,
    report: Say,
) -> tuple[Graph, Weights]:
    """Find the fewest layers in floating point that the judge accepts; return graph and weights."""
    ranking = choose.ranked(reports, layers)
    pair: tuple[Graph, Weights]

    def accepts(count: int, final: bool) -> bool:
        nonlocal pair
        choose.give_up(ranking, count)
        pair = write()
        good, words = judge.accepts(made, final)
        report(f"{len(ranking) - count} layers in int8: {words}")
        return good

    if choose.fewest_in_the_end(len(ranking), accepts) < len(ranking):
        return pair  # of the count that was judged last
    raise NothingToQuantise(
        "no convolution can be int8: each is slower than in floating point on this CPU, or costs "
        "too much accuracy (a larger --max-drop or --layers all may help)"
    )


def _write(param: Path, graph: Graph, weights: Weights, spec: Spec) -> None:
    param.write_text(graph.to_text(), encoding="utf-8")
    files_of(param)[1].write_bytes(weights_to_bytes(graph, weights))
    files = {path.name: sha256(path) for path in files_of(param)}
    dataclasses.replace(spec, files=files, measured={}).save(spec_file(param))


def _write_spec(made: Path, spec: Spec, model: StrPath, result: Quantised) -> None:
    """Write the final spec: the source's, with the measurements and the origin."""
    files = {path.name: sha256(path) for path in files_of(made)}
    source = {**spec.source, "quantized_from": Path(model).name, "quantized_sha256": sha256(model)}
    measured = {"int8": result.to_dict()}
    if spec.class_scores is not None:
        found = spec.measured.get("class_scores")
        found = found if isinstance(found, dict) else {}
        measured["class_scores"] = {"found_with": Path(model).name, **found}
    changed = dataclasses.replace(spec, files=files, source=source, measured=measured)
    changed.save(spec_file(made))


def _times(
    before: tuple[Graph, Weights], after: tuple[Graph, Weights], spec: Spec, tensor: np.ndarray
) -> dict[str, float]:
    """Return the seconds of the network before and after, and in other precisions of this CPU."""
    nets = {"fp32": load(*before), "int8": load(*after), "bf16": load(*before, precision="bf16")}
    if has_fp16_arithmetic():
        nets["fp16"] = load(*before, precision="fp16")
    return dict(zip(nets, model_times(list(nets.values()), spec, tensor), strict=True))


def _table_of(param: Path) -> Path:
    return param.with_name(f"{param.stem}-layers.txt")


def _size(param: str | Path) -> int:
    return sum(os.path.getsize(published(path)) for path in files_of(param))
