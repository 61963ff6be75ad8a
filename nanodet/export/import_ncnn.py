"""A trained ncnn NanoDet back into a checkpoint that trains, and the proof that it is the same."""

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from nanodet.compare.tensors import picture_paths, picture_tensors
from nanodet.config import Config, load_config
from nanodet.config.follow import take_classes
from nanodet.errors import NanodetError
from nanodet.export import batch_norm
from nanodet.export.batch_norm import LIMIT, with_fixed_fit
from nanodet.export.match_ncnn import match
from nanodet.files.files import check_writable, replacing, sha256, write_text
from nanodet.files.temporary import temporary_folder
from nanodet.model.checkpoint import KEY, carried
from nanodet.model.class_rows import check_class_order
from nanodet.model.network import build_network
from nanodet.model.save_plain import save_plain
from nanodet.model.torch_backend import TorchBackend, spec_of
from nanodet.ncnn_files.unify import unify
from nanodet.runtime.detector import find_model
from nanodet.runtime.engines import CHECKPOINT, NCNN, files_of, kind_of, spec_file
from nanodet.runtime.engines.ncnn import NcnnBackend, check_model, own_mat
from nanodet.runtime.spec import Spec
from nanodet.text.printable import say

TOLERANCE = 1e-4  # of scores and logits, relative where they are above 1


@dataclass(frozen=True)
class Imported:
    """What an import made.

    Attributes:
        path: of the checkpoint.
        difference: the largest one between ncnn and torch, of scores and logits.
        pictures: how many the statistics of the batch norms were measured on, 0 for none.
    """

    path: Path
    difference: float
    pictures: int


def import_model(param, config, out, images=None, limit=LIMIT, report=say, file=None, reading=None):
    """Write a checkpoint that computes what an ncnn model computes.

    Args:
        param: the ``.param`` file of a NanoDet, its ``.bin`` beside it; weights in 32 or 16 bits.
        config: config file of its architecture, or a `Config`; it goes into the checkpoint.
        out: the ``.ckpt`` to write, after ncnn and torch agreed.
        images: folder of pictures to measure the batch norms on; None leaves mean 0, variance 1.
        limit: at most so many pictures, evenly spread over the folder.
        report: called with each line of progress.
        file: names a `Config` in messages.
        reading: a `nanodet.data.reading.Reading`, which may list the pictures; None for all.

    Returns:
        `Imported`.

    Raises:
        NanodetError: the model is damaged, of another architecture or quantised, or torch and ncnn
            differ.
    """
    if images is None and reading is not None and reading.list_path is not None:
        raise NanodetError("--list: needs --images, the folder of the listed pictures")
    param, out = Path(find_model(param)), Path(out)
    if kind_of(param) is not NCNN:
        raise NanodetError(f"{param}: only an ncnn model (.param) can be imported")
    if kind_of(out) is not CHECKPOINT:
        raise NanodetError(f"{out}: --out: a checkpoint ends in {' or '.join(CHECKPOINT.suffixes)}")
    check_writable(out)
    if not isinstance(config, Config):
        config, file = load_config(config), str(config)
    paths = [] if images is None else picture_paths(images, reading)
    _, weights_file = files_of(param)
    graph, weights = check_model(param, weights_file)
    graph, form = unify(graph, param)
    _refuse_quantised(graph, weights, param)
    names = class_names_of(param, form.classes)
    take_classes(config, names)
    check_class_order(config.class_names, names, file, param)
    network = fresh_network(config, file)
    pairs = match(network, graph, form, param, file)
    fill(network, pairs, weights)
    report(f"{param}: {len(pairs)} convolutions, {form.classes} classes")
    spec = dataclasses.replace(spec_of(network, config), source={}, files={})
    norms = [pair.norm for pair in pairs if pair.norm]
    measured = batch_norm.measure_on(network, norms, paths, spec, limit) if paths else 0
    if measured:
        report(f"batch norm: measured on {measured} pictures of {images}")
    else:
        report(
            "batch norm: not measured: right for evaluation and export; a training measures it on "
            "its own pictures first"
        )
    source = {path.name: sha256(path) for path in (param, weights_file)}
    state = {f"model.{name}": value for name, value in network.state_dict().items()}
    with replacing(out) as temporary:
        own = carried(config, imported=source, norms_measured=bool(measured))
        save_plain({"state_dict": state, KEY: own}, temporary)
        with temporary_folder() as folder:
            theirs = _ncnn_backend(graph, weights_file, spec, Path(folder))
            difference = compare(TorchBackend(temporary), theirs, pairs, images, param)
    report(f"torch and ncnn differ by at most {difference:.1e} (allowed: {TOLERANCE:g})")
    return Imported(out, difference, measured)


def fresh_network(config, file):
    """Return the network of a config in eval mode; what an import leaves is always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_network(config.model.arch, str(file)).eval()


def fill(network, pairs, weights):
    """Put the weights of an ncnn model into the network, its batch norms adding the biases.

    Args:
        network: a detector, changed in place.
        pairs: as `nanodet.export.match_ncnn.match` gives them.
        weights: as `nanodet.ncnn_files.weights.parse_weights` gives them.
    """
    for pair in pairs:
        conv, stored = network.get_submodule(pair.conv), weights[pair.layer.name]
        weight = torch.from_numpy(stored["weight"].values).reshape(conv.weight.shape)
        bias = torch.zeros(conv.out_channels)
        if "bias" in stored:
            bias = torch.from_numpy(stored["bias"].values)
        with torch.no_grad():
            conv.weight.copy_(weight)
            if pair.norm is None:
                conv.bias.copy_(bias)
            else:
                batch_norm.fold_in(network.get_submodule(pair.norm), bias)


def compare(ours, theirs, pairs, images, file):
    """Return the largest difference of two backends on noise and on pictures, at two sizes.

    Raises:
        NanodetError: it is above `TOLERANCE`; names the first layer where they part.
    """
    spec = ours.spec
    width, height = spec.input_size
    rng = np.random.default_rng(0)
    tensors = []
    for size in ((width, height), (width + 64, height + 32)):
        tensors += [rng.standard_normal((1, 3, *size[::-1]), np.float32)]
        tensors += picture_tensors(with_fixed_fit(spec).at_size(size), images, 2)
    largest = 0.0
    for tensor in tensors:
        difference = _difference(theirs.run(tensor), ours.run(tensor))
        if not difference <= TOLERANCE:
            raise NanodetError(
                f"{file}: torch and ncnn differ by {difference:.1e} in the output, "
                f"{_first_layer(ours.network, theirs, pairs, tensor)}"
            )
        largest = max(largest, difference)
    return largest


def _first_layer(network, theirs, pairs, tensor):
    """Say before which convolution the maps of both networks begin to differ."""
    maps = {}

    def keep(name):
        return lambda conv, inputs: maps.update({name: inputs[0][0].clone().numpy()})

    hooks = [
        network.get_submodule(pair.conv).register_forward_pre_hook(keep(pair.conv))
        for pair in pairs
    ]
    with torch.inference_mode():
        network(torch.from_numpy(tensor))
    for hook in hooks:
        hook.remove()
    extractor = theirs.net.create_extractor()
    extractor.set_light_mode(False)
    extractor.input(theirs.spec.input_name, own_mat(tensor[0]))
    for pair in pairs:
        _, found = extractor.extract(pair.layer.inputs[0])
        found = np.array(found)
        if not _difference(found, maps[pair.conv]) <= TOLERANCE:
            return f"and first in what layer {pair.layer.name} ({pair.conv}) is given"
    return "and not before its last layers"


def _difference(given, wanted):
    if given.shape != wanted.shape:
        return float("inf")
    return float((np.abs(given - wanted) / np.maximum(1, np.abs(wanted))).max())


def class_names_of(param, count):
    """Return the class names in the spec beside a ``.param``; None without one of ``count`` classes."""
    try:
        names = Spec.load(spec_file(param)).class_names
    except NanodetError:
        return None
    return list(names) if len(names) == count else None


def _refuse_quantised(graph, weights, file):
    for layer in graph.layers:
        stored = weights.get(layer.name, {}).get("weight")
        if stored is not None and (
            stored.storage == "int8" or "weight_scales" in weights[layer.name]
        ):
            raise NanodetError(
                f"{file}: layer {layer.name}: is int8, too coarse to train on: import the fp32 or "
                "fp16 files of this model"
            )


def _ncnn_backend(graph, weights_file, spec, folder):
    param, weights = folder / "model.param", folder / "model.bin"
    write_text(param, graph.to_text())
    shutil.copyfile(weights_file, weights)
    files = {path.name: sha256(path) for path in (param, weights)}
    dataclasses.replace(with_fixed_fit(spec), files=files).save(folder / "model.json")
    return NcnnBackend(param)
