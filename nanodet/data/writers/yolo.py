"""Writer of YOLO's folders."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from nanodet.data.records import Picture
from nanodet.data.writers.writer import Part
from nanodet.files.files import make_folder, write_text

DIGITS = 12  # after the point: 1e-8 pixels in the largest images


def write_yolo(out: Path, parts: Sequence[Part]) -> list[str]:
    """Write ``labels/<set>`` with a file for each image, ``<set>.txt`` with their names, and data.yaml."""
    lines = []
    for part in parts:
        texts: dict[Path, str] = {}
        for picture, file in zip(part.annotations.pictures, part.files, strict=True):
            name = Path("labels", part.name, file).with_suffix(".txt")
            texts[name] = texts.get(name, "") + label_text(picture)
        for name, text in texts.items():
            make_folder((out / name).parent)
            write_text(out / name, text)
        names = [(part.folder / file).as_posix() for file in dict.fromkeys(part.files)]
        write_text(out / f"{part.name or 'images'}.txt", "".join(f"{name}\n" for name in names))
        lines += _losses(part)
    content = {part.name or "train": part.folder.as_posix() for part in parts}
    classes = list(parts[0].annotations.class_names)
    text = yaml.safe_dump({**content, "names": classes}, allow_unicode=True, sort_keys=False)
    write_text(out / "data.yaml", text)
    return lines


def label_text(picture: Picture) -> str:
    """Return the lines ``class cx cy width height`` of an image, in parts of its width and height."""
    lines = []
    for box, label in zip(picture.boxes.tolist(), picture.labels.tolist(), strict=True):
        x1, y1, x2, y2 = box
        width, height = picture.width, picture.height
        values = (
            (x1 + x2) / 2 / width,
            (y1 + y2) / 2 / height,
            (x2 - x1) / width,
            (y2 - y1) / height,
        )
        words = [f"{value:.{DIGITS}f}".rstrip("0").rstrip(".") for value in values]
        lines.append(" ".join((str(label), *words)) + "\n")
    return "".join(lines)


def _losses(part: Part) -> list[str]:
    """Return a line about what the format cannot hold, if anything."""
    ignored = sum(len(picture.ignored) for picture in part.annotations.pictures)
    where = part.name or "images"
    line = f"{where}: {ignored} ignored regions are left out: YOLO's format has none"
    return [line] if ignored else []
