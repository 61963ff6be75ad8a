"""Fine-tuning: loads every tensor of a checkpoint that fits, with classes matched by name."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from nanodet.errors import NanodetError
from nanodet.model.checkpoint import Checkpoint
from nanodet.model.class_rows import has_names, matching_classes, take_rows
from nanodet.model.network import output_layers
from nanodet.text.brief import brief_text
from nanodet.text.names import shortened

BINS = "head.distribution_project.project"  # an auxiliary head has the box code of the head


def take_matching(
    network: Any, checkpoint: Checkpoint, class_names: Sequence[str] | None = None
) -> list[str]:
    """Load the tensors that fit and leave the others as they are, to fine-tune on other classes.

    The class rows of the output layers are matched by name. If one side has no names, or no name is
    the same, they are taken in order, or keep their initial values if the number of classes differs:
    the same classes may have different names. Edge rows do not depend on the class, and are always taken
    unless their box code or its bins are others.

    Args:
        network: the network to fill.
        checkpoint: to load from.
        class_names: the network's, None if it has none.

    Returns:
        lines of text: what was taken, what was not and why.

    Raises:
        NanodetError: nothing fits, or a class name matches two of the checkpoint's.
    """
    own = network.state_dict()
    taken, partly, left = {}, [], []
    theirs = checkpoint.class_names or []
    classes = matching_classes(class_names, theirs, checkpoint.path)
    in_order = classes is None or classes == list(range(len(theirs)))
    edges = network.head.code.channels
    outputs = {
        f"{layer}.{kind}": rows
        for layer, rows in output_layers(network).items()
        for kind in ("weight", "bias")
    }
    for name, tensor in own.items():
        given = checkpoint.weights.get(name)
        rows, reason = None, ""
        if given is not None and (name == BINS or "edges" in outputs.get(name, ())):
            reason = _other_edges(checkpoint, own)
            given = None if reason else given
        if given is not None and classes and not in_order and "classes" in outputs.get(name, ()):
            rows = take_rows(tensor, given, classes, len(theirs))
        if rows is not None:
            taken[name] = rows
            partly.append(name)
        elif given is not None and given.shape == tensor.shape:
            taken[name] = given
        elif given is not None and _edge_rows_fit(
            checkpoint, name, outputs.get(name), tensor, edges
        ):
            taken[name] = torch.cat((tensor[:-edges], given[-edges:].to(tensor.dtype)))
            partly.append(name)
        elif not name.endswith("num_batches_tracked"):
            if not reason:
                reason = "not in the checkpoint" if given is None else (
                    f"{_shape(given)} there, {_shape(tensor)} here"
                )  # fmt: skip
            left.append(f"{name} ({reason})")
    network.load_state_dict(taken, strict=False)
    unused = [name for name in checkpoint.weights if name not in own]
    whole = len(taken) - len(partly)
    lines = [f"{checkpoint.path}: {whole} of {len(own)} tensors taken whole, {len(partly)} in part"]
    whole_rows = [
        name for name in taken if "classes" in outputs.get(name, ()) and name not in partly
    ]
    if classes is not None and class_names is not None:
        fresh = [class_names[n] for n, index in enumerate(classes) if index is None]
        count = f"{len(classes) - len(fresh)} of {len(classes)} classes taken by name"
        lines.append(count + (f"; left fresh: {shortened(fresh)}" if fresh else ""))
    elif has_names(class_names) and has_names(theirs):
        lines.append(_of_other_names(class_names, theirs, bool(whole_rows)))
    else:
        lines[0] += (
            f"; class rows {'in order' if whole_rows else 'left fresh'}: no names to compare"
        )
    if partly:
        how = "edge rows only, other class count" if in_order else "class rows by name"
        lines.append(f"taken in part, {how}: {', '.join(partly)}")
    if left:
        lines.append(f"left fresh: {', '.join(left)}")
    if unused:
        lines.append(f"not used: {len(unused)} tensors, first {unused[0]}")
    if not taken:
        raise NanodetError(f"{checkpoint.path}: schedule.load_model: none of its weights fits")
    return lines


def _of_other_names(ours: Sequence[str], theirs: Sequence[str], in_order: bool) -> str:
    """Return the line on class rows for classes without a common name."""
    start = f"no class name is one of the checkpoint's ({shortened(theirs, 3)}): class rows "
    if not in_order:
        return f"{start}left fresh"
    return (
        f"{start}taken in order, {brief_text(ours[0])} from {brief_text(theirs[0])} and so on: right where "
        "these are other names for the same classes, else no more than a start"
    )


def _edge_rows_fit(
    checkpoint: Checkpoint,
    name: str,
    rows: tuple[str, ...] | None,
    own: torch.Tensor,
    edges: int,
) -> bool:
    """Return whether the edge rows of an output layer fit those of a checkpoint with other classes."""
    given = checkpoint.weights[name]
    return rows == ("classes", "edges") and given.shape[1:] == own.shape[1:] and len(given) > edges


def _other_edges(checkpoint: Checkpoint, own: Mapping[str, torch.Tensor]) -> str:
    """Return why the edges of a checkpoint are not the network's; empty if they are, or nothing tells."""
    given, bins = checkpoint.weights.get(BINS), own.get(BINS)
    if given is None or bins is None:
        return ""
    same = given.shape == bins.shape and torch.equal(given.to(bins), bins)
    return "" if same else f"{_bins(given)} there, {_bins(bins)} here"


def _bins(values: torch.Tensor) -> str:
    return f"{len(values)} values per edge" + (f" to {values[-1]:g}" if len(values) > 2 else "")


def _shape(tensor: torch.Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "scalar"
