"""What a file does not tell of itself: asked for, taken from a config, or NanoDet's usual."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from nanodet.data.formats.yolo_names import names_in
from nanodet.errors import NanodetError
from nanodet.hub.catalogue import COCO_NAMES
from nanodet.runtime.spec import Spec, check_input_size
from nanodet.text.names import shortened

# a grid of points without offset came with NanoDet-Plus and its fourth level
_OFFSETS = {(8, 16, 32): 0.5, (8, 16, 32, 64): 0.0}
# by the original's configs NanoDet-Plus is trained with keep_ratio false
_FITS = {(8, 16, 32, 64): "stretch"}
_NAME_FILES = (".txt", ".names", ".yaml", ".yml")


@dataclass(frozen=True)
class Facts:
    """What a user says of a file; None leaves it to the config, or to NanoDet's usual.

    Attributes:
        classes: a file of class names (one a line, or a ``data.yaml``), or the names themselves.
        config: the model's config file.
        fit: ``letterbox`` or ``stretch``.
        size: (width, height) of the network's input.
        mean, std: three numbers each in grey levels, in ``colour_order``.
        colour_order: ``bgr`` or ``rgb``.
        point_offset: of the points in strides, see `nanodet.runtime.spec.Spec`.
    """

    classes: tuple | None = None
    config: str | None = None
    fit: str | None = None
    size: tuple | None = None
    mean: tuple | None = None
    std: tuple | None = None
    colour_order: str | None = None
    point_offset: float | None = None

    def class_names(self):
        """Return the names that the user gave, None without.

        Raises:
            NanodetError: the file is not there, or holds none.
        """
        if self.classes is None:
            return None
        path = Path(self.classes[0])
        if len(self.classes) > 1 or not (path.suffix in _NAME_FILES or path.is_file()):
            return tuple(self.classes)
        names = names_in(path)
        if not names:
            raise NanodetError(f"{path}: --classes: holds no class names, one a line")
        return tuple(map(str, names))

    def of_config(self, form):
        """Return the `Spec` of the config's network, None without a config."""
        if self.config is None:
            return None
        import torch

        from nanodet.config import load_config
        from nanodet.model.network import build_network
        from nanodet.model.torch_backend import spec_of

        config = load_config(self.config)
        head = config.model.arch.head
        head.num_classes = head.num_classes or form.classes
        with torch.device("meta"):  # it is asked, and never run
            return spec_of(build_network(config.model.arch, self.config), config)


def spec_for(source, facts, report):
    """Return the `Spec` of a file, its ``files`` and ``source`` still empty.

    Args:
        source: the file, as `nanodet.adopt.source.open_source` gives it.
        facts: `Facts`.
        report: called with a line on what was taken for granted.

    Raises:
        NanodetError: what must be known was not given, or does not fit the file.
    """
    file, form = source.path, source.form
    config, taken = facts.of_config(form), []
    names = _class_names(source, facts, config, taken)
    read = {
        "class_names": names, "strides": form.strides, "reg_max": form.reg_max,
        "point_offset": _point_offset(form, facts, config, file),
        "model": "nanodet-plus" if len(form.strides) == 4 else "nanodet",
    }  # fmt: skip
    if config is None:
        usual = Spec(**read, fit=_FITS.get(form.strides, Spec.fit))
    else:
        usual = dataclasses.replace(config, **read)
    if config is None and facts.fit is None:
        taken.append(f"fit {usual.fit}")
    if config is None and facts.mean is None and facts.std is None:
        taken.append("NanoDet's mean and std in BGR")
    size = facts.size or form.size or usual.input_size
    if not source.any_size and tuple(size) != form.size:
        raise NanodetError(
            f"{file}: takes {form.size[0]}x{form.size[1]} alone, not {size[0]}x{size[1]} (--size)"
        )
    if facts.size is None and config is None and form.size is None:
        taken.append(f"input {size[0]}x{size[1]}")
    check_input_size(size, f"{file}: input size" if facts.size is None else "--size")
    if config is not None:
        _check_config(form, config, facts, file)
    if form.guessed:
        taken.append(form.guessed)
    if taken:
        report(f"taken for granted, as the file does not say it: {', '.join(taken)}")
    chosen = ("fit", "mean", "std", "colour_order")
    given = {key: getattr(facts, key) for key in chosen if getattr(facts, key) is not None}
    spec = dataclasses.replace(usual, input_size=tuple(size), **given)
    if spec.fit == "own":  # of one size, as exported files are
        spec = dataclasses.replace(spec, fit="letterbox")
    spec.check(file)
    return spec


def _class_names(source, facts, config, taken):
    file, form = source.path, source.form
    names, given = facts.class_names(), "--classes"
    if names is None and config is not None:
        names, given = config.class_names, facts.config
    if names is None and (names := source.class_names()) is not None:
        return tuple(names)  # it has a spec, of another version perhaps
    if names is None and form.classes == len(COCO_NAMES):
        taken.append("the 80 class names of COCO")
        return COCO_NAMES
    if names is None:
        raise NanodetError(
            f"{file}: is {form}; what its classes are called is not in it: --classes FILE (one name a "
            "line, in order) or --config CONFIG"
        )
    if len(names) != form.classes:
        raise NanodetError(f"{file}: is {form}, but {given} names {len(names)}: {shortened(names)}")
    return names


def _check_config(form, config, facts, file):
    for key in ("strides", "reg_max"):
        given, wanted = getattr(form, key), getattr(config, key)
        if given != wanted:
            raise NanodetError(f"{file}: is {form}, but {key} of {facts.config} is {wanted}")


def _point_offset(form, facts, config, file):
    if facts.point_offset is not None:
        return facts.point_offset
    if config is not None:
        return config.point_offset
    if form.strides not in _OFFSETS or not form.usual:
        raise NanodetError(
            f"{file}: is {form}, but none of the original's: where its points are is not known: "
            "--point-offset 0.5 (the middle of a cell) or 0 (its corner)"
        )
    return _OFFSETS[form.strides]
