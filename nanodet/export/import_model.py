"""A trained NanoDet file, of ncnn or ONNX, back into a checkpoint that trains."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nanodet.adopt.facts import Facts, check_count, numbers_text
from nanodet.adopt.source import Source, open_source
from nanodet.compare.tensors import picture_paths
from nanodet.config import Config, load_config
from nanodet.config.follow import take_classes
from nanodet.data.reading import Reading
from nanodet.errors import NanodetError
from nanodet.export import batch_norm
from nanodet.export.batch_norm import LIMIT, with_fixed_fit
from nanodet.export.find_config import find_config, take_class_count
from nanodet.export.import_check import TOLERANCE, backend_of, compare
from nanodet.export.match import Pair, match, plan_of
from nanodet.export.rewriting.restore import restored
from nanodet.files.files import check_writable, replacing, sha256
from nanodet.files.temporary import temporary_folder
from nanodet.model.checkpoint import KEY, carried
from nanodet.model.class_rows import check_class_order
from nanodet.model.network import build_network, predicts_quality
from nanodet.model.quality import dgqp
from nanodet.model.save_plain import save_plain
from nanodet.model.torch_backend import TorchBackend, spec_of
from nanodet.runtime.detector import find_model
from nanodet.runtime.engines import CHECKPOINT, kind_of
from nanodet.runtime.spec import Spec
from nanodet.text import Say
from nanodet.text.brief import brief
from nanodet.text.names import shortened
from nanodet.text.printable import say


@dataclass(frozen=True)
class Imported:
    """What an import made.

    Attributes:
        path: of the checkpoint.
        difference: the largest one between the file and torch, of scores and logits.
        pictures: how many the statistics of the batch norms were measured on, 0 for none.
    """

    path: Path
    difference: float
    pictures: int


def import_model(
    param: str | Path,
    config: str | Path | Config | None,
    out: str | Path,
    images: str | Path | None = None,
    limit: int = LIMIT,
    report: Say = say,
    file: str | Path | None = None,
    reading: Reading | None = None,
    classes: tuple[str, ...] | None = None,
) -> Imported:
    """Write a checkpoint that computes what a model file computes.

    Args:
        param: the ``.param`` file of a NanoDet, its ``.bin`` beside it, or an ``.onnx`` file; weights
            in 32 or 16 bits.
        config: config file of its architecture, or a `Config`; it goes into the checkpoint. None
            takes the one of ``config/`` that fits.
        out: the ``.ckpt`` to write, after the file and torch agreed.
        images: folder of images to measure the batch norms on; None leaves mean 0, variance 1.
        limit: maximum number of images, evenly spread over the folder.
        report: called with each line of progress.
        file: names a `Config` in messages.
        reading: a `nanodet.data.reading.Reading`, which may list the images; None for all.
        classes: its class names or a file of them, as `nanodet.adopt.facts.Facts` takes them; None
            takes those of its spec or config.

    Returns:
        `Imported`.

    Raises:
        NanodetError: the model is damaged, of another architecture or quantised, or torch and the
            file differ.
    """
    if images is None and reading is not None and reading.list_path is not None:
        raise NanodetError("--list: needs --images, the folder of the listed images")
    model, out = Path(find_model(param)), Path(out)
    if kind_of(out) is not CHECKPOINT:
        raise NanodetError(f"{out}: --out: a checkpoint ends in {' or '.join(CHECKPOINT.suffixes)}")
    check_writable(out)
    if config is not None and not isinstance(config, Config):
        config, file = load_config(config), str(config)
    paths = [] if images is None else picture_paths(images, reading)
    given = Facts(classes).class_names()
    known = given or (config.class_names if config is not None else None)
    source = open_source(model, None if known is None else len(known), strict=False)
    if given is not None:
        check_count(source, given, "--classes")
    names = given or source.class_names()
    weights, convolutions = source.convolution_weights(), source.convolutions()
    if config is None:
        config, file = find_config(
            convolutions, source.form, names, model, source.spec(), source.quality
        )
        report(f"{model}: {source.form}; its architecture is that of {file}")
        _tell_taken(config, source, names, file, report)
    elif hasattr(config.model.arch.backbone, "deploy"):
        config.model.arch.backbone.deploy = True  # a shipped file has its branches folded
    if given is not None:  # they go before the config's
        take_class_count(config, len(given))
        config.class_names = None
    take_classes(config, names)
    check_class_order(config.class_names, names, file, model)
    network = fresh_network(config, file)
    plan = plan_of(network, convolutions, source.form, source.spec(), model)
    pairs = match(network, convolutions, source.form, model, config.model.arch, file, plan)
    fill(network, pairs, weights, model)
    _fill_quality(network, source, config, file)
    report(f"{model}: {len(pairs)} convolutions, {source.form.classes} classes")
    spec = dataclasses.replace(spec_of(network, config), source={}, files={})
    _tell_of_its_spec(source, with_fixed_fit(spec), file, report)
    norms = [pair.norm for pair in pairs if pair.norm]
    measured = batch_norm.measure_on(network, norms, paths, spec, limit) if paths else 0
    if measured:
        report(f"batch norm: measured on {measured} images of {images}")
    else:
        report(
            "batch norm: not measured: right for evaluation and export; a training measures it on "
            "its own images first"
        )
    origin = {path.name: sha256(path) for path in source.files}
    state = {f"model.{name}": value for name, value in network.state_dict().items()}
    with replacing(out) as temporary:
        own = carried(config, imported=origin, norms_measured=bool(measured))
        save_plain({"state_dict": state, KEY: own}, temporary)
        with temporary_folder() as folder:
            theirs = backend_of(source, spec, Path(folder))
            off = compare(TorchBackend(temporary), source, theirs, pairs, images, plan)
    engine = source.engine
    report(f"torch and {engine} differ by at most {off:.1e} (allowed: {TOLERANCE:g})")
    return Imported(out, off, measured)


def _fill_quality(network: Any, source: Source, config: Config, file: str | Path | None) -> None:
    """Put the quality predictor of the file's spec into the network.

    Raises:
        NanodetError: only one of the two has one, or their sizes differ.
    """
    given, own = source.quality, config.model.arch.head.quality
    if given is not None and own == dgqp.Section(topk=given.topk, hidden=given.hidden):
        network.head.quality.take(given)
    elif given is not None or predicts_quality(network):
        words = "its spec has no quality predictor" if given is None else (
            f"its spec has a quality predictor (DGQP, topk {given.topk}, hidden {given.hidden})"
        )  # fmt: skip
        raise NanodetError(
            f"{source.path}: {words}, but model.arch.head.quality of {file} is {own.name}"
            + (f", topk {own.topk}, hidden {own.hidden}" if predicts_quality(network) else "")
        )


def _tell_taken(
    config: Config,
    source: Source,
    names: Sequence[str] | None,
    file: str | Path | None,
    report: Say,
) -> None:
    """Report what a config that was found says of images and classes, where the model file does not."""
    section, values = config.data.val, []
    if source.spec() is None:
        values.append(f"fit {section.effective_fit}")
        for name, numbers in zip(("mean", "std"), section.pipeline.normalize, strict=True):
            values.append(f"{name} {numbers_text(numbers)}")
    if source.form.size is None:
        values.append("input {}x{}".format(*section.input_size))
    options = "--config CONFIG, the one it was trained with"
    if names is None and config.class_names:
        values.append(f"class names {shortened(config.class_names)}")
        options += ", or --classes"
    if values:
        report(
            f"taken from {file}, as the model file does not say it: {', '.join(values)}; change with "
            f"{options}"
        )


def _tell_of_its_spec(source: Source, ours: Spec, file: str | Path | None, report: Say) -> None:
    """Report what the spec that came with a file says otherwise than a config, or what is left out of it."""
    theirs = source.spec()
    if theirs is None:
        return
    keys = ("fit", "colour_order", "mean", "std", "point_offset")
    other = [key for key in keys if getattr(theirs, key) != getattr(ours, key)]
    if other:
        given, wanted = (
            ", ".join(f"{key} {brief(getattr(one, key))}" for key in other)
            for one in (theirs, ours)
        )
        report(
            f"warning: {source.path}: its spec says {given}, but the checkpoint has {wanted}, of {file}: "
            "--config CONFIG, the one it was trained with"
        )
    if theirs.class_scores is not None:
        report(
            f"{source.path}: its scores per class are left out, as a checkpoint has none; nanodet eval "
            "--wish finds them for an export of it"
        )


def fresh_network(config: Config, file: str | Path | None) -> Any:
    """Return the network of a config in eval mode; what an import leaves is always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_network(config.model.arch, str(file)).eval()


def fill(
    network: Any,
    pairs: Sequence[Pair],
    weights: Mapping[str, tuple[np.ndarray, np.ndarray | None]],
    file: str | Path,
) -> None:
    """Put the weights of a model file into the network, its batch norms adding the biases.

    Args:
        network: a detector, changed in place.
        pairs: as `nanodet.export.match.match` gives them.
        weights: name of a convolution of the file to its weight and bias, or None, as arrays.
        file: names it in messages.
    """
    for pair in pairs:
        conv, (weight, bias) = network.get_submodule(pair.conv), weights[pair.theirs.name]
        if pair.moved is not None:
            weight = weight.reshape(len(pair.moved.rows), -1, *conv.kernel_size)
            weight, bias = restored(weight, bias, pair.moved, f"{file}: layer {pair.theirs.name}")
        kernel = torch.from_numpy(weight.copy()).reshape(conv.weight.shape)
        added = torch.zeros(conv.out_channels) if bias is None else torch.from_numpy(bias.copy())
        with torch.no_grad():
            conv.weight.copy_(kernel)
            if pair.norm is None:
                conv.bias.copy_(added)
            else:
                batch_norm.fold_in(network.get_submodule(pair.norm), added)
