"""Sets of model files from strangers, and whether two programs agree about them."""

import hostile_models
import hostile_onnx

from nanodet.export.stages import FP32, SIMPLIFIED

# OpenVINO in Python first guesses what form a file has, and takes this for none that it knows
ENGINES_DIFFER = {"a version of long ago"}


def sets(engine, exported, folder):
    """Return name to a function that writes a set into a folder and returns its model file.

    Args:
        engine: ``ncnn`` or ``openvino``.
        exported: the `nanodet.export.export.Exported` of a sound model.
        folder: where all sets are written, one over the other.
    """
    if engine == "ncnn":
        model = hostile_models.Model.load(exported.files[FP32])
        made = hostile_models.refused(model) | hostile_models.same(model)
        made |= hostile_models.others(model)
        return {name: lambda one=one: one.write(folder / "m.param") for name, one in made.items()}

    def write(data):
        (folder / "m.onnx").write_bytes(data)
        return folder / "m.onnx"

    made = hostile_onnx.sets(exported.files[SIMPLIFIED])
    return {name: lambda data=data: write(data) for name, data in made.items()}


def some(sets, count):
    """Return about so many of them, from all kinds; all for None."""
    names = list(sets)
    return {name: sets[name] for name in names[:: max(1, len(names) // (count or len(names)))]}


def check_agree(name, expected, found):
    """Check that two answers to one set are the same boxes, or both a refusal of one line.

    Args:
        name: of the set, for messages.
        expected, found: ``{"detections": [...]}`` or ``{"error": LINE}``.
    """
    if name in ENGINES_DIFFER:
        return
    assert expected.keys() == found.keys() or expected.keys() >= {"detections"} <= found.keys(), (
        name, expected, found
    )  # fmt: skip
    if "error" in found:
        assert found["error"].isprintable(), name
        return
    pairs = list(zip(expected["detections"], found["detections"], strict=True))
    for one, other in pairs:
        assert one["class_id"] == other["class_id"], name
        assert abs(one["confidence"] - other["confidence"]) < 0.003, name
        assert all(abs(a - b) < 0.1 for a, b in zip(one["xyxy"], other["xyxy"], strict=True)), name
