"""From an ONNX file to an ncnn model, through pnnx."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from nanodet.errors import NanodetError
from nanodet.export.quiet import decisive_line
from nanodet.files.files import check_space
from nanodet.files.temporary import temporary_folder
from nanodet.ncnn_files.graph import Graph
from nanodet.ncnn_files.weights import load_known_weights
from nanodet.runtime.engines import files_of
from nanodet.runtime.spec import Spec

TIME_LIMIT_S = 300

# loads a model in a process of its own: ncnn ends the process on some models it cannot read
_LOAD = """
import sys, ncnn
net = ncnn.Net()
status = net.load_param(sys.argv[1]) or net.load_model(sys.argv[2])
sys.exit("ncnn cannot load what pnnx wrote" if status else 0)
"""


def convert(
    onnx_path: str | Path, param: str | Path, spec: Spec, half: bool, log: str | Path | None = None
) -> bool:
    """Convert an ONNX file to ``param`` and the ``.bin`` beside it.

    Args:
        onnx_path: the simplified ONNX file.
        param: the ncnn file to write.
        spec: input size, names of input and output.
        half: store the weights in 16 instead of 32 bits.
        log: file to write pnnx's output to, None for none.

    Returns:
        whether the graph takes other sizes too (as far as its layers say).

    Raises:
        NanodetError: pnnx is missing, failed, or wrote something ncnn cannot load.
    """
    param = Path(param)
    with temporary_folder() as folder:
        folder = Path(folder)
        shutil.copyfile(onnx_path, folder / "model.onnx")
        printed = _run_pnnx(folder, spec.input_size, half)
        check_space(folder)  # or what it wrote may lack its end
        if log is not None:
            Path(log).write_text(printed, encoding="utf-8")
        made, weights = folder / "model.ncnn.param", folder / "model.ncnn.bin"
        # pnnx's exit status says nothing, its files do
        if not made.is_file() or not weights.is_file() or not weights.stat().st_size:
            raise NanodetError(f"pnnx made no ncnn model: {decisive_line(printed)}")
        text, any_size = finish_graph(made.read_text(encoding="utf-8"), spec)
        param.write_text(text, encoding="utf-8")
        shutil.copyfile(weights, files_of(param)[1])
    _try_to_load(param)
    return any_size


def check_half(full: str | Path, half: str | Path) -> None:
    """Check that a model with 16-bit weights is the one with 32-bit weights, rounded.

    Args:
        full, half: the ``.param`` files.

    Raises:
        NanodetError: another graph, or a weight that rounding to 16 bits does not explain.
    """
    ours, theirs = Graph.load(full), Graph.load(half)
    if ours.to_text() != theirs.to_text():
        raise NanodetError("its graph is not that of the 32-bit form")
    found = [load_known_weights(files_of(path)[1], ours, path) for path in (full, half)]
    for layer, parts in found[0].items():
        for part, stored in parts.items():
            wanted, given = stored.values, found[1][layer][part].values
            # writers flush what is too small for a normal number to zero
            allowed = np.maximum(np.abs(wanted) * 2.0**-11, 2.0**-14)
            if found[1][layer][part].storage != "fp16":
                allowed = 0
            wrong = int((~(np.abs(given - wanted) <= allowed)).sum())
            if wrong:
                raise NanodetError(
                    f"layer {layer}: {part}: {wrong} of {wanted.size} values are not those of the "
                    "32-bit form, rounded"
                )


def finish_graph(text: str, spec: Spec) -> tuple[str, bool]:
    """Name input and output as the spec does and undo pnnx's baked-in sizes.

    Args:
        text: an ncnn param file by pnnx with input ``in0`` and outputs ``out0``, ``out1``, ...

    Returns:
        the new text, and whether nothing in it depends on the input size any more.

    Raises:
        NanodetError: the network has an operator that ncnn has no layer for; the line names it.
    """
    magic, counts, *layers = text.rstrip("\n").split("\n")
    # pnnx leaves what it cannot convert under the names of torch, such as torch.unbind or F.fold
    foreign = sorted(
        {kind for kind in (layer.split()[0] for layer in layers) if not kind.isalnum()}
    )
    if foreign:
        raise NanodetError(f"ncnn has no layer for {', '.join(foreign)} of this network")
    names = {"in0": spec.input_name}
    names |= {f"out{i}": name for i, name in enumerate(spec.output_names)}
    used = {blob for layer in layers for blob in _blobs(layer)}
    if not set(names) <= used or set(names.values()) & used:
        raise NanodetError(
            f"pnnx's graph has unexpected blob names: {', '.join(sorted(used))[:200]}"
        )
    any_size, result = True, []
    for layer in layers:
        kind, name, *rest = layer.split()
        inputs, outputs = int(rest[0]), int(rest[1])
        blobs = [names.get(blob, blob) for blob in rest[2 : 2 + inputs + outputs]]
        values = rest[2 + inputs + outputs :]
        if kind == "Reshape":
            free = _free_points(values, spec)
            values = values if free is None else [free]
            any_size &= values == [f"0=-1 1={spec.channels}"]
        elif kind == "Interp":
            # 3 and 4 are a fixed height and width, 1 and 2 are factors
            any_size &= not any(re.match(r"[34]=(?!0$)", value) for value in values)
        # the format of ncnn's own writers: two padded columns, then single spaces
        result.append(f"{kind:<24} {name:<24} {inputs} {outputs} " + " ".join([*blobs, *values]))
    return "\n".join([magic, counts, *result]) + "\n", any_size


def _free_points(values: list[str], spec: Spec) -> str | None:
    """Return "as many columns as it takes" for a reshape of one level to channels x points."""
    counts = [columns * rows for columns, rows in spec.level_sizes(spec.input_size)]
    numbers = dict(value.split("=", 1) for value in values)
    fixed = set(numbers) == {"0", "1"} and numbers["1"] == str(spec.channels)
    return f"0=-1 1={spec.channels}" if fixed and numbers["0"] in map(str, counts) else None


def _blobs(layer: str) -> list[str]:
    _, _, inputs, outputs, *rest = layer.split()
    return rest[: int(inputs) + int(outputs)]


def _run_pnnx(folder: Path, input_size: tuple[int, int], half: bool) -> str:
    width, height = input_size
    command = [_pnnx(), "model.onnx", f"fp16={int(half)}", f"inputshape=[1,3,{height},{width}]f32"]
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=TIME_LIMIT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise NanodetError(f"pnnx did not finish in {TIME_LIMIT_S} s") from None
    except OSError as error:
        raise NanodetError(f"pnnx cannot be started ({error.strerror})") from None
    return done.stdout.decode("utf-8", "replace")


def _pnnx() -> str:
    """Return the path of the program that the ``pnnx`` package brings."""
    package = importlib.util.find_spec("pnnx")  # importing it would import torch once more
    if package is not None and package.origin is not None:
        for name in ("pnnx", "pnnx.exe"):
            program = Path(package.origin).with_name(name)
            if program.is_file():
                return str(program)
    raise NanodetError("needs pnnx: pip install pnnx")


def _try_to_load(param: str | Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LOAD, *map(str, files_of(param))],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=TIME_LIMIT_S, check=False,
    )  # fmt: skip
    if done.returncode:
        printed = decisive_line(done.stderr.decode("utf-8", "replace"))
        raise NanodetError(
            printed or f"ncnn ended the process ({done.returncode}) on what pnnx wrote"
        )
