"""Faults of a data set: each is planted into a healthy one, and has its code and severity."""

from pathlib import Path

import cv2
from healthy import draw
from turned_pictures import write_oriented

CASES = {}


def plant(code, severity, *named, decode=False):
    """Register a fault: its code, severity and what the finding names."""

    def register(function):
        CASES[function.__name__] = function, code, severity, named, decode
        return function

    return register


def first(found):
    return found["annotations"][0]


@plant("missing-images", "error", "003.png")
def missing(s):
    (s.folder / "train" / "003.png").unlink()


@plant("unreadable-images", "error", "004.png", "truncated")
def truncated(s):
    path = s.folder / "train" / "004.png"
    path.write_bytes(path.read_bytes()[:-2000])


@plant("unreadable-images", "error", "002.png")
def no_image(s):
    (s.folder / "val" / "002.png").write_text("no image")


@plant("unreadable-images", "error", "004.png")
def empty_file(s):
    (s.folder / "train" / "004.png").write_bytes(b"")


@plant("undecodable-images", "error", "005.png", decode=True)
def damaged(s):
    path = s.folder / "train" / "005.png"
    data = bytearray(path.read_bytes())
    at = data.index(b"IDAT") + 4
    data[at : at + 200] = bytes(200)
    path.write_bytes(data)


@plant("image-sizes", "error", "006.png", "80 x 60")
def resized(s):
    path = str(s.folder / "train" / "006.png")
    cv2.imwrite(path, cv2.resize(cv2.imread(path), (80, 60)))


@plant("exif", "note", "1 of 30")
def exif(s):
    write_oriented(s.folder / "train" / "000.jpg", draw(0)[0], 3)
    s.train["images"][0]["file_name"] = "000.jpg"
    s.config["data"]["train"]["orientation"] = "stored"


@plant("orientation", "error", "1 labelled images")
def unclear_orientation(s):
    write_oriented(s.folder / "train" / "000.jpg", draw(0)[0], 3)
    s.train["images"][0]["file_name"] = "000.jpg"


@plant("images-listed-twice", "warning", "000.png")
def listed_twice(s):
    s.train["images"][1]["file_name"] = "000.png"


@plant("labels-without-image", "warning", "1 label files have no image")
def label_without_image(s):
    s.write_yolo()
    (s.folder / "labels" / "other.txt").write_text("0 0.5 0.5 0.2 0.2")


@plant("images-without-objects", "note", "007.png", "without a label file: 1 image")
def image_without_label(s):
    s.write_yolo()
    (s.folder / "labels" / "007.txt").unlink()


@plant("images-not-annotated", "note", "new.png")
def unmentioned(s):
    cv2.imwrite(str(s.folder / "val" / "new.png"), draw(99)[0])


@plant("broken-entries", "error", "annotation 1: bbox", "four numbers")
def broken_entry(s):
    first(s.train)["bbox"] = [1, 2, 3]


@plant("broken-entries", "error", "000.txt: line 2", "not numbers")
def broken_line(s):
    s.write_yolo()
    (s.folder / "labels" / "000.txt").write_text("0 0.5 0.5 0.2 0.2\n0 0.5 half 0.2 0.2")


@plant("unreadable-annotations", "error", "val.json: no list 'images'")
def no_list(s):
    s.val = {"annotations": []}


@plant("box-form", "error", "x1 y1 x2 y2")
def corners(s):
    for one in s.train["annotations"]:
        x, y, w, h = one["bbox"]
        one["bbox"] = [x, y, x + w, y + h]


@plant("box-form", "error", "0..1")
def parts_of_one(s):
    for one in s.train["annotations"]:
        one["bbox"] = [v / 160 for v in one["bbox"]]


@plant("boxes-without-area", "warning", "annotation 1: box (400")
def outside(s):
    first(s.train)["bbox"] = [400, 10, 20, 20]


@plant("boxes-without-area", "warning", "annotation 1: box (10, 10, 10, 30)")
def empty_box(s):
    first(s.train)["bbox"] = [10, 10, 0, 20]


@plant("boxes-outside", "warning", "annotation 1: box (140, 10, 200, 40)")
def beyond(s):
    first(s.train)["bbox"] = [140, 10, 60, 30]


@plant("tiny-boxes", "warning", "000.png: box 1 of 2 (disc")
def tiny(s):
    first(s.train)["bbox"] = [20, 20, 1, 1]


@plant("tiny-boxes", "warning", "000.png: box 1 of 2 (disc")
def sliver(s):
    first(s.train)["bbox"] = [0, 20, 150, 3]


@plant("boxes-cover-image", "note", "000.png: box 1 of 2 (disc")
def whole_image(s):
    first(s.train)["bbox"] = [0, 0, 160, 120]


@plant("boxes-cover-image", "warning", "30 of 60")
def whole_images(s):
    for one in s.train["annotations"][::2]:
        one["bbox"] = [0, 0, 160, 120]


@plant("duplicate-boxes", "warning", "000.png: box 3 of 3 (disc")
def duplicate_box(s):
    s.add(s.train, 0, first(s.train)["bbox"], 0)


@plant("duplicate-boxes", "warning", "000.png: box 3 of 3 (disc")
def nearly_duplicate_box(s):
    x, y, w, h = first(s.train)["bbox"]
    s.add(s.train, 0, [x + 0.4, y, w, h], 0)


@plant("duplicate-boxes-other-class", "warning", "000.png: box 3 of 3 (square")
def duplicate_box_of_another_class(s):
    s.add(s.train, 0, first(s.train)["bbox"], 1)


@plant("doubtful-entries", "warning", "annotation 1: area -5")
def negative_area(s):
    first(s.train)["area"] = -5


@plant("ignored-boxes", "warning", "iscrowd", "40 of 60")
def crowd(s):
    for one in s.train["annotations"][:40]:
        one["iscrowd"] = 1


@plant("nothing-to-learn", "error", "all 60 boxes are marked")
def all_crowd(s):
    for one in s.train["annotations"]:
        one["iscrowd"] = 1


@plant("nothing-to-learn", "error", "none of its 30 images has a box")
def no_boxes(s):
    s.train["annotations"] = []


@plant("nothing-to-learn", "warning", "none of its 16 images has a box")
def no_boxes_to_validate(s):
    s.val["annotations"] = []


@plant("classes-without-boxes", "warning", "ring")
def class_without_boxes(s):
    s.config["class_names"].append("ring")
    for found in (s.train, s.val):
        found["categories"].append({"id": 3, "name": "ring"})


@plant("classes-named-twice", "warning", "'disc', 'Disc '")
def class_named_twice(s):
    s.config.pop("class_names")
    for found in (s.train, s.val):
        found["categories"].append({"id": 3, "name": "Disc "})
        for one in found["annotations"][::3]:
            one["category_id"] = 3


@plant("classes-misspelt", "warning", "'dics': 1 box, first of", "'disc': 59 boxes")
def class_misspelt_once(s):
    s.config.pop("class_names")
    for found in (s.train, s.val):
        found["categories"].append({"id": 3, "name": "dics"})
    for one in s.train["annotations"]:
        one["category_id"] = 1
    first(s.train)["category_id"] = 3


@plant("classes-left-out", "warning", "'disk': 1 object, did you mean 'disc'?")
def misspelt_class_left_out(s):
    s.train["categories"].append({"id": 3, "name": "disk"})
    first(s.train)["category_id"] = 3
    s.config["data"]["train"]["unknown_classes"] = "skip"


@plant("class-names", "error", "occurs twice")
def equal_names(s):
    s.config.pop("class_names")
    s.train["categories"].append({"id": 3, "name": "disc"})


@plant("class-names", "error", "'disk'", "did you mean 'disc'?")
def misspelt_class(s):
    s.train["categories"][0]["name"] = "disk"


@plant("class-names", "error", "'ring'")
def class_of_another_name(s):
    s.train["categories"].append({"id": 3, "name": "ring"})
    first(s.train)["category_id"] = 3


@plant("classes-left-out", "note", "'ring': 1 object")
def class_left_out(s):
    class_of_another_name(s)
    s.config["data"]["train"]["unknown_classes"] = "skip"


@plant("class-names", "error", "class 7 is not one of 0..1")
def class_number_beyond(s):
    s.write_yolo()
    (s.folder / "labels" / "000.txt").write_text("7 0.5 0.5 0.2 0.2")


@plant("few-images-of-class", "note", "square: 2 images, 2 boxes")
def few_images(s):
    for one in s.train["annotations"][4:]:
        one["category_id"] = 1


@plant("uneven-classes", "note", "disc has 59 boxes, square 1")
def uneven(s):
    for one in s.train["annotations"][1:]:
        one["category_id"] = 1
    first(s.train)["category_id"] = 2


@plant(
    "unlearned-boxes", "warning", "ATSS with strides 8, 16, 32", "input of 160x128", "000.png: box"
)
def no_point(s):
    for one in s.train["annotations"][:12]:
        x, y = one["bbox"][:2]
        one["bbox"] = [x // 8 * 8 + 2.5, y // 8 * 8 + 2.5, 3, 3]


@plant("unlearned-boxes", "error", "60 of 60")
def no_point_at_all(s):
    for one in s.train["annotations"]:
        x, y = one["bbox"][:2]
        one["bbox"] = [x // 8 * 8 + 2.5, y // 8 * 8 + 2.5, 3, 3]


@plant("copies-in-both", "warning", "val/001.png is a copy of", "train/008.png", decode=True)
def copy_in_both(s):
    picture = cv2.imread(str(s.folder / "train" / "008.png"))
    cv2.imwrite(str(s.folder / "val" / "001.png"), cv2.convertScaleAbs(picture, alpha=0.8))


@plant("copies-within", "note", "train/009.png is a copy of", "train/008.png", decode=True)
def copy_within(s):
    (s.folder / "train" / "009.png").write_bytes((s.folder / "train" / "008.png").read_bytes())


@plant("same-images-in-both", "warning", "16 of 16")
def same_images(s):
    s.config["data"]["val"]["img_path"] = s.config["data"]["train"]["img_path"]


@plant("same-images-in-both", "warning", "16 of 16")
def same_images_by_another_path(s):
    folder = Path(s.config["data"]["train"]["img_path"])
    s.config["data"]["val"]["img_path"] = str(folder / ".." / folder.name)


@plant("classes-only-validated", "warning", "16 of 32", "disc")
def class_only_validated(s):
    for one in s.train["annotations"]:
        one["category_id"] = 2


@plant("classes-only-validated", "error", "32 of 32", "disc")
def only_other_classes_validated(s):
    class_only_validated(s)
    for one in s.val["annotations"]:
        one["category_id"] = 1


@plant("different-classes", "warning", "square: 93% of data.train, 6% of data.val")
def different_classes(s):
    for found, few, many in ((s.train, 1, 2), (s.val, 2, 1)):
        for n, one in enumerate(found["annotations"]):
            one["category_id"] = many if n % 16 else few


@plant("different-objects", "warning", "median side")
def different_objects(s):
    for one in s.val["annotations"]:
        one["bbox"][2:] = [12, 12]


@plant("different-images", "warning", "median side")
def different_images(s):
    for n in range(16):
        path = str(s.folder / "val" / f"{n:03d}.png")
        cv2.imwrite(path, cv2.resize(cv2.imread(path), (480, 360)))
        s.val["images"][n] |= {"width": 480, "height": 360}
    for one in s.val["annotations"]:
        one["bbox"] = [3 * v for v in one["bbox"]]
