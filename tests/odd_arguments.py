"""A process that calls public functions with odd arguments, and may be ended by native code.

Reads a seed a line, makes one call from it, and answers with one line: what was called, and how it
ended. Run as ``python odd_arguments.py FOLDER``; the folder holds small.param, small.onnx and their
like, an image a.png and a video v.avi.
"""

import json
import random
import resource
import sys
import warnings
from pathlib import Path

import numpy as np

NUMBERS = [
    -1, 0, 1, 2, 31, 32, 1000, 2**15, 2**16, 2**31 - 1, 2**31, 2**63, -(2**63), 10**400, 0.5, -0.0, 1e-300,
    1e300, float("nan"), float("inf"), -float("inf"), True, np.int8(-3), np.float16(0.5),
    np.uint64(2**64 - 1),
]  # fmt: skip
TEXTS = [
    "", " ", "a", "\0", "a\0b", "\ud800", "\udcff", "a" * 300, "b" * 70_000, "é 日本", "../a", "/", ".", "-1",
    "%s%n", "http://", "file:///dev/null", "/dev/null", "/dev/zero", "/proc/self/mem", "\x1b[2J", "\u202e",
]  # fmt: skip
OTHERS = [
    None, b"bytes", [], {}, (), object(), Path("a"), Path("."), [[]], [None], range(3), slice(None), print,
    {"a": 1}, complex(1, 2),
]  # fmt: skip


def array(rng, huge=False):
    """Return an array of any shape and kind, some of them strange in memory."""
    shape = tuple(
        rng.choice((0, 1, 2, 3, 4, 7, 64)) for _ in range(rng.choice((0, 1, 2, 3, 3, 3, 4)))
    )
    kind = rng.choice(
        ("u1", "u1", "u1", "i1", "f4", "f8", "i8", "?", "c8", "f2", ">u2", "O", "U3", "M8[s]")
    )
    made = np.zeros(shape, kind)
    if kind in ("f4", "f8") and made.size:
        made.flat[rng.randrange(made.size)] = rng.choice((np.nan, np.inf, -1e30, 1e30, 5))
    how = rng.randrange(6)
    if how == 0 and made.ndim:
        made = made[::-1]
    elif how == 1 and made.ndim > 1:
        made = made.T
    elif how == 2 and huge:
        big = rng.choice(((2, 40_000, 3), (40_000, 2, 3), (50_000, 50_000, 3), (2**31, 1, 3)))
        made = np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), big, (0, 0, 0))
    elif how == 3:
        made = np.ma.masked_array(made)
    return made


def odd(rng):
    """Return any value."""
    kind = rng.randrange(5)
    if kind == 4:
        return array(rng)
    return rng.choice((NUMBERS, TEXTS, OTHERS, NUMBERS)[kind])


def changed(rng, arguments, share=0.25):
    """Return keyword arguments, some of them odd."""
    names = [name for name in arguments if rng.random() < share] or [rng.choice(list(arguments))]
    return arguments | {name: odd(rng) for name in names}


class Calls:
    """The public functions, each with arguments that are right."""

    def __init__(self, folder):
        from nanodet import Detections, Detector
        from nanodet.runtime.spec import Spec

        self.folder, self.Detector, self.Detections = folder, Detector, Detections
        self.models = [folder / "small.param", folder / "small.onnx"]
        self.spec = Spec.load(folder / "small.json")
        self.detectors = [Detector(model, threads=1) for model in self.models]
        self.picture = np.zeros((48, 64, 3), np.uint8)

    def detector(self, rng):
        arguments = {
            "path": rng.choice(self.models), "config": None, "fit": "letterbox", "size": (160, 96),
            "threads": 1, "score": 0.1, "nms_iou": 0.5, "per_level": 100, "per_picture": 10,
            "precision": "fp32", "engine": None, "class_agnostic_nms": None,
        }  # fmt: skip
        self.Detector(**changed(rng, arguments, 0.1))(self.picture)

    def detect(self, rng):
        rng.choice(self.detectors)(odd(rng) if rng.random() < 0.2 else array(rng, huge=True))

    def detections(self, rng):
        arguments = {
            "xyxy": [[1, 2, 3, 4]], "confidence": [0.5], "class_id": [0], "class_names": ("a",)
        }  # fmt: skip
        found = self.Detections(**changed(rng, arguments))
        for act in (
            lambda: found[odd(rng)],
            lambda: found.to_json(odd(rng), odd(rng), odd(rng), odd(rng), odd(rng)),
            lambda: found.name_of(odd(rng)),
            lambda: self.draw_them(rng, found),
        ):
            try:
                act()
            except Exception:
                if rng.random() < 0.5:
                    raise

    def draw_them(self, rng, found):
        from nanodet.drawing.draw import draw

        draw(self.picture if rng.random() < 0.7 else array(rng, huge=True), found)

    def draw(self, rng):
        from nanodet.drawing.draw import draw

        count = rng.choice((0, 1, 5, 2000))
        boxes = np.array(
            [rng.choice((0, 5, 63, -1e9, 1e30, np.nan, np.inf)) for _ in range(4 * count)]
        )
        ids = [rng.choice((0, 1, -1, 2**40)) for _ in range(count)]
        found = self.Detections(
            boxes, [rng.random() for _ in range(count)], ids, (rng.choice(TEXTS), "b")
        )
        arguments = {"picture": self.picture, "style": "solid", "labels": True, "scores": True}
        draw(detections=found, **changed(rng, arguments, 0.1))

    def read_picture(self, rng):
        from nanodet.images.image_file import picture_header, read_picture

        rng.choice((read_picture, picture_header))(odd(rng))

    def open_source(self, rng):
        from nanodet.detect.sources import open_source

        text = rng.choice((odd(rng), *(str(self.folder / name) for name in ("a.png", "v.avi", ""))))
        source = open_source(text, warn=lambda line: None)
        try:
            for _, _frame in zip(range(3), source, strict=False):
                pass
        finally:
            source.close()

    def load_config(self, rng):
        from nanodet.config import load_config

        load_config(odd(rng) if rng.random() < 0.3 else self.folder / "c.yml", odd(rng))

    def overrides(self, rng):
        from nanodet.config import load_config

        key = rng.choice(("data.train.input_size", "schedule.total_epochs", "class_names", "device.gpu_ids",
                          "model.arch.head.strides", "evaluator.score", "data.val.img_path"))  # fmt: skip
        load_config(self.folder / "c.yml", [f"{key}={odd(rng)!r}"])

    def spec_of(self, rng):
        import dataclasses

        from nanodet.runtime.spec import Spec

        arguments = {
            field.name: getattr(self.spec, field.name) for field in dataclasses.fields(Spec)
        }
        spec = Spec(**changed(rng, arguments, 0.05))
        spec.check("spec.json")
        Spec.from_json(json.dumps(spec.to_dict()), "spec.json")

    def spec_in_use(self, rng):
        mapping = self.spec.to_dict()
        part = rng.choice((mapping, mapping["input"], mapping["output"], mapping["thresholds"]))
        values = (rng.choice(NUMBERS), rng.choice(TEXTS), [1, 2], ["a"], None)
        part[rng.choice(list(part))] = rng.choice(values)
        path = self.folder / "odd.param"
        text = (
            json.dumps(mapping).replace("small.param", "odd.param").replace("small.bin", "odd.bin")
        )
        path.with_suffix(".json").write_text(text)
        detector = self.Detector(path, threads=1)
        self.draw_them(rng, detector(self.picture))

    def decode(self, rng):
        from nanodet.runtime.decode import decode
        from nanodet.runtime.thresholds import Thresholds

        points = self.spec.point_count((160, 96))
        output = np.full(
            (points, self.spec.channels), rng.choice((0, 0.5, 1e30, -1e30, np.nan)), np.float32
        )
        arguments = {"output": output, "spec": self.spec, "input_size": (160, 96)}
        limits = {
            "score": 0.1, "nms_iou": 0.5, "per_level": 100, "per_picture": 10, "class_agnostic_nms": False,
        }  # fmt: skip
        decode(**changed(rng, arguments, 0.1), thresholds=Thresholds(**changed(rng, limits, 0.1)))

    def preprocess(self, rng):
        from nanodet.runtime.preprocess import preprocess

        arguments = {
            "picture": self.picture, "fit": "letterbox", "input_size": (160, 96), "mean": (0, 0, 0),
            "std": (1, 1, 1), "colour_order": "bgr",
        }  # fmt: skip
        preprocess(**changed(rng, arguments, 0.1))

    def evaluate_detections(self, rng):
        from nanodet.data.records import Annotations, Picture
        from nanodet.evaluate.coco_metrics import evaluate_detections

        boxes = np.array([[1, 2, 30, 40]], np.float32)
        picture = Picture(self.folder / "a.png", 1, 64, 48, boxes, np.array([0]), np.array([1e3]))
        annotations = Annotations(("a",), (1,), [picture])
        found = self.Detections([[1, 2, 30, 40]], [0.5], [0], ("a",))
        evaluate_detections(**changed(rng, {"annotations": annotations, "detections": {1: found}}))


def main(folder):
    # what runs away is an error here and no burden to others
    resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    calls = Calls(Path(folder))
    names = [name for name in vars(Calls) if not name.startswith("_") and name != "draw_them"]
    for line in sys.stdin:
        rng = random.Random(int(line))
        name = rng.choice(names)
        try:
            getattr(calls, name)(rng)
            outcome = "fine"
        except Exception as error:
            outcome = f"{type(error).__name__}: {str(error)[:200]!a}"
        print(json.dumps([name, outcome]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
