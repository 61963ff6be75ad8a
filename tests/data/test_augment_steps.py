"""Steps for small data: off is what it was before them; boxes lie where the pixels do."""

import hashlib
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from drawn_sets import COLOURS, detection_set, noise, rectangles, same
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nanodet.config.data_sections import OFF_AT_THE_END, Pipeline
from nanodet.data.augment.augment import Augmentation
from nanodet.data.augment.crop import draw_window
from nanodet.data.augment.cutout import HIDDEN, cutout, hidden_share
from nanodet.data.augment.filters import FILTERS
from nanodet.data.augment.scene import Scene
from nanodet.data.records import Picture
from nanodet.runtime.fit import FITS

BEFORE = {
    "scale": [0.6, 1.4], "stretch": [[0.9, 1.1], [0.9, 1.1]], "rotation": 8, "shear": 4,
    "translate": 0.2, "flip": 0.5, "brightness": 0.2, "contrast": [0.6, 1.4], "saturation": [0.5, 1.2],
}  # fmt: skip
STRAIGHT = {"scale": [0.7, 1.4], "stretch": [[0.9, 1.1], [0.9, 1.1]], "translate": 0.2, "flip": 0.5}
STEPS = OFF_AT_THE_END
ALL = {name: 0.7 for name in STEPS}
SIZE = (128, 96)
seeds = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize(
    ("fit", "pipeline", "digest"),
    [  # made with the code before these steps existed
        ("own", {"perspective": 0.0002, **BEFORE}, "9b5d39816dcfc289"),
        ("letterbox", BEFORE, "c0940d435bf36f2f"),
        ("stretch", BEFORE, "f7c4f34f8c905211"),
        ("letterbox", {}, "1bd43b01dd9009cb"),
    ],
)
def test_without_the_steps_samples_are_what_they_were(tmp_path, fit, pipeline, digest):
    data, found = detection_set(noise(tmp_path), pipeline, fit), hashlib.sha256()
    for epoch in (0, 3):
        for index in range(3):
            sample = data[epoch, index, SIZE]
            for value in (sample.image, sample.boxes, sample.labels, sample.ignored):
                found.update(np.ascontiguousarray(value).tobytes())
                found.update(str(value.shape).encode())
    assert found.hexdigest().startswith(digest)


@pytest.mark.parametrize("fit", FITS)
def test_a_sample_depends_on_seed_epoch_and_index_alone(tmp_path, fit):
    annotations = noise(tmp_path)
    data = detection_set(annotations, BEFORE | ALL, fit)
    keys = [(epoch, index, SIZE) for epoch in range(3) for index in range(3)]
    samples = [data[key] for key in keys]
    again = detection_set(annotations, BEFORE | ALL, fit, cache=True)
    for key, sample in reversed(list(zip(keys, samples, strict=True))):
        assert same(again[key], sample)
    other = detection_set(annotations, BEFORE | ALL, fit, seed=6)
    assert not any(same(other[key], sample) for key, sample in zip(keys, samples, strict=True))


@pytest.mark.parametrize("step", STEPS)
def test_the_steps_end_with_the_last_epochs(tmp_path, step):
    annotations = noise(tmp_path)
    plain = detection_set(annotations, BEFORE)
    pipeline = BEFORE | {step: 1.0, "off_epochs": 2}
    stepping = detection_set(annotations, pipeline, total_epochs=5)
    off = [same(stepping[epoch, 0, SIZE], plain[epoch, 0, SIZE]) for epoch in range(5)]
    assert off == [False, False, False, True, True]
    longer = detection_set(annotations, pipeline, total_epochs=7)  # such a run, resumed
    assert [same(longer[epoch, 0, SIZE], plain[epoch, 0, SIZE]) for epoch in range(3, 7)] == [
        False, False, True, True,
    ]  # fmt: skip


def test_a_step_changes_no_number_of_another(tmp_path):
    annotations = noise(tmp_path)
    crops = [detection_set(annotations, {"crop": 0.5, **more}) for more in ({}, {"cutout": 1.0})]
    for index in range(3):
        first, second = (data[0, index, SIZE] for data in crops)
        assert first.placement == second.placement


@pytest.fixture(scope="module")
def one_box_each(tmp_path_factory):
    return rectangles(tmp_path_factory.mktemp("rectangles"))


@settings(max_examples=60)
@given(
    seed=seeds,
    step=st.sampled_from(["mosaic", "crop", "copy_paste"]),
    fit=st.sampled_from(FITS),
    index=st.integers(0, 5),
    size=st.sampled_from([(160, 128), (128, 160)]),
)
def test_boxes_lie_where_the_pixels_do(one_box_each, seed, step, fit, index, size):
    # all boxes stay, also those that are not worth teaching: an image may come twice, and its colour is
    # then seen in two places
    everything = "nanodet.data.augment.scene.worth_teaching"
    with mock.patch(everything, lambda boxes, inside: np.ones(len(boxes), bool)):
        sample = detection_set(one_box_each, STRAIGHT | {step: 1.0}, fit, seed)[0, index, size]
    pairs = list(zip(sample.boxes, sample.labels, strict=True))
    if step == "copy_paste":  # what is pasted last is on top; it may hide parts of others
        assume(len(pairs) > 1)
        pairs = pairs[-1:]
    for box, label in pairs:
        assume((sample.labels == label).sum() == 1)
        if min(box[2:] - box[:2]) < 1.5:
            continue
        seen = ((sample.image > 127) == (np.array(COLOURS[label]) > 127)).all(axis=2)
        rows, columns = np.nonzero(seen)
        extent = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_allclose(box, extent, atol=1.0)


@settings(max_examples=30)
@given(seed=seeds, fit=st.sampled_from(FITS))
def test_a_mixup_shows_both_and_keeps_the_boxes_of_both(one_box_each, seed, fit):
    alone, sample = (
        detection_set(one_box_each, STRAIGHT | {"mixup": step}, fit, seed)[0, 0, SIZE]
        for step in (0, 1.0)
    )
    assume(len(sample.boxes) == len(alone.boxes) + 1)
    np.testing.assert_array_equal(sample.boxes[:-1], alone.boxes)
    assume(sample.labels[-1] != 0)
    other = (np.array(COLOURS[sample.labels[-1]]) > 0) & (np.array(COLOURS[0]) == 0)
    assume(other.any())
    brightness = sample.image[..., other].min(axis=2)
    rows, columns = np.nonzero(brightness > brightness.max() / 2)
    extent = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_allclose(sample.boxes[-1], extent, atol=1.0)
    assert 255 * 0.39 < brightness.max() < 255 * 0.61


@given(
    seed=seeds,
    visible=st.floats(0, 1),
    low=st.floats(0.05, 1),
    corner=st.tuples(*2 * [st.integers(0, 80)]),
)
def test_a_crop_keeps_its_box(seed, visible, low, corner):
    size, (x, y) = (200, 100), corner
    box = np.array([x, y, x + 100, y + 19], np.float32)
    rng = np.random.default_rng(seed)
    left, top, width, height = draw_window(box[None], size, [low, 1.0], visible, rng)
    right, bottom = left + width, top + height
    assert 0 <= left
    assert 0 <= top
    assert right <= 200
    assert bottom <= 100
    assert min(width / 200, height / 100) >= low - 0.01
    shown = (min(right, box[2]) - max(left, box[0])) * (min(bottom, box[3]) - max(top, box[1]))
    assert shown / (100 * 19) >= visible - 1e-6


@settings(max_examples=40)
@given(seeds)
def test_what_a_cutout_hides_is_ignored(seed):
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, (100, 70), (30, 2))
    boxes = np.concatenate([corners, corners + rng.integers(3, 25, (30, 2))], axis=1)
    boxes = boxes.astype(np.float32)
    scene = Scene(
        np.full((96, 128, 3), 7, np.uint8), boxes, np.arange(30), np.zeros((0, 4), np.float32)
    )
    cutout(scene, rng)
    mask = (scene.image != 7).any(axis=2)
    assert mask.any()
    for box in np.concatenate([scene.boxes, scene.ignored]).astype(int):
        x0, y0, x1, y1 = box
        direct = mask[y0:y1, x0:x1].mean()
        np.testing.assert_allclose(hidden_share(box[None], mask.astype(np.uint8)), direct)
        assert (direct >= HIDDEN) == (box == scene.ignored.astype(int)).all(axis=1).any()
    np.testing.assert_array_equal(scene.boxes, boxes[scene.labels])


@settings(max_examples=30)
@given(seeds)
def test_what_is_pasted_hides_little_and_is_of_the_image(one_box_each, seed):
    plain, pasting = (
        detection_set(one_box_each, {"copy_paste": step}, seed=seed)[0, 2, SIZE] for step in (0, 1)
    )
    before, after = len(plain.boxes), len(pasting.boxes)
    assert before <= after <= before + 3
    np.testing.assert_array_equal(pasting.boxes[:before], plain.boxes)
    pasted = [tuple(box) for box in pasting.boxes[before:]]
    for n, (x0, y0, x1, y1) in enumerate(pasted):
        assert max((x1 - x0) / SIZE[0], (y1 - y0) / SIZE[1]) <= 0.6 + 1e-3
        for a, b, c, d in [*map(tuple, plain.boxes), *pasted[:n]]:
            shared = max(min(x1, c) - max(x0, a), 0) * max(min(y1, d) - max(y0, b), 0)
            assert shared <= (0.3 + 1e-3) * (c - a) * (d - b)


@pytest.mark.parametrize("side", [16, 100])
def test_no_object_is_hidden_by_what_is_around_the_pasted_or_by_several(side):
    """A small black object beside what fades around a white one, and a large one below three of them."""
    place = slice(200 - side // 2, 200 + side // 2)
    boxes = [(place.start, place.start, place.stop, place.stop), (150, 150, 250, 250)]
    records = [
        Picture(
            Path("x"), 1, 400, 400, np.array([box], np.float32), np.zeros(1, np.int64), np.ones(1)
        )
        for box in boxes
    ]
    images = [np.full((400, 400, 3), grey, np.uint8) for grey in (0, 255)]
    paste = Augmentation(records, images.__getitem__, Pipeline(copy_paste=1.0), "letterbox", 0)
    hidden = []
    for epoch in range(100):
        scene = paste(epoch, 0, (400, 400))[0]
        np.testing.assert_array_equal(scene.boxes[0], boxes[0])
        hidden.append(scene.image[place, place].mean() / 255)
    assert 0 < max(hidden) <= 0.31


def test_rare_classes_are_pasted_as_often(tmp_path):
    annotations = rectangles(tmp_path)
    for record in annotations.pictures[1:]:
        record.labels = np.zeros(1, np.int64)
    annotations.pictures[0].labels = np.ones(1, np.int64)
    data = detection_set(annotations, {"copy_paste": 1.0})
    samples = [data[epoch, 3, SIZE] for epoch in range(60)]
    others = [  # half of the objects are of the image itself
        sample.labels[-1] for sample in samples if len(sample.labels) > 1
    ]
    assert 0.15 < np.mean(others) < 0.35


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_changes_pixels_alone(name):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (40, 50, 3), np.uint8)
    image.flags.writeable = False  # as of the cache
    changed = FILTERS[name](image, rng)
    assert changed.shape == image.shape
    assert changed.dtype == np.uint8
    assert (changed != image).any()
    assert abs(changed.astype(float).mean() - image.mean()) < 10
    assert (name == "grey") == (changed == changed[..., :1]).all()
