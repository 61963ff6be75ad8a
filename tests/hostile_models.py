"""ncnn models from strangers: sets of .param, .bin and .json with right hashes, made of a small real one.

Every set is a change of the model of the fixture ``exported_small``. `refused`, `same` and `others`
list them all; Python, C++ and Java must agree about each, and none may end by a signal.
"""

import json
import re
import struct
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import hostile_int8
import hostile_tables as tables
import numpy as np

from nanodet.ncnn_files.graph import Graph
from nanodet.ncnn_files.weights import Stored, parse_weights, weights_to_bytes
from nanodet.quantize.rewrite import table_storage

_FP32_TAG = 0x0002C056
_MOST_WEIGHTS = 3_000_000  # values; a .bin for more is not made


@dataclass(frozen=True)
class Model:
    """Three files; ``spec`` gets the hashes of the two others when it is written."""

    graph: bytes
    weights: bytes
    spec: dict

    @classmethod
    def load(cls, param):
        """Read the files of a sound model."""
        param = Path(param)
        return cls(
            param.read_bytes(),
            param.with_suffix(".bin").read_bytes(),
            json.loads(param.with_suffix(".json").read_text(encoding="utf-8")),
        )

    def write(self, param):
        """Write the files, with a spec that vouches for them; return ``param``."""
        files = {param: self.graph, param.with_suffix(".bin"): self.weights}
        for file, data in files.items():
            file.write_bytes(data)
        hashes = {file.name: sha256(data).hexdigest() for file, data in files.items()}
        text = json.dumps({**self.spec, "files": hashes})
        param.with_suffix(".json").write_text(text, encoding="utf-8")
        return param


def refused(model):
    """Return name to `Model` for every set that must be refused."""
    sets = {}
    for layer, settings in tables.SETTINGS.items():
        for key, values in settings.items():
            for value in values:
                sets[f"{layer} {key}={value}"] = with_setting(model, layer, key, value)
    for name, (pattern, new) in tables.LINES.items():
        sets[name] = with_line(model, pattern, new)
    for name, change in tables.GRAPHS.items():
        sets[name] = replace(model, graph=change(model.graph))
    for name, change in tables.WEIGHTS.items():
        sets[name] = replace(model, weights=change(model.weights))
    for name, change in tables.SPECS.items():
        sets[name] = with_spec(model, change)
    for name, (terms, part, value) in hostile_int8.BAD_INT8.items():
        sets[name] = hostile_int8.with_int8(model, terms, part, value)
    return sets


def same(model):
    """Return name to `Model` for every set that finds what the model itself finds."""
    sets = {"as exported": model}
    for name, change in tables.SAME_GRAPHS.items():
        sets[name] = replace(model, graph=change(model.graph))
    tag = struct.pack("<I", _FP32_TAG)
    sets["weights tagged as float32"] = replace(model, weights=tag + model.weights[4:])
    return sets


def others(model):
    """Return name to `Model` for every set that is sound, but another model."""
    halves = with_storage(model, lambda values: Stored("fp16", values.astype(np.float16)))
    sets = {
        "weights in 16 bits": halves,
        "weights in tables": with_storage(model, table_storage),
    }
    for name, (terms, part, value) in hostile_int8.INT8.items():
        sets[name] = hostile_int8.with_int8(model, terms, part, value)
    return sets


def other_kinds(model):
    """Return (`Model`, what is said of it or None) for models with layers that only ncnn knows."""
    return [
        (
            replace(
                model, graph=(tables.last if " made " in line else tables.first)(line)(model.graph)
            ),
            words,
        )
        for line, words in tables.OTHER_KINDS.items()
    ]


def with_setting(model, layer, key, value):
    """Return the model with another value of a layer's parameter, None for none, and weights to fit."""

    def change(line):
        line = re.sub(rf" {key}=\S+", "", line)
        return line if value is None else f"{line} {key}={value}"

    lines = model.graph.decode().split("\n")
    at = next(n for n, line in enumerate(lines) if line.split()[1:2] == [layer])
    lines[at] = change(lines[at])
    return fit_weights(replace(model, graph="\n".join(lines).encode()), model)


def with_line(model, pattern, new):
    """Return the model with a graph in which a pattern is replaced once, and weights to fit."""
    graph = model.graph.decode()
    changed, found = re.subn(pattern.replace(" ", " +"), new, graph, count=1, flags=re.MULTILINE)
    assert found, pattern
    if changed.count("\n") != graph.count("\n"):
        changed = changed.replace("143 166", f"{len(changed.splitlines()) - 2} 1000", 1)
    return fit_weights(replace(model, graph=changed.encode()), model)


def with_spec(model, changes):
    """Return the model with other values in its spec: ``{"input.width": 0}``."""
    spec = json.loads(json.dumps(model.spec))
    for path, value in changes.items():
        *outer, last = path.split(".")
        inner = spec
        for key in outer:
            inner = inner[key]
        inner[last] = value
    return replace(model, spec=spec)


def with_storage(model, store):
    """Return the model with its weights stored in another way: float32 (N,) to `Stored`."""
    graph = Graph.parse(model.graph.decode(), "graph")
    weights = parse_weights(model.weights, graph, "weights", "graph")
    for parts in weights.values():
        parts["weight"] = store(parts["weight"].values)
    return replace(model, weights=weights_to_bytes(graph, weights))


def fit_weights(model, original):
    """Let a ``.bin`` have as many values as its graph asks for, so that only the graph is at fault."""
    arrays, at, chunks = {}, 0, []
    for name, counts in _arrays(original.graph):
        sizes = [4 * count + 4 * (n == 0) for n, count in enumerate(counts)]
        arrays[name] = [
            original.weights[at + sum(sizes[:n]) :][:size] for n, size in enumerate(sizes)
        ]
        at += sum(sizes)
    wanted = _arrays(model.graph)
    if sum(count for _, counts in wanted for count in counts) > _MOST_WEIGHTS:
        return model
    for name, counts in wanted:
        for n, count in enumerate(counts):
            size = 4 * max(count, 0) + 4 * (n == 0)
            known = arrays.get(name, [b"", b""])[n : n + 1]
            chunks.append((known[0] if known else b"").ljust(size, b"\0")[:size])
    return replace(model, weights=b"".join(chunks))


def _arrays(graph):
    """Return what the convolutions of a graph keep: (name, [weights, biases]) in order."""
    found = []
    for line in graph.decode(errors="replace").split("\n"):
        words = line.split()
        if not words or not words[0].startswith("Convolution"):
            continue
        values = dict(re.findall(r" (\d+)=(-?\d+)(?= |$)", line))
        counts = [int(values.get("6", 0))]
        if values.get("5", "0") != "0":
            counts.append(int(values.get("0", 0)))
        found.append((words[1], counts))
    return found
