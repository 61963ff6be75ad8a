"""The result type: the boxes found in an image."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nanodet.text.printable import json_text


@dataclass
class Detections:
    """Boxes found in one image, best first.

    Field names are those of the ``supervision`` library, so that results pass to it as
    ``sv.Detections(d.xyxy, confidence=d.confidence, class_id=d.class_id)``.

    Attributes:
        xyxy: float32 (N, 4), left, top, right, bottom in pixels of the original image.
        confidence: float32 (N,), 0..1.
        class_id: int64 (N,), index into ``class_names``.
        class_names: name of each class; empty if unknown.
        edge_std: float32 (N, 4), standard deviation of left, top, right and bottom in pixels of the
            original image, from the distribution of each edge; None if the model does not give it.
        level: int64 (N,), index of the level (``Spec.strides``) that each box was found at, or None.
        point: int64 (N,), the row of the network's output that each box was decoded from, or None.
    """

    xyxy: np.ndarray
    confidence: np.ndarray
    class_id: np.ndarray
    class_names: Sequence[str] = field(default=(), repr=False)
    edge_std: np.ndarray | None = field(default=None, repr=False)
    level: np.ndarray | None = field(default=None, repr=False)
    point: np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.xyxy = np.asarray(self.xyxy, np.float32).reshape(-1, 4)
        self.confidence = np.asarray(self.confidence, np.float32).reshape(-1)
        self.class_id = np.asarray(self.class_id, np.int64).reshape(-1)
        lengths = {
            "xyxy": len(self.xyxy), "confidence": len(self.confidence), "class_id": len(self.class_id),
        }  # fmt: skip
        if self.edge_std is not None:
            self.edge_std = np.asarray(self.edge_std, np.float32).reshape(-1, 4)
            lengths["edge_std"] = len(self.edge_std)
        if self.level is not None:
            self.level = np.asarray(self.level, np.int64).reshape(-1)
            lengths["level"] = len(self.level)
        if self.point is not None:
            self.point = np.asarray(self.point, np.int64).reshape(-1)
            lengths["point"] = len(self.point)
        if len(set(lengths.values())) > 1:
            words = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise ValueError(f"lengths differ: {words}")

    @classmethod
    def empty(cls, class_names: Sequence[str] = ()) -> "Detections":
        return cls(np.zeros((0, 4)), np.zeros(0), np.zeros(0), class_names)

    @classmethod
    def from_rows(cls, rows: np.ndarray, class_names: Sequence[str] = ()) -> "Detections":
        """Create detections from rows (N, 6): left, top, right, bottom, confidence, class."""
        return cls(rows[:, :4], rows[:, 4], rows[:, 5], class_names)

    def __len__(self) -> int:
        return len(self.confidence)

    def __getitem__(self, index: Any) -> "Detections":
        """Filter with a boolean mask, a slice, an index array or one index."""
        if isinstance(index, (int, np.integer)):
            index = [index]
        more = (self.edge_std, self.level, self.point)
        return Detections(
            self.xyxy[index],
            self.confidence[index],
            self.class_id[index],
            self.class_names,
            *(None if values is None else values[index] for values in more),
        )

    def name_of(self, class_id: int) -> str:
        """Return the class name of ``class_id``, or its number if names are unknown."""
        class_id = int(class_id)
        return self.class_names[class_id] if class_id < len(self.class_names) else str(class_id)

    def to_json(
        self,
        source: object,
        width: int,
        height: int,
        frame: int | None = None,
        time_s: float | None = None,
        uncertainty: bool = False,
    ) -> str:
        """Return one line of JSON for an image (or a frame of a video).

        Args:
            source: the file, camera or stream that the image came from.
            width, height: size of the original image in pixels.
            frame: number of the frame from 0, ``None`` for an image.
            time_s: seconds from the start of the video, ``None`` for an image.
            uncertainty: whether each detection has its ``edge_std``.

        Raises:
            ValueError: ``uncertainty`` without ``edge_std``.
        """
        found: list[dict[str, Any]] = [
            {
                "class_id": int(class_id),
                "class_name": self.name_of(class_id),
                "confidence": round(float(confidence), 5),
                "xyxy": [round(float(v), 2) for v in box],
            }
            for box, confidence, class_id in zip(
                self.xyxy, self.confidence, self.class_id, strict=True
            )
        ]
        if uncertainty:
            if self.edge_std is None:
                raise ValueError("these detections have no edge_std")
            for one, stds in zip(found, self.edge_std, strict=True):
                one["edge_std"] = [round(float(v), 2) for v in stds]
        record = {"source": str(source), "frame": frame, "time_s": time_s}
        return json_text(record | {"width": int(width), "height": int(height), "detections": found})
