"""A checkpoint to start training from, of whatever a user names: published, exported or trained."""

import copy
import dataclasses
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch

from nanodet.adopt.source import Source, describes, open_source
from nanodet.config import config_from_dict
from nanodet.config.schema import Config
from nanodet.errors import NanodetError
from nanodet.export.find_config import heads, take_form
from nanodet.export.import_model import import_model
from nanodet.export.match import fits, plan_of
from nanodet.files.incoming import is_file
from nanodet.files.inputs import absence
from nanodet.files.temporary import temporary_folder
from nanodet.hub.catalogue import CATALOGUE, Published
from nanodet.hub.models import fetch_model, meant
from nanodet.model.box_codes import general
from nanodet.model.checkpoint import KEY, Checkpoint, read_checkpoint
from nanodet.model.network import build_network
from nanodet.model.quality import scores
from nanodet.runtime.engines import CHECKPOINT, kind_of, spec_file
from nanodet.runtime.spec import Spec
from nanodet.text import Say


def trainable(
    model: str | Path, config: Config, file: str | Path | None, report: Say
) -> Checkpoint:
    """Return the `Checkpoint` of a model to train on from.

    Args:
        model: path of a ``.ckpt``, ``.pth``, ``.param`` or ``.onnx``, or a published name. A file of that
            name comes first.
        config: the `Config` of the training, whose architecture a model file must have.
        file: names it in messages.
        report: called with a line that says what was taken, where that is not a checkpoint.

    Raises:
        NanodetError: there is no such model, or it cannot be trained.
    """
    if not str(model).strip():
        raise NanodetError(
            "names no model; leave it out to start from the backbone's weights alone"
        )
    path = Path(model)
    if is_file(path):
        kind = kind_of(path)
        if kind is not None and kind.exported:
            return _imported(path, config, file, report)
        return read_checkpoint(path)
    if path.is_dir():
        raise NanodetError(f"{path}: is a folder; give one model file in it")
    if str(model) not in CATALOGUE:
        known = ", ".join(CATALOGUE)
        hint = meant(model) or f"; published, and fetched by name: {known}"
        raise NanodetError(absence(model, f"there is no such checkpoint{hint}"))
    path = published_checkpoint(str(model))
    published = CATALOGUE[str(model)]
    report(f"{model}: the published {published.about} ({path})")
    return read_checkpoint(path)


def checkpoint_of(model: str | Path) -> str | Path:
    """Return the path of a checkpoint: the one given, or that of a published model.

    Raises:
        NanodetError: as `published_checkpoint`.
    """
    if str(model) in CATALOGUE and not Path(model).exists():
        return published_checkpoint(str(model))
    return model


def published_checkpoint(name: str) -> Path:
    """Return the path of a published model as a checkpoint, in the cache beside its ncnn files.

    What the cache lacks is fetched and imported; a checkpoint of other files than the published
    ones, or a damaged one, is made again.

    Raises:
        NanodetError: it cannot be fetched or written.
    """
    published = CATALOGUE[name]
    param = fetch_model(name)
    path = param.with_suffix(CHECKPOINT.suffixes[0])
    if not _is_of(path, Spec.load(spec_file(param)).files):
        import_model(param, _config_of(published), path, report=_nowhere, file=name)
    return path


def _is_of(path: str | Path, files: Mapping[str, str]) -> bool:
    """Tell whether a checkpoint was imported from these files (name to SHA-256), and is whole."""
    try:
        if read_checkpoint(path).raw[KEY]["imported"] != files:
            return False
        with zipfile.ZipFile(path) as archive:  # torch reads it without looking at its checksums
            return archive.testzip() is None
    except (NanodetError, KeyError, zipfile.BadZipFile):
        return False


def _config_of(published: Published) -> Config:
    """Return the `Config` of a published model: where COCO lies is COCO's own layout."""
    section = {
        "name": "CocoDataset", "img_path": "coco/val2017",
        "ann_path": "coco/annotations/instances_val2017.json",
        "input_size": list(published.spec.input_size),
    }  # fmt: skip
    mapping = {
        "model": {"arch": copy.deepcopy(published.arch)},
        "data": {"train": section, "val": section},
        "schedule": {"optimizer": {"name": "SGD", "lr": 0.14}, "total_epochs": 280},
        "class_names": list(published.spec.class_names),
    }
    return config_from_dict(mapping, published.name)


def _imported(model: Path, config: Config, file: str | Path | None, report: Say) -> Checkpoint:
    """Return the `Checkpoint` of a model file that has the architecture of ``config``."""
    source = open_source(model, strict=False)
    own = copy.deepcopy(config)
    own.class_names = None  # the training's need not be the model's
    _take_heads(own, source, file)
    with temporary_folder() as folder:
        out = Path(folder) / f"{model.stem}{CHECKPOINT.suffixes[0]}"
        import_model(model, own, out, report=_nowhere, file=file)
        checkpoint = read_checkpoint(out)
    report(f"{model}: imported, {source.form.classes} classes")
    return dataclasses.replace(checkpoint, path=str(model))


def _take_heads(config: Config, source: Source, file: str | Path | None) -> None:
    """Give a config the form of a model file, and its box code and quality where they are others.

    What they have otherwise is not trained on from, as if the model were given as a checkpoint.
    """
    take_form(config, source.form, source.class_names(), source.quality)
    try:
        with torch.device("meta"):
            network = build_network(config.model.arch, str(file)).eval()
        convolutions, form = source.convolutions(), source.form
        plan = plan_of(network, convolutions, form, source.spec(), source.path)
        if fits(network, convolutions, form, plan):
            return
    except NanodetError:  # a quality that the box code of the config cannot have
        pass
    spec = source.spec()
    own = spec is not None and describes(spec, source.form)
    spacing = spec.bin_spacing if spec is not None and own else 1.0
    for head in heads(config):
        if hasattr(head, "box_code"):
            head.box_code, head.quality = general.Section(spacing=spacing), scores.JointSection()
    take_form(config, source.form, source.class_names(), source.quality)


def _nowhere(line: str) -> None:
    """Swallow a line of the import: what matters of it is said here."""
