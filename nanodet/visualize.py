"""Pictures of the distributions that a model predicts for the edges of its boxes.

from nanodet.visualize import edge_distributions, plot_distributions
plot_distributions(picture, edge_distributions(Detector("exported/my.param"), picture), "out.png")
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nanodet.drawing.lettering import plot_label, readable_names
from nanodet.errors import NanodetError
from nanodet.evaluate.plots import new_figure, save_figure
from nanodet.files import StrPath
from nanodet.runtime.box_codes import DISTRIBUTIONS, probabilities
from nanodet.runtime.decode import points_of
from nanodet.runtime.detections import Detections
from nanodet.runtime.detector import Detector
from nanodet.runtime.fit import Placement
from nanodet.runtime.outputs import points_in
from nanodet.runtime.spec import Output, Spec

if TYPE_CHECKING:  # matplotlib is optional
    from matplotlib.axes import Axes

MOST = 4  # boxes in a picture
MARGIN = 0.35  # of the box's sides, shown around it
BOX, TRUTH = "#2ca02c", "white"  # as in the paper's figures
LOW, HIGH = "#1f77b4", "#d95f02"  # left and top, right and bottom


class EdgeDistributions(NamedTuple):
    """The distributions of the edges of detected boxes.

    Attributes:
        found: the `Detections`, best first.
        probabilities: float32 (N, 4, bins) of left, top, right and bottom; each edge's sum to 1.
        positions: float32 (N, 4, bins), where each bin lies along the edge's axis, in pixels of the
            image; may be outside of it.
    """

    found: Detections
    probabilities: np.ndarray
    positions: np.ndarray


def edge_distributions(detector: Detector, picture: np.ndarray) -> EdgeDistributions:
    """Detect objects, and return the distributions of their edges too (paper Fig. 3a).

    Args:
        detector: a model that outputs distributions.
        picture: uint8 (H, W, 3) BGR.

    Raises:
        NanodetError: the model outputs boxes, or its edges have another form.
    """
    check_distributions(detector.spec, detector.backend.path, "distributions")
    tensor, placement = detector.preprocess(picture)
    output = detector.run(tensor)
    found = detector.decode(output, placement, picture.shape)
    return distributions_of(output, found, detector.spec, placement)


def distributions_of(
    output: Output, found: Detections, spec: Spec, placement: Placement
) -> EdgeDistributions:
    """Return the distributions of decoded boxes.

    Args:
        output: of the network, see `nanodet.runtime.detector.Detector.run`.
        found: what was decoded from it, with ``point``.
        spec: of the model.
        placement: of the image.
    """
    assert found.point is not None, "these detections have no point"
    sizes = tuple(spec.level_sizes(placement.canvas))
    x, y, unit, _ = points_of(sizes, tuple(spec.strides), spec.point_offset)
    point, bins = found.point, spec.bins
    shares = probabilities(points_in(output, len(spec.class_names)).edges(point))
    offsets = unit[point, None, None] * bins.values() * np.array([-1, -1, 1, 1])[:, None]
    centre = np.stack([x[point], y[point]] * 2, axis=1)[..., None]
    ratio, shift = (np.array(2 * pair)[:, None] for pair in (placement.ratio, placement.shift))
    positions = (centre + offsets - shift) / ratio
    return EdgeDistributions(found, shares, positions.astype(np.float32))


def check_distributions(spec: Spec, file: object, key: str) -> None:
    """Raise `NanodetError` unless a model outputs distributions over bins.

    Args:
        file: names the model in messages; key: what needs them.
    """
    spec.check_uncertainty(file, key)
    if spec.form != DISTRIBUTIONS:
        raise NanodetError(
            f"{file}: {key}: its edges ({spec.form}) are not distributions over bins"
        )


def plot_distributions(
    picture: np.ndarray,
    edges: EdgeDistributions,
    path: StrPath,
    truth: np.ndarray | None = None,
    most: int = MOST,
) -> None:
    """Draw boxes with the four distributions beside each, at the positions that they stand for.

    Above the image are the distributions of the left (blue) and right (orange) edge, at its right side
    those of the top (blue) and bottom (orange) edge: sharp where the edge is clear, flat where it is
    not (paper Figs. 3, 11 and 12). Lines mark one standard deviation at both sides of an edge.

    Args:
        picture: uint8 (H, W, 3) BGR.
        edges: of `edge_distributions` for this image.
        path: the PNG to write.
        truth: (M, 4) annotated boxes in pixels of the image, drawn in white; None without.
        most: the best boxes are drawn, up to this number, 1 or more.

    Raises:
        NanodetError: matplotlib is missing, or the file cannot be written.
    """
    count = max(1, min(most, len(edges.found)))
    columns = min(2, count)
    rows = -(-count // columns)
    figure, whole = new_figure(4.2 * columns, 4.2 * rows)
    whole.set_axis_off()
    if not len(edges.found):
        whole.imshow(picture[..., ::-1])
        whole.set_title("nothing found")
    for index in range(min(count, len(edges.found))):
        row, column = divmod(index, columns)
        # each cell: the image, a panel above it and one at its right side
        left, bottom = column / columns, 1 - (row + 1) / rows
        width, height = 1 / columns, 1 / rows
        places = [
            (left + 0.06 * width, bottom + 0.05 * height, 0.66 * width, 0.66 * height),
            (left + 0.06 * width, bottom + 0.73 * height, 0.66 * width, 0.18 * height),
            (left + 0.74 * width, bottom + 0.05 * height, 0.18 * width, 0.66 * height),
        ]
        _plot_box(*(figure.add_axes(place) for place in places), picture, edges, index, truth)
    save_figure(figure, path)


def _plot_box(
    image: "Axes",
    above: "Axes",
    beside: "Axes",
    picture: np.ndarray,
    edges: EdgeDistributions,
    index: int,
    truth: np.ndarray | None,
) -> None:
    """Draw one box into three axes: the image, the panel above it and the one at its right side."""
    found = edges.found
    box = found.xyxy[index].astype(float)
    centre, side = (box[:2] + box[2:]) / 2, max(*(box[2:] - box[:2]), 8.0)
    low, high = centre - side * (0.5 + MARGIN), centre + side * (0.5 + MARGIN)
    height, width = picture.shape[:2]
    image.imshow(picture[..., ::-1], extent=(0, width, height, 0), interpolation="nearest")
    for one, colour in (*((t, TRUTH) for t in ([] if truth is None else truth)), (box, BOX)):
        x0, y0, x1, y1 = one
        image.plot([x0, x1, x1, x0, x0], [y0, y0, y1, y1, y0], color=colour, linewidth=1.8)
    image.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]), facecolor="0.9")
    for edge, colour in enumerate((LOW, LOW, HIGH, HIGH)):
        positions, parts = edges.positions[index, edge], edges.probabilities[index, edge]
        thick = 0.8 * abs(float(positions[1] - positions[0]))
        std = 0.0 if found.edge_std is None else float(found.edge_std[index, edge])
        along_x = edge % 2 == 0
        axes, bar, line = (
            (above, above.bar, above.axvline) if along_x else (beside, beside.barh, beside.axhline)
        )
        bar(positions, parts, thick, color=colour, alpha=0.55)
        for at, style in ((box[edge], "-"), (box[edge] - std, ":"), (box[edge] + std, ":")):
            line(at, color=colour, linestyle=style, linewidth=1)
        mark = image.axvline if along_x else image.axhline
        mark(box[edge], color=colour, linewidth=0.6, alpha=0.6)
        axes.tick_params(labelsize=6)
    image.tick_params(labelsize=6)
    above.set(xlim=(low[0], high[0]), ylim=(0, 1), xticks=[], yticks=[0.5, 1])
    beside.set(ylim=(high[1], low[1]), xlim=(0, 1), yticks=[], xticks=[0.5, 1])
    names, class_id = readable_names(tuple(found.class_names)), int(found.class_id[index])
    name = plot_label(names[class_id]) if class_id < len(names) else str(class_id)
    above.set_title(f"{name} {found.confidence[index]:.2f}", fontsize=8)
