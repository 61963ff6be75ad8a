"""The JSON form of a spec (docs/spec.md): its keys, and which format of it has them."""

from typing import TYPE_CHECKING, Any

from nanodet.errors import NanodetError
from nanodet.files.json_keys import JsonKeys
from nanodet.runtime.box_codes import BOX_CODES, DISTRIBUTIONS
from nanodet.runtime.quality import QualityPredictor
from nanodet.text.brief import brief

if TYPE_CHECKING:
    from nanodet.runtime.spec import Spec

BOXES = "boxes"  # the form of models that include decoding; other forms are those of `BOX_CODES`
ROWS, MAPS = "rows", "maps"  # layouts of the forms of `BOX_CODES`
LAYOUTS = (ROWS, MAPS)
FORMATS = (1, 2, 3, 4, 5, 6)


def forms() -> dict[str, int]:
    """Return the possible forms, each with the lowest format whose readers know it (docs/spec.md)."""
    return {name: code.format for name, code in BOX_CODES.items()} | {BOXES: 2}


def mapping_of(spec: "Spec") -> dict[str, Any]:
    """Return the JSON form of a spec, in the lowest format that holds it."""
    width, height = (int(v) for v in spec.input_size)
    spacing = {} if spec.bin_spacing == 1 else {"bin_spacing": float(spec.bin_spacing)}
    quality = {} if spec.quality is None else {"quality": spec.quality.to_dict()}
    layout = {} if spec.layout == ROWS else {"layout": spec.layout}
    number = max(
        forms()[spec.form],
        3 if spec.class_agnostic_nms else 1,
        4 if spacing or quality else 1,
        5 if layout else 1,
        1 if spec.class_scores is None else 6,
    )
    form = {"form": spec.form} if number >= 2 else {}
    if spec.form == BOXES:
        form |= {"scores": spec.scores_name, "labels": spec.labels_name}
    batch = {"batch": spec.batch} if spec.batch > 1 else {}
    factors = spec.edge_std_factors
    calibrated = {} if factors is None else {"edge_std_factors": [float(v) for v in factors]}
    rewriting = {} if spec.rewriting is None else {"rewriting": dict(spec.rewriting)}
    agnostic = {"class_agnostic_nms": True} if spec.class_agnostic_nms else {}
    scores = spec.class_scores
    per_class = {} if scores is None else {"class_scores": [float(score) for score in scores]}
    return {
        "format": number,
        "model": spec.model,
        "class_names": list(spec.class_names),
        "input": {
            "name": spec.input_name, "width": width, "height": height, **batch,
            "any_size": spec.any_size, "fit": spec.fit, "colour_order": spec.colour_order,
            "mean": [float(v) for v in spec.mean], "std": [float(v) for v in spec.std],
        },
        "output": {
            "name": spec.output_name, **form, **layout,
            "strides": [int(v) for v in spec.strides], "reg_max": int(spec.reg_max),
            **spacing, "point_offset": float(spec.point_offset), **quality, **calibrated,
        },
        "thresholds": {
            "score": spec.score, "nms_iou": spec.nms_iou,
            "per_level": spec.per_level, "per_picture": spec.per_picture, **agnostic, **per_class,
        },
        **rewriting,
        "files": dict(spec.files), "source": dict(spec.source),
        "measured": dict(spec.measured),
    }  # fmt: skip


def fields_of(mapping: object, file: object) -> dict[str, Any]:
    """Return the fields of a spec from its JSON form; ``file`` names it in messages.

    Raises:
        NanodetError: a missing key, a wrong type, or a format or form that is not known.
    """
    top = JsonKeys(mapping, file)
    number = top.get("format", int)
    if number not in FORMATS:
        *known, last = FORMATS
        raise NanodetError(
            f"{file}: format: {brief(number)} is not known; this version reads "
            f"{', '.join(map(str, known))} and {last}"
        )
    into, out = top.sub("input"), top.sub("output")
    limits = top.sub("thresholds")
    # keys of formats 2 to 6, which readers of lower formats ignore
    form = out.get("form", str) if number >= 2 else DISTRIBUTIONS
    factors, scores = "edge_std_factors", "class_scores"
    known_forms = [name for name, lowest in forms().items() if lowest <= number]
    if form not in known_forms:
        raise NanodetError(f"{file}: output.form: must be one of {', '.join(known_forms)}")
    boxes = {"scores_name": "scores", "labels_name": "labels"} if form == BOXES else {}
    return dict(
        class_names=tuple(top.list_of("class_names", str)),
        model=top.get("model", str),
        input_name=into.get("name", str),
        input_size=(into.get("width", int), into.get("height", int)),
        batch=into.get("batch", int) if "batch" in into.mapping else 1,
        any_size=into.get("any_size", bool),
        fit=into.get("fit", str),
        colour_order=into.get("colour_order", str),
        mean=tuple(into.list_of("mean", float)),
        std=tuple(into.list_of("std", float)),
        output_name=out.get("name", str),
        form=form,
        layout=out.get("layout", str) if number >= 5 and "layout" in out.mapping else ROWS,
        **{field: out.get(key, str) for field, key in boxes.items()},
        strides=tuple(out.list_of("strides", int)),
        reg_max=out.get("reg_max", int),
        bin_spacing=(
            out.get("bin_spacing", float) if number >= 4 and "bin_spacing" in out.mapping else 1.0
        ),
        point_offset=out.get("point_offset", float),
        quality=(
            QualityPredictor.from_keys(out.sub("quality"))
            if number >= 4 and "quality" in out.mapping
            else None
        ),
        edge_std_factors=(tuple(out.list_of(factors, float)) if factors in out.mapping else None),
        score=limits.get("score", float),
        nms_iou=limits.get("nms_iou", float),
        per_level=limits.get("per_level", int),
        per_picture=limits.get("per_picture", int),
        # format 3 was made for this key
        class_agnostic_nms=(
            number >= 3
            and (number == 3 or "class_agnostic_nms" in limits.mapping)
            and limits.get("class_agnostic_nms", bool)
        ),
        class_scores=(
            tuple(limits.list_of(scores, float))
            if number >= 6 and scores in limits.mapping
            else None
        ),
        rewriting=top.get("rewriting", dict) if "rewriting" in top.mapping else None,
        files=top.get("files", dict),
        source=top.get("source", dict),
        measured=top.get("measured", dict),
    )
