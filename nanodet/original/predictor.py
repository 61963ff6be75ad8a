"""The original NanoDet's `Predictor`, which programs around it are written to, over `Detector`."""

import copy
import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nanodet import Detector, NanodetError
from nanodet.config import Config, config_from_dict
from nanodet.detect.window import Window, check_display
from nanodet.drawing.draw import draw
from nanodet.files import StrPath
from nanodet.images.image_file import read_picture
from nanodet.runtime.detections import Detections
from nanodet.runtime.thresholds import Thresholds
from nanodet.text.printable import say

LOWEST = 0.05  # score from which `inference` lists boxes, as in the original


class Predictor:
    """Finds objects in images.

    The model may also come first, and alone where it carries its config: ``Predictor("m.param")``,
    ``Predictor("m.ckpt", "config.yml")``.

    Args:
        cfg: path of a config file, a `Config`, or its mapping; an exported model, and a checkpoint
            written here, needs none.
        model_path: ``.ckpt``, ``.pth``, ``.onnx`` or ``.param`` file, or a published name.
        logger: anything with a method ``log``, which gets lines for the user; None prints them.
        device: torch's name of the device that runs a checkpoint, such as ``cuda:0``; where that
            cannot be used, the CPU does, with a line. None: the CPU.
        config_path: another name of ``cfg``.
        options: further arguments of `nanodet.runtime.detector.Detector`, such as ``score``.

    Raises:
        NanodetError: the model cannot be read.
    """

    def __init__(
        self,
        cfg: Any | None = None,
        model_path: StrPath | None = None,
        logger: Any | None = None,
        device: Any | None = None,
        *,
        config_path: StrPath | None = None,
        **options: Any,
    ) -> None:
        if cfg is not None and not _is_config(cfg):
            cfg, model_path = model_path, cfg
        cfg = config_path if cfg is None else cfg
        if model_path is None:
            raise NanodetError("Predictor: model_path: which model?")
        if isinstance(cfg, Mapping):
            cfg = config_from_dict(_plain(cfg), "cfg")
        self.detector = Detector(model_path, config=cfg, **options)
        self.cfg, self.logger = self.detector.config or cfg, logger
        self._lowest = copy.copy(self.detector)
        if "score" not in options:
            self._lowest.thresholds = Thresholds.of(self.detector.thresholds, score=LOWEST)
        self.device = self._move(str(device or "cpu"))

    def predict(self, picture: StrPath | np.ndarray) -> Detections:
        """Return the `Detections` of an image: a path, or uint8 (H, W, 3) BGR."""
        return self.detector(_read(picture))

    def inference(
        self, img: StrPath | np.ndarray
    ) -> tuple[dict[str, Any], dict[int, dict[int, list[list[float]]]]]:
        """Find objects in an image: a path, or uint8 (H, W, 3) BGR.

        Returns:
            ``meta``: a mapping with ``img_info`` (lists of one ``id``, ``file_name``, ``height``
            and ``width``), ``raw_img`` (a list of the image) and ``img``, the network's input,
            float32 (1, 3, H, W); and ``results``: ``{0: {class_id: [[left, top, right, bottom,
            score], ...]}}`` in pixels of the image, every class, best first.
        """
        picture = _read(img)
        tensor, placement = self._lowest.preprocess(picture)
        found = self._lowest.decode(self._lowest.run(tensor), placement, picture.shape)
        rows = np.column_stack((found.xyxy, found.confidence)).astype(float)
        by_class = {
            class_id: rows[found.class_id == class_id].tolist()
            for class_id in range(len(self.detector.class_names))
        }
        name = None if isinstance(img, np.ndarray) else Path(img).name
        height, width = picture.shape[:2]
        info = {"id": [0], "file_name": [name], "height": [height], "width": [width]}
        return {"img_info": info, "raw_img": [picture], "img": tensor}, {0: by_class}

    def visualize(
        self,
        dets: Mapping[int, Sequence[Sequence[float]]],
        meta: Mapping[str, Any],
        class_names: Sequence[str],
        score_thres: float,
        wait: float = 0,
    ) -> np.ndarray:
        """Show one image's ``results`` in a window, where there is a display, and return it drawn.

        Args:
            dets: ``results[0]`` of `inference`.
            meta: of `inference`.
            class_names: what class ids count through.
            score_thres: boxes must score above it.
            wait: milliseconds to wait for a key; 0 does not wait, as the callers of the original
                do that.

        Returns:
            uint8 (H, W, 3) BGR.
        """
        listed = [(*row, class_id) for class_id, found in dets.items() for row in found]
        rows = np.array(listed, np.float32).reshape(-1, 6)
        rows = rows[rows[:, 4] > score_thres]
        rows = rows[np.argsort(-rows[:, 4], kind="stable")]
        chosen = Detections.from_rows(rows, tuple(class_names))
        drawn = draw(meta["raw_img"][0], chosen)
        if self._window is not None:
            self._window.show(drawn, wait / 1000)
        return drawn

    @functools.cached_property
    def _window(self) -> Window | None:
        """The window that images are shown in; None without a display."""
        try:
            check_display("what visualize returns")
        except NanodetError as error:
            self._log(str(error))
            return None
        return Window("nanodet")

    def _move(self, device: Any) -> str:
        """Bring a checkpoint's network to a device; return the name of the one that has it."""
        if device == "cpu":
            return device
        network = getattr(self.detector.backend, "network", None)
        if network is None:
            self._log(f"device {device}: runs checkpoints alone; the CPU runs this model")
            return "cpu"
        import torch

        try:
            place = torch.device(device)
        except RuntimeError:
            raise NanodetError(f"Predictor: device: {device!r} is none of torch's") from None
        try:
            network.to(place)
        except (RuntimeError, AssertionError) as error:  # torch raises either where there is none
            network.to("cpu")
            why = str(error).splitlines()[0]
            self._log(f"device {device}: cannot be used ({why}); the CPU runs this model")
            return "cpu"
        return device

    def _log(self, line: str) -> None:
        say(line) if self.logger is None else self.logger.log(line)


def _is_config(value: object) -> bool:
    if isinstance(value, (Config, Mapping)):
        return True
    return isinstance(value, (str, Path)) and Path(value).suffix.lower() in (".yml", ".yaml")


def _plain(value: object) -> Any:
    """Return nested mappings and sequences of any class as dicts and lists."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value


def _read(picture: StrPath | np.ndarray) -> np.ndarray:
    return read_picture(picture) if isinstance(picture, (str, os.PathLike)) else picture
