"""``python tools/api_reference.py``: writes docs/api.md from the docstrings."""

import argparse
import dataclasses
import importlib
import inspect
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from nanodet.files.files import write_text

PAGE = ROOT / "docs" / "api.md"
# heading: what belongs to it, as module:name
PUBLIC = {
    "Detect": (
        "nanodet:Detector",
        "nanodet:Detections",
        "nanodet:NanodetError",
        "nanodet.images.image_file:read_picture",
        "nanodet.drawing.draw:draw",
        "nanodet.visualize:edge_distributions",
        "nanodet.visualize:plot_distributions",
        "nanodet.detect.sources:open_source",
    ),
    "Train": (
        "nanodet.config:load_config",
        "nanodet.train.trainer:train",
    ),
    "Annotations and evaluation": (
        "nanodet.data.read:read_annotations",
        "nanodet.data.records:Annotations",
        "nanodet.data.records:Picture",
        "nanodet.evaluate.evaluate:evaluate",
        "nanodet.evaluate.coco_metrics:evaluate_detections",
        "nanodet.evaluate.intervals:intervals_of",
        "nanodet.evaluate.intervals:change_of",
    ),
    "Export and what follows": (
        "nanodet.export.export:export",
        "nanodet.verify.verify:verify",
        "nanodet.quantize.quantize:quantize",
        "nanodet.bench.bench:bench",
        "nanodet.export.import_model:import_model",
        "nanodet.runtime.spec:Spec",
    ),
}
START = """\
# Python API

<!-- written by tools/api_reference.py from the docstrings; edit those -->

```python
import cv2
from nanodet import Detector

detector = Detector("nanodet-m_320")  # or your .param, .onnx or .ckpt
detections = detector(cv2.imread("street.jpg"))
for box, score, class_id in zip(detections.xyxy, detections.confidence, detections.class_id):
    print(detections.name_of(class_id), score, box)
certain = detections[detections.confidence > 0.6]  # filtered like an array
```

What each command does is also one function:

```python
from nanodet.config import load_config
from nanodet.evaluate.evaluate import evaluate
from nanodet.export.export import export
from nanodet.train.trainer import train

train(load_config("my.yml", ["schedule.total_epochs=30"]), "my.yml")
export("workspace/my/model_best/model_best.ckpt", "exported")
print(evaluate("exported/my.param", "images", "val.json").AP)
```

Everything a user can fix is a `NanodetError`, whose message is one line. Detecting, evaluating,
`quantize` and `bench` on
exported models need no torch.
"""


def page() -> str:
    """Return the text of docs/api.md."""
    parts = [START]
    for heading, names in PUBLIC.items():
        parts.append(f"## {heading}\n")
        parts += [_entry(*name.split(":")) for name in names]
    return "\n".join(parts)


def _entry(module, name):
    thing = getattr(importlib.import_module(module), name)
    call = name
    if not (inspect.isclass(thing) and issubclass(thing, Exception)):
        call += _signature(thing)
    lines = [f"### {name}", "", "```python", f"from {module} import {name}", "", call, "```", ""]
    lines.append(markdown(inspect.getdoc(thing)))
    if inspect.isclass(thing) and not dataclasses.is_dataclass(thing):
        for method, function in vars(thing).items():
            public = not method.startswith("_") or method == "__call__"
            if public and inspect.isfunction(function) and function.__doc__:
                shown = "" if method == "__call__" else f".{method}"
                lines += [f"**`{name.lower()}{shown}{_signature(function, True)}`**", ""]
                lines.append(markdown(inspect.getdoc(function)))
    return "\n".join(lines)


def _signature(thing, method=False):
    signature = inspect.signature(thing)
    parameters = list(signature.parameters.values())[method:]
    # an object as default has an address in its text, and none of the hints that matters fits a line
    parameters = [
        p.replace(annotation=p.empty, default=... if " at 0x" in repr(p.default) else p.default)
        for p in parameters
    ]
    text = signature.replace(parameters=parameters, return_annotation=signature.empty)
    return re.sub(r"<factory>|<[\w.]+: ([^>]+)>", r"\1", str(text)).replace("Ellipsis", "...")


def markdown(docstring: str) -> str:
    """Return a docstring of this project as Markdown: sections as headings, their items as a list."""
    lines, section = [], None
    for line in docstring.splitlines():
        line = re.sub(r"``(.+?)``", r"`\1`", line)
        head = re.fullmatch(r"(Args|Attributes|Returns|Raises|Example):", line)
        if head:
            section = head[1]
            lines += [f"*{section}*", ""] + (["```python"] if section == "Example" else [])
            continue
        if not section or not line.strip():
            lines.append(line)
            continue
        if section == "Example":
            lines.append(line.strip())
            continue
        item = re.fullmatch(r"    ([\w.,*][\w.,* ]*): (.+)", line)
        if item and section != "Returns":
            names = ", ".join(f"`{name.strip()}`" for name in item[1].split(","))
            lines.append(f"- {names}: {item[2]}")
        else:
            lines.append(
                ("  " if section in ("Args", "Attributes", "Raises") else "") + line.strip()
            )
    if section == "Example":
        lines.append("```")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    argparse.ArgumentParser(description="Writes docs/api.md from the docstrings.").parse_args()
    write_text(PAGE, page())
