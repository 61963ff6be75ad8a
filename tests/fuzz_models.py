"""Structure-aware fuzzing of what reads ncnn models: ``python tests/fuzz_models.py PARAM --seconds 1800``.

Puts layers of every kind into a real model, most of them fitting, and then changes numbers, lines,
weights and specs; hashes are always right. Python (and ncnn's wheel) runs in a child process; so does
C++, where ``--probe`` names a ``nanodet-probe`` with ncnn, best one with the sanitizers in both. Prints
and keeps every set that ends a process, or about which the two disagree.
"""

import argparse
import os
import random
import shutil
import time
from dataclasses import replace
from pathlib import Path

import fuzz_layers
import hostile_models
import numpy as np
from detect_worker import Worker
from hostile_models import Model
from ncnn_worker import mutated
from probe import Probe, ProbeError

from nanodet.errors import NanodetError
from nanodet.ncnn_files.graph import Graph, Layer
from nanodet.ncnn_files.shapes import blob_shapes
from nanodet.ncnn_files.weight_parts import QUANTISED, layout
from nanodet.ncnn_files.weights import Stored, weights_to_bytes

PICTURE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
ODD = (
    0,
    1,
    2,
    3,
    5,
    7,
    16,
    255,
    -1,
    -2,
    -233,
    -234,
    1 << 14,
    1 << 16,
    1 << 20,
    2**31 - 1,
    -(2**31),
)
_MOST_WEIGHTS = 2_000_000


def grow(graph, shapes, rng):
    """Put a layer, a brick of several, or a Slice and a Concat, between two others."""
    blob = rng.choice([name for name, shape in shapes.items() if len(shape) == 3])
    at = next(n for n, layer in enumerate(graph.layers) if blob in layer.outputs)
    taker = next((layer for layer in graph.layers if blob in layer.inputs), None)
    if taker is None:
        return
    new, mark = f"{blob}_{rng.randrange(10**6)}", rng.randrange(10**6)
    taker.inputs[taker.inputs.index(blob)] = new
    shape = shapes[blob]
    if rng.random() < 0.2:
        axis = rng.randrange(3)
        parts = [f"{new}_{n}" for n in range(rng.choice((1, 2, 3)))]
        cut = ",".join([str(len(parts)), *["-233"] * len(parts)])
        made = [
            Layer("Slice", f"s{mark}", [blob], parts, {-23300: cut, 1: str(axis)}),
            Layer("Concat", f"c{mark}", parts, [new], {0: str(axis - rng.choice((0, 3)))}),
        ]
    elif rng.random() < 0.4:
        made = list(
            fuzz_layers.lay(rng.choice(fuzz_layers.BRICKS)(shape, rng), blob, new, f"b{mark}")
        )
    else:
        kind, values = rng.choice(fuzz_layers.LAYERS)(shape, rng)
        values = {key: str(value) for key, value in values.items()}
        made = [Layer(kind, f"x{mark}", [blob], [new], values)]
    graph.layers[at + 1 : at + 1] = made
    shapes[new] = shape


def disturb(graph, shapes, rng):
    """Change, add or leave out a parameter of a layer."""
    layer = rng.choice(graph.layers)
    how = rng.random()
    if how < 0.15 or not layer.values:
        layer.values[rng.choice((*range(20), 30, 31, -23300, -23309, -23310, -23330))] = rng.choice(
            ("0", "1", "-1", "2", "0.5", "1,0.1", "2,1,1", "0,", str(rng.choice(ODD)))
        )
        return
    key = rng.choice(list(layer.values))
    if how < 0.25:
        del layer.values[key]
        return
    items = layer.values[key].split(",")
    n = rng.randrange(len(items))
    try:
        old = float(items[n])
    except ValueError:
        return
    new = rng.choice((old + 1, old - 1, 2 * old, old // 2, -old, rng.choice(ODD)))
    items[n] = f"{new}" if "." in items[n] else str(int(new))
    layer.values[key] = ",".join(items)


def rewire(graph, shapes, rng):
    """Exchange the inputs of two layers."""
    one, other = (rng.choice([layer for layer in graph.layers if layer.inputs]) for _ in range(2))
    one.inputs[-1], other.inputs[0] = other.inputs[0], one.inputs[-1]


def weights_for(graph, rng):
    """Return the bytes of a ``.bin`` that fits, its arrays stored in all ways."""
    weights, numbers, total = {}, np.random.default_rng(rng.randrange(1 << 30)), 0
    for layer in graph.layers:
        quantised = layer.kind in QUANTISED and layer.whole(8)
        for part, count, tagged in layout(layer, "m"):
            total += count
            if total > _MOST_WEIGHTS:
                return None
            values = numbers.normal(0, 0.1, count).astype(np.float32)
            if tagged and (quantised or rng.random() < 1e-3):
                stored = Stored("int8", numbers.integers(-127, 128, count).astype(np.int8))
            elif tagged:
                ways = [Stored("fp32", values), Stored("fp16", values.astype(np.float16))]
                ways.append(Stored("table", values.view(np.uint8)[:count], np.resize(values, 256)))
                stored = rng.choice((ways[0], ways[0], *ways))
            else:
                stored = Stored("plain", np.abs(values) * 100 + 1 if "scale" in part else values)
            weights.setdefault(layer.name, {})[part] = stored
    return weights_to_bytes(graph, weights)


def made(model, shapes, rng):
    """Return another `Model`, sound or not."""
    graph, known = Graph.parse(model.graph.decode(), "m"), dict(shapes)
    for _ in range(rng.choice((0, 1, 1, 2, 4))):
        grow(graph, known, rng)
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2))):
        rng.choice((disturb, disturb, disturb, disturb, rewire))(graph, known, rng)
    text = graph.to_text()
    if rng.random() < 0.1:
        text = mutated(text, rng)
    other = replace(model, graph=text.encode())
    try:
        weights = weights_for(Graph.parse(text, "m"), rng)
        other = replace(other, weights=weights if weights is not None else model.weights)
    except NanodetError:
        other = hostile_models.fit_weights(other, model)
    if rng.random() < 0.05:
        other = replace(other, graph=damaged(other.graph, rng))
    if rng.random() < 0.1:
        other = replace(other, weights=damaged(other.weights, rng))
    if rng.random() < 0.1:
        path = rng.choice(("input.width", "input.height", "output.reg_max", "thresholds.per_level"))
        other = hostile_models.with_spec(other, {path: rng.choice((32, 64, 160, 96, 7, *ODD))})
    return other


def damaged(data, rng):
    """Return bytes with a few of them changed, left out or added."""
    at, length = rng.randrange(len(data) + 1), rng.choice((0, 0, 1, 4, 30))
    return data[:at] + rng.randbytes(rng.choice((0, 1, 4))) + data[at + length :]


class Cpp:
    """A `Probe` that starts again after a crash."""

    def __init__(self, program):
        self._program, self._probe = program, None

    def detect(self, model):
        """Return ``{"detections": ...}``, ``{"error": LINE}`` or ``{"crash": ...}``."""
        if self._probe is None:
            self._probe = Probe([self._program])
        try:
            height, width = PICTURE.shape[:2]
            head, _ = self._probe.ask(
                "detect", PICTURE.tobytes(), model=str(model), source="p", format="bgr",
                width=width, height=height, stride=3 * width,
            )  # fmt: skip
            return {"detections": head["line"]}
        except ProbeError as error:
            return {"error": str(error)}
        except AssertionError as error:
            self._probe = None
            return {"crash": str(error)[:100]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("param", type=Path, help="a sound small model")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--probe", help="a nanodet-probe with ncnn")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--keep", type=Path, default=Path("found"), help="folder for what is found")
    arguments = parser.parse_args()
    model, rng = Model.load(arguments.param), random.Random(arguments.seed)
    shapes = blob_shapes(Graph.parse(model.graph.decode(), "m"), (3, 96, 160), "m")
    arguments.keep.mkdir(parents=True, exist_ok=True)
    folder = arguments.keep / f"work-{os.getpid()}"
    folder.mkdir()
    picture, param = folder / "p.png", folder / "m.param"
    import cv2

    cv2.imwrite(str(picture), PICTURE)
    python, cpp = Worker(), Cpp(arguments.probe) if arguments.probe else None
    counts = dict.fromkeys(("sets", "run", "crashes", "disagreements"), 0)
    end = time.time() + arguments.seconds
    while time.time() < end:
        made(model, shapes, rng).write(param)
        counts["sets"] += 1
        answers = [python.detect(param, picture)]
        if cpp is not None:
            answers.append(cpp.detect(param))
        counts["run"] += "detections" in answers[0]
        crashed = any("crash" in answer for answer in answers)
        # what is finite in one build may be too large for the next one
        overflows = any("not finite" in answer.get("error", "") for answer in answers)
        agree = overflows or len({"error" in answer for answer in answers}) == 1
        if crashed or not agree:
            counts["crashes" if crashed else "disagreements"] += 1
            place = arguments.keep / f"{arguments.seed}-{counts['sets']}"
            shutil.copytree(folder, place, dirs_exist_ok=True)
            print(place, *(str(answer)[:300] for answer in answers), sep="\n  ", flush=True)
        if counts["sets"] % 500 == 0:
            print(counts, flush=True)
    python.close()
    shutil.rmtree(folder)
    print(f"seed {arguments.seed}: {counts}")


if __name__ == "__main__":
    main()
