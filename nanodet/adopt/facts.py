"""What a file does not tell of itself: asked for, taken from a config, or NanoDet's usual."""

import dataclasses
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nanodet.adopt.source import Source, describes, open_source
from nanodet.data.formats.yolo_names import names_in
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.hub.catalogue import COCO_NAMES
from nanodet.ncnn_files.layout import Form
from nanodet.runtime.box_codes import DISTRIBUTIONS
from nanodet.runtime.fit import Size
from nanodet.runtime.spec import Spec, check_input_size
from nanodet.runtime.spec_json import BOXES
from nanodet.text import Say
from nanodet.text.names import shortened

# a grid of points without offset came with NanoDet-Plus and its fourth level
_OFFSETS: dict[tuple[int, ...], float] = {(8, 16, 32): 0.5, (8, 16, 32, 64): 0.0}
_CHOSEN = ("fit", "mean", "std", "colour_order")
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

    classes: tuple[str, ...] | None = None
    config: str | None = None
    fit: str | None = None
    size: Size | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    colour_order: str | None = None
    point_offset: float | None = None

    def class_names(self) -> tuple[str, ...] | None:
        """Return the names that the user gave, None without.

        Raises:
            NanodetError: the file does not exist, or has none.
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

    def of_config(self, source: Source) -> Spec | None:
        """Return the `Spec` of the config's network, None without a config.

        Raises:
            NanodetError: it has a quality predictor and the spec of the file has none, or the reverse.
        """
        if self.config is None:
            return None
        import torch

        from nanodet.config import load_config
        from nanodet.model.network import build_network, predicts_quality
        from nanodet.model.torch_backend import spec_of

        config = load_config(self.config)
        head = config.model.arch.head
        head.num_classes = head.num_classes or source.form.classes
        with torch.device("meta"):  # it is asked, and never run
            network = build_network(config.model.arch, self.config)
        if predicts_quality(network) != (source.quality is not None):
            raise NanodetError(
                f"{source.path}: {'its spec has no' if source.quality is None else 'has a'} quality "
                f"predictor, but model.arch.head.quality of {self.config} is {head.quality.name}"
            )
        return spec_of(network, config)


def spec_for(source: Source, facts: Facts, report: Say) -> Spec:
    """Return the `Spec` of a file, its ``files`` and ``source`` still empty.

    Args:
        source: the file, as `nanodet.adopt.source.open_source` gives it.
        facts: what the user says of it.
        report: called with a line on what neither the file nor the user says: what was assumed, or
            taken from the config, and the options that change it.

    Raises:
        NanodetError: what must be known was not given, or does not fit the file.
    """
    file, form = source.path, source.form
    config, own = facts.of_config(source), _own_spec(source)
    has_names = any(one is not None for one in (facts.classes, config, source.class_names()))
    has_offset = any(one is not None for one in (facts.point_offset, config, own))
    asked = _asked(form, has_names, has_offset)
    if asked:
        raise NanodetError(f"{file}: is {form}; {'; '.join(asked.values())}; or --config CONFIG")
    known_spec = config or own
    spacing = 1.0 if known_spec is None else known_spec.bin_spacing
    read: dict[str, Any] = {
        "class_names": _class_names(source, facts, config),
        "strides": form.strides, "reg_max": round(form.reg_max * spacing), "bin_spacing": spacing,
        "point_offset": _point_offset(form, facts, known_spec), "quality": source.quality,
        "model": "nanodet-plus" if form.plus else "nanodet",
    }  # fmt: skip
    if config is not None:
        usual = dataclasses.replace(config, **read)
    elif own is not None:
        kept = ("input_size", "edge_std_factors", "class_scores", *_CHOSEN)
        usual = Spec(**read, **{key: getattr(own, key) for key in kept})
    else:
        # by the original's configs NanoDet-Plus is trained with keep_ratio false
        usual = Spec(**read, fit="stretch" if form.plus else Spec.fit)
    size = facts.size or form.size or usual.input_size
    if not source.any_size and form.size is not None and tuple(size) != form.size:
        raise NanodetError(
            f"{file}: takes {form.size[0]}x{form.size[1]} alone, not {size[0]}x{size[1]} (--size)"
        )
    check_input_size(size, f"{file}: input size" if facts.size is None else "--size")
    if config is not None:
        _check_config(form, config, facts, file)
    given = {key: getattr(facts, key) for key in _CHOSEN if getattr(facts, key) is not None}
    spec = dataclasses.replace(usual, input_size=(size[0], size[1]), **given)
    if spec.fit == "own":  # of one size, as exported files are
        spec = dataclasses.replace(spec, fit="letterbox")
    spec.check(file)
    if own is not None and config is None:
        report("taken from its spec, as far as no option says otherwise")
        return spec
    known = {
        "size": form.size is not None,
        "classes": source.class_names() is not None and config is None,
    }
    _say_what_was_taken(spec, form, facts, known, report)
    return spec


def way_on(path: StrPath) -> str:
    """Return in words how a model file without a spec comes to run, or why it never will."""
    try:
        form = open_source(path, strict=False).form
    except NanodetError as error:
        return f"nor can one be made: {str(error).removeprefix(f'{path}: ')}"
    options = _asked(form, has_names=False, has_offset=False)
    command = " ".join(["nanodet adopt", shlex.quote(str(path)), *options, "--out DIR"])
    return f"it is {form}: {command} makes one"


def _own_spec(source: Source) -> Spec | None:
    """Return the spec that came with a file, None without one that describes it."""
    spec, form = source.spec(), source.form
    if spec is None or source.class_names() is None:
        return None
    if spec.form not in (DISTRIBUTIONS, BOXES):
        raise NanodetError(
            f"{source.path}: its spec says output.form {spec.form}; only {DISTRIBUTIONS} can be adopted"
        )
    return spec if describes(spec, form) else None


def _asked(form: Form, has_names: bool, has_offset: bool) -> dict[str, str]:
    """Return the options that must be given for a file, each with the reason."""
    asked = {}
    if not has_names and form.classes != len(COCO_NAMES):
        asked["--classes FILE"] = (
            "what its classes are called is not in it: --classes FILE (one name a line, in order)"
        )
    if not has_offset and (form.strides not in _OFFSETS or not form.usual):
        asked["--point-offset X"] = (
            "it is none of the original's, and where its points are is not known: --point-offset 0.5 "
            "(the middle of a cell), 0 (its corner) or what it was trained with"
        )
    return asked


def _say_what_was_taken(
    spec: Spec, form: Form, facts: Facts, known: dict[str, bool], report: Say
) -> None:
    """Report what the file does not say (``known``: what it does) and the user did not give."""
    size = f"{spec.input_size[0]}x{spec.input_size[1]}"
    values = {
        "point_offset": f"point offset {spec.point_offset:g}",
        "fit": f"fit {spec.fit}",
        "mean": f"mean {numbers_text(spec.mean)}",
        "std": f"std {numbers_text(spec.std)}",
        "colour_order": f"colour order {spec.colour_order}",
        "size": f"input {size}",
        "classes": f"class names {shortened(spec.class_names)}",
    }
    open_ones = [key for key in values if getattr(facts, key) is None and not known.get(key)]
    texts = [values[key] for key in open_ones]
    if form.guessed and facts.config is None:
        texts.append(form.guessed)
        open_ones += ["classes"] * ("classes" not in open_ones)
    if texts:
        start = "assumed" if facts.config is None else f"taken from {facts.config}"
        options = ", ".join(f"--{key.replace('_', '-')}" for key in open_ones)
        report(
            f"{start}, as the model file does not say it: {', '.join(texts)}; change with {options}"
        )


def check_count(source: Source, names: Sequence[str], given: str) -> None:
    """Raise `NanodetError` unless a file has as many classes as ``given``, an option or file, names."""
    if len(names) != source.form.classes:
        raise NanodetError(
            f"{source.path}: is {source.form}, but {given} names {len(names)}: {shortened(names)}"
        )


def numbers_text(values: Iterable[float]) -> str:
    """Return numbers as the options take them."""
    return ",".join(f"{value:g}" for value in values)


def _class_names(source: Source, facts: Facts, config: Spec | None) -> tuple[str, ...]:
    names, given = facts.class_names(), "--classes"
    if names is None and config is not None:
        names, given = config.class_names, str(facts.config)
    if names is None:
        return tuple(source.class_names() or COCO_NAMES)
    check_count(source, names, given)
    return names


def _check_config(form: Form, config: Spec, facts: Facts, file: StrPath) -> None:
    if config.form != DISTRIBUTIONS:
        raise NanodetError(
            f"{file}: is {form}, but the box code of {facts.config} is {config.form}"
        )
    bins = config.bins.count - 1
    for key, given, wanted in (
        ("strides", form.strides, config.strides),
        ("reg_max", form.reg_max, bins),
    ):
        if given != wanted:
            raise NanodetError(f"{file}: is {form}, but {key} of {facts.config} is {wanted}")


def _point_offset(form: Form, facts: Facts, known: Spec | None) -> float:
    if facts.point_offset is not None:
        return facts.point_offset
    return _OFFSETS[form.strides] if known is None else known.point_offset
