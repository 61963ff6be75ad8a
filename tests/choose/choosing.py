"""Choices among two small models, for the tests of ``nanodet choose``."""

import json
import shutil

from nanodet.bench.plan import Effort
from nanodet.choose.choose import choose
from nanodet.choose.files import Making
from nanodet.choose.times import TimingOptions
from nanodet.evaluate import ground_truth
from nanodet.runtime.engines import files_of, spec_file
from nanodet.runtime.spec import Spec

QUICK = TimingOptions(1, Effort(20, 0.2, "quick"))


def copied(source, param):
    """Copy a model to another name; return its spec for that, not written yet."""
    spec = json.loads(spec_file(source).read_text())
    files = spec.pop("files")
    spec["files"] = {}
    for path, new in zip(files_of(source), files_of(param), strict=True):
        shutil.copy(path, new)
        spec["files"][new.name] = files[path.name]
    return spec


def given_truth(data, model):
    source = ground_truth.given(data / "images", data / "annotations.json", None)
    return source.read(Spec.load(spec_file(model)).class_names, model)


def chosen(models, data, out, lines=None, budget=1000.0):
    return choose(
        models, budget, out, making=Making("any", int8=False), timing=QUICK,
        images=data / "images", annotations=data / "annotations.json",
        report=(lines if lines is not None else []).append,
    )  # fmt: skip
