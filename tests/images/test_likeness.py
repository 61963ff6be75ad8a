"""Copies of images: re-encoded, resized, cropped and brighter ones are found, others are not."""

import time

import cv2
import numpy as np
import pytest
from turned_pictures import write_oriented

from nanodet.errors import NanodetError
from nanodet.images.likeness import Likeness, groups, likeness, likenesses
from nanodet.images.same_view import same_view


def scene(seed, side=320):
    """Draw an image with structure at several scales."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((side * 3 // 4, side, 3), np.float32)
    for cells in (3, 8, 24):
        noise = rng.normal(size=(cells, cells, 3)).astype(np.float32)
        picture += cv2.resize(noise, picture.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(128 + 40 * picture, 0, 255).astype(np.uint8)


def jpeg(picture, quality):
    return cv2.imdecode(
        cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR
    )


def captioned(picture):
    return cv2.putText(picture.copy(), "MEOW", (200, 40), 0, 1.2, (255, 255, 255), 3)


CHANGES = {
    "encoded": lambda p: jpeg(p, 25),
    "half": lambda p: cv2.resize(p, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "stretched": lambda p: cv2.resize(p, (416, 416)),
    "brighter": lambda p: cv2.convertScaleAbs(p, alpha=1.2, beta=20),
    "darker": lambda p: cv2.convertScaleAbs(p, alpha=0.6),
    "grey": lambda p: cv2.cvtColor(cv2.cvtColor(p, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR),
    "mirrored": lambda p: jpeg(p[:, ::-1], 60),
    "cropped": lambda p: p[7:-7, 10:-10],
    "cropped on one side": lambda p: p[:, 14:],
    "captioned": captioned,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_is_found_among_others(change, tmp_path):
    for n in range(6):
        cv2.imwrite(str(tmp_path / f"{n}.png"), scene(n))
    cv2.imwrite(str(tmp_path / "copy.png"), CHANGES[change](scene(3)))
    found = likenesses([*(tmp_path / f"{n}.png" for n in range(6)), tmp_path / "copy.png"], False)
    assert groups(found) == [[3, 6]]


def test_the_order_of_the_images_changes_nothing(tmp_path):
    """A crop to 86 % has to be made smaller by 0.14 and its original larger by 0.16, to lie on each other."""
    whole = scene(3)
    height, width = whole.shape[:2]
    sides = np.random.default_rng(0).uniform(0, 0.08, (24, 4))
    crops = [
        whole[int(a * height) : -int(b * height) or None, int(c * width) : -int(d * width) or None]
        for a, b, c, d in sides
    ]
    found = []
    for n, picture in enumerate([whole, *crops]):
        cv2.imwrite(str(tmp_path / f"{n}.png"), picture)
        found.append(likeness(tmp_path / f"{n}.png"))
    pairs = [(bool(groups([found[0], one])), bool(groups([one, found[0]]))) for one in found[1:]]
    assert all(first == second for first, second in pairs)
    assert sum(first for first, _ in pairs) > len(pairs) / 2


def test_images_of_a_kind_are_no_copies(tmp_path):
    """Discs at other places, and images without structure, of which only the same file is a copy."""
    rng = np.random.default_rng(0)
    paths = []
    for n in range(12):
        ground = np.full((120, 160, 3), 150 + 5 * n, np.uint8)
        if n < 8:
            place = 30 + rng.integers(0, 100), 30 + rng.integers(0, 60)
            cv2.circle(ground, tuple(int(v) for v in place), 18, (200, 30, 30), -1)
        paths.append(tmp_path / f"{n}.png")
        cv2.imwrite(str(paths[-1]), ground)
    paths.append(tmp_path / "again.png")
    paths[-1].write_bytes(paths[10].read_bytes())
    assert groups(likenesses(paths, False)) == [[10, 12]]


def test_a_block_that_lost_its_structure_does_not_agree():
    """A quarter of the blocks is plain in one image; its pixels as a whole still correlate by 0.9."""
    noise = np.random.default_rng(0).integers(-30, 31, (64, 64))
    first = (np.linspace(60, 190, 64)[None] + noise).astype(np.uint8)
    second = first.copy()
    for top in range(0, 64, 16):
        for left in range(0, 64, 16):
            second[top : top + 8, left : left + 8] = second[top : top + 8, left : left + 8].mean()
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.9
    assert [
        agree.item() for agree in same_view(np.stack([first, first]), np.stack([first, second]))[0]
    ] == [True, False]


def test_a_rotated_file_looks_as_it_is_shown(tmp_path):
    path = tmp_path / "turned.jpg"
    write_oriented(path, scene(1), 6)
    cv2.imwrite(str(tmp_path / "plain.png"), cv2.rotate(scene(1), cv2.ROTATE_90_CLOCKWISE))
    assert groups([likeness(path), likeness(tmp_path / "plain.png")]) == [[0, 1]]


def test_files_that_are_no_images_are_alone(tmp_path):
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("no image")
    found = likenesses(
        [tmp_path / "empty.jpg", tmp_path / "text.jpg", tmp_path / "none.jpg"], False
    )
    assert all(isinstance(one, NanodetError) for one in found)
    assert groups(found) == []
    assert groups([]) == []


def test_many_images_take_seconds():
    """The distances of 3,000 images and the copies of a fixed camera, each of which resembles all."""
    rng = np.random.default_rng(0)
    one = rng.integers(0, 255, (64, 64), np.uint8)
    found = [
        Likeness(
            bytes([n % 256, n // 256]),
            int(rng.integers(1 << 63)),
            rng.integers(0, 255, (64, 64), np.uint8),
        )
        for n in range(2000)
    ]
    found += [Likeness(b"camera%d" % n, 5, one) for n in range(1000)]
    start = time.perf_counter()
    assert groups(found) == [list(range(2000, 3000))]
    assert time.perf_counter() - start < 5


def test_real_copies(shared):
    """BCCD and raccoon have copies, looked at; the images of COCO have none."""
    folders = {
        "bccd/JPEGImages": [(37, 38), (386, 391)],
        "raccoon/images": [(11, 116), (120, 83), (21, 45), (50, 52, 74), (51, 85), (65, 98)],
    }
    for folder, numbers in folders.items():
        paths = sorted((shared / "data" / folder).glob("*.jpg"))
        found = [
            tuple(int("".join(filter(str.isdigit, paths[n].stem))) for n in some)
            for some in groups(likenesses(paths, False))
        ]
        assert set(numbers) <= set(found) and len(found) <= len(numbers) + 1, found
