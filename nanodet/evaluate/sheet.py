"""Contact sheets: many images on one, with detections and ground truth."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from nanodet.data.picture import load_picture
from nanodet.data.records import Annotations, Picture
from nanodet.drawing.draw import draw
from nanodet.drawing.lettering import put_text, text_width
from nanodet.runtime.detections import Detections
from nanodet.runtime.thresholds import Thresholds

BACKGROUND = (32, 32, 32)
GAP = 4


def contact_sheet(
    pictures: Sequence[np.ndarray], columns: int = 4, cell: tuple[int, int] = (400, 300)
) -> np.ndarray:
    """Put images into the cells of a table.

    Args:
        pictures: list of uint8 (H, W, 3) BGR of any size.
        columns: cells in a row.
        cell: (width, height) of a cell in pixels; images are scaled to fit and centred.

    Returns:
        uint8 (H, W, 3) BGR; one empty cell for an empty list.
    """
    columns = max(1, min(columns, len(pictures)))
    rows = max(1, -(-len(pictures) // columns))
    width, height = cell
    sheet = np.empty((rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, 3), np.uint8)
    sheet[:] = BACKGROUND
    for i, picture in enumerate(pictures):
        small, _ = fit_cell(picture, cell)
        h, w = small.shape[:2]
        x = GAP + i % columns * (width + GAP) + (width - w) // 2
        y = GAP + i // columns * (height + GAP) + (height - h) // 2
        sheet[y : y + h, x : x + w] = small
    return sheet


def validation_sheet(
    annotations: Annotations,
    detections: Sequence[Detections],
    read: Callable[[Picture], np.ndarray] = load_picture,
    count: int = 12,
    score: float = Thresholds.score,
    columns: int = 3,
    cell: tuple[int, int] = (480, 360),
) -> np.ndarray:
    """Show annotated boxes (dashed) and detections (solid, labelled) of some images.

    Args:
        annotations: an `nanodet.data.records.Annotations`.
        detections: a `Detections` for each of its images, in their order.
        read: a function from an image's record to uint8 (H, W, 3) BGR.
        count: how many images, spread evenly over the data set.
        score: detections must score above it.
        columns, cell: as in `contact_sheet`.

    Returns:
        uint8 (H, W, 3) BGR, with a legend below.
    """
    total = len(annotations.pictures)
    chosen = np.unique(np.linspace(0, total - 1, min(count, total)).round().astype(int))
    cells = []
    for i in chosen:
        record, found = annotations.pictures[i], detections[i]
        picture, ratio = fit_cell(read(record), cell)
        truth = Detections(
            record.boxes * ratio, np.ones(len(record.boxes)), record.labels, annotations.class_names
        )
        found = found[found.confidence > score]
        found = Detections(
            found.xyxy * ratio, found.confidence, found.class_id, annotations.class_names
        )
        # dashes over the boxes, or a good detection would hide them, but under the labels
        boxes = draw(picture, found, labels=False)
        boxes = draw(boxes, truth, style="dashed", labels=False)
        cells.append(draw(boxes, found, style="none"))
    sheet = contact_sheet(cells, columns, cell)
    return np.vstack([sheet, _legend(sheet.shape[1], score)])


def fit_cell(picture: np.ndarray, cell: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the image scaled into (width, height), and what its boxes (x, y, x, y) scale by."""
    height, width = picture.shape[:2]
    scale = min(cell[0] / width, cell[1] / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(picture, size, interpolation=how)
    return small, np.tile([size[0] / width, size[1] / height], 2)


def _legend(width: int, score: float) -> np.ndarray:
    text = f"dashed: annotation    solid: detection with score above {score:g}"
    bar = np.full((26, width, 3), BACKGROUND, np.uint8)
    letters = next((n for n in range(15, 4, -1) if text_width(text, n) + 16 <= width), 4)
    put_text(bar, text, (8, 17), (230, 230, 230), letters)
    return bar
