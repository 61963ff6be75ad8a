"""Reader of the CSV files of TensorFlow's tutorials, which Roboflow writes too: one line per object."""

from nanodet.data.formats.csv_table import has_columns, table
from nanodet.data.formats.entries import Entry, LabelledObject, annotations_of
from nanodet.data.formats.format import Format, Request
from nanodet.data.formats.values import image_name, number, side
from nanodet.data.records import Annotations
from nanodet.errors import NanodetError
from nanodet.text.brief import brief_text

COLUMNS = ("filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax")


def read_csv(request: Request) -> Annotations:
    """Read a CSV file with the columns `COLUMNS`, corners in pixels."""
    ann_path = request.ann_path
    entries: dict[str, Entry] = {}
    objects: dict[str, list[LabelledObject]] = {}
    for line, row in table(ann_path, COLUMNS, request.reading):
        with request.reading.tolerating():
            _add(row, f"{ann_path}: line {line}", entries, objects)
    if not entries:
        raise NanodetError(f"{ann_path}: has no images")
    return annotations_of(list(entries.values()), request)


def _add(
    row: dict[str, str],
    where: str,
    entries: dict[str, Entry],
    objects: dict[str, list[LabelledObject]],
) -> None:
    """Add a line of the file to the images and their objects, both by the name of the image."""
    name = image_name(row["filename"].strip(), "filename", where)
    label = row["class"].strip()
    size = side(row, "width", where), side(row, "height", where)
    entry = entries.setdefault(name, Entry(name, size, objects.setdefault(name, [])))
    if entry.size != size:
        what = f"width {size[0]} and height {size[1]} are not those of before"
        raise NanodetError(f"{where}: {what}")
    if not label and not row["xmin"].strip():
        return  # an image without objects
    if not label:
        raise NanodetError(f"{where}: has no 'class'")
    x1, y1, x2, y2 = (number(row, key, where) for key in COLUMNS[4:])
    objects[name].append(LabelledObject(label, (x1, y1, x2, y2), f"{where} ({brief_text(label)})"))


FORMAT = Format(
    read_csv,
    ("csv", "tensorflow"),
    (".csv",),
    lambda head: has_columns(head, COLUMNS),
    folder=False,
)
