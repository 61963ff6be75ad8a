"""The sections of a config file below ``data``."""

from dataclasses import dataclass
from typing import Any

from nanodet.config.keys import MUCH, REQUIRED, Range, key, unread
from nanodet.runtime.fit import FITS

# keys of `Dataset` for doubtful data, and their values
DATASET_CHOICES = {
    "unknown_classes": ("error", "skip"),
    "missing_images": ("error", "skip"),
    "orientation": ("auto", "turned", "stored"),
    "yolo_labels": ("auto", "boxes", "polygons"),
    "box": ("full", "visible", "head"),
}
# steps of `Pipeline` that `off_epochs` switches off: probabilities
OFF_AT_THE_END = ("mosaic", "mixup", "copy_paste", "crop", "cutout", "blur", "grey", "jpeg")


@dataclass
class Pipeline:
    """Augmentation; a value of None omits the step."""

    perspective: float = key(0.0, "tilt, up to this in 1/pixel", 0, MUCH)
    scale: Range | None = key(None, "`[low, high]`: factor of the size")
    stretch: list[Range] | None = key(
        None, "`[[low, high], [low, high]]`: factors of width and height"
    )
    rotation: float = key(0.0, "degrees to both sides", 0, MUCH)
    shear: float = key(0.0, "degrees to both sides", 0, MUCH)
    translate: float = key(0.0, "shift, up to this fraction of width and height", 0, MUCH)
    flip: float = key(0.0, "probability of a left-right flip", 0, 1)
    brightness: float | None = key(None, "change, up to this fraction of the full range", 0, MUCH)
    contrast: Range | None = key(None, "`[low, high]`: factor")
    saturation: Range | None = key(None, "`[low, high]`: factor")
    mosaic: float = key(0.0, "probability of four images in one", 0, 1, ours=True)
    mosaic_scale: Range = key(
        lambda: [0.5, 1.0], "`[low, high]`: factor of the size of the images of a mosaic, besides `scale`",
        ours=True,
    )  # fmt: skip
    mixup: float = key(
        0.0, "probability of a blend with another image; the boxes of both count", 0, 1, ours=True
    )
    copy_paste: float = key(
        0.0,
        "probability that 1 to 3 objects of this or another image are pasted into it",
        0,
        1,
        ours=True,
    )
    crop: float = key(
        0.0, "probability of a random part of the image, with at least one of its boxes; not in a mosaic",
        0, 1, ours=True,
    )  # fmt: skip
    crop_size: Range = key(
        lambda: [0.4, 1.0],
        "`[low, high]`: sides of such a part, as a share of the image's",
        ours=True,
    )
    crop_visible: float = key(
        0.6,
        "share of that box, at least, which stays inside; below it the part is larger",
        0,
        1,
        ours=True,
    )
    cutout: float = key(
        0.0,
        "probability of 1 to 4 rectangles of one colour; boxes of which they hide 60 % or more are ignored",
        0, 1, ours=True,
    )  # fmt: skip
    blur: float = key(0.0, "probability of a slight blur", 0, 1, ours=True)
    grey: float = key(0.0, "probability of an image in grey", 0, 1, ours=True)
    jpeg: float = key(0.0, "probability of the noise of a JPEG of low quality", 0, 1, ours=True)
    off_epochs: int = key(
        0,
        "epochs at the end of the training without "
        f"{', '.join(f'`{name}`' for name in OFF_AT_THE_END)}; the other steps stay",
        0, MUCH, ours=True,
    )  # fmt: skip
    normalize: list[Range] = key(
        lambda: [[103.53, 116.28, 123.675], [57.375, 57.12, 58.395]],
        "`[mean, std]` of blue, green and red in grey levels; the same in training and validation",
    )


@dataclass
class Dataset:
    name: str = key(
        REQUIRED,
        "the format: a name or short name of [formats](formats.md), such as `CocoDataset` or `coco`",
    )
    img_path: str = key(REQUIRED, "folder of the images")
    ann_path: str = key(
        REQUIRED, "the file of annotations, or the folder of files of the images, by the format"
    )
    list_path: str | None = key(
        None, "text file of the image names to use, one per line", ours=True
    )
    class_names: list[str] | None = key(None, "the classes of this set; default: `class_names`")
    unknown_classes: str | None = key(
        None,
        "objects of classes that are not in `class_names`: error, or skip (counted in the log); default: "
        "error, for Pascal VOC skip",
        known=DATASET_CHOICES["unknown_classes"], ours=True,
    )  # fmt: skip
    missing_images: str = key(
        "error", "annotated images that do not exist: error, or skip (counted in the log)",
        known=DATASET_CHOICES["missing_images"], ours=True,
    )  # fmt: skip
    orientation: str = key(
        "auto",
        "how images with an EXIF rotation were labelled: turned, as viewers show them, or stored; auto: "
        "detected from the annotated sizes, or an error if they do not show it",
        known=DATASET_CHOICES["orientation"], ours=True,
    )  # fmt: skip
    yolo_labels: str = key(
        "auto",
        "meaning of lines with more than five values in YOLO files: boxes, followed by keypoints or a "
        "confidence, or polygons; auto: detected from all lines and `kpt_shape` in data.yaml, an error "
        "if they do not show it",
        known=DATASET_CHOICES["yolo_labels"], ours=True,
    )  # fmt: skip
    box: str = key(
        "full",
        "which box of a person in an .odgt file: full, also where it is hidden; visible; or head",
        known=DATASET_CHOICES["box"], ours=True,
    )  # fmt: skip
    input_size: list[int] = key(REQUIRED, "`[width, height]` of the network's input", 1, 65536)
    keep_ratio: bool | None = key(
        None,
        "true (the default): keep the aspect ratio of images (`fit` own); false: stretch them",
    )
    fit: str | None = key(
        None,
        "how an image is fitted into the input, see [spec](spec.md); by default it follows from "
        "`keep_ratio`",
        known=FITS, ours=True,
    )  # fmt: skip
    multi_scale: Range | None = key(
        None, "`[low, high]`: a factor of the input size for each batch; training only"
    )
    cache: bool = key(False, "keep decoded images in memory", ours=True)
    pipeline: Pipeline = key(Pipeline, "augmentation (training only) and normalisation")
    use_instance_mask: bool | None = key(None, "masks are not trained", known=(False,))
    use_seg_mask: bool | None = key(None, "masks are not trained", known=(False,))
    use_keypoint: bool | None = key(None, "keypoints are not trained", known=(False,))
    load_mosaic: bool | None = key(
        None, "without effect in the original; here mosaics are `pipeline.mosaic`", known=(False,),
        instead="; mosaics are switched on by pipeline.mosaic, a probability such as 0.5",
    )  # fmt: skip
    mode: str | None = unread("the original sets it automatically")

    @property
    def effective_fit(self) -> str:
        """``own``, ``letterbox`` or ``stretch``, as ``fit`` and ``keep_ratio`` set it."""
        return self.fit or ("stretch" if self.keep_ratio is False else "own")


@dataclass
class Data:
    train: Dataset = key(REQUIRED, "the training set")
    val: Dataset = key(
        REQUIRED, "the set to evaluate on; its input size and fit are those of the export"
    )
    test: dict[str, Any] | None = unread("the original does not read it either")
