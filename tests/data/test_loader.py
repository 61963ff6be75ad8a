"""The data set and its loader: determinism, order, padding, errors out of workers."""

import os
import pickle
from collections import Counter

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nanodet.config.data_sections import OFF_AT_THE_END, Dataset, Pipeline
from nanodet.data import cache
from nanodet.data.dataset import DetectionSet
from nanodet.data.loader import EpochSampler, build_loader, normalise_batch
from nanodet.data.records import Annotations, Picture
from nanodet.errors import NanodetError
from nanodet.runtime.preprocess import preprocess

PIPELINE = Pipeline(
    scale=[0.6, 1.4],
    rotation=10,
    translate=0.2,
    flip=0.5,
    brightness=0.2,
    contrast=[0.6, 1.4],
    saturation=[0.5, 1.2],
    **dict.fromkeys(OFF_AT_THE_END, 0.5),
)


@pytest.fixture
def annotations(tmp_path):
    """Seven images of different sizes, the last without boxes."""
    rng = np.random.default_rng(0)
    pictures = []
    for n in range(7):
        width, height = 60 + 10 * n, 90 - 5 * n
        path = tmp_path / f"{n}.png"
        cv2.imwrite(str(path), rng.integers(0, 256, (height, width, 3), np.uint8))
        boxes = np.array([[5, 5, 40, 50], [20, 10, 55, 45]], np.float32)[: 0 if n == 6 else 2]
        labels = np.arange(len(boxes))
        ignored = np.array([[0, 0, 30, 30]], np.float32)
        record = Picture(path, 100 + n, width, height, boxes, labels, boxes[:, 2], ignored)
        pictures.append(record)
    return Annotations(("a", "b"), (1, 2), pictures)


def section(**more):
    more = {"input_size": [96, 64], "pipeline": PIPELINE, **more}
    return Dataset(name="coco", img_path="", ann_path="", **more)


def loader(annotations, workers=0, training=True, batch_size=3, seed=1, size=(96, 64), **more):
    keys = ("multi_scale", "rank", "world_size")
    rest = {key: more.pop(key) for key in keys if key in more}
    data = DetectionSet(annotations, section(**more), training, seed)
    return build_loader(data, batch_size, workers, training, seed, size, **rest)


def content(batches):
    """What batches hold, in a form that can be compared."""
    return [
        (
            b.images.numpy().tobytes(),
            b.contents,
            [x.tolist() for x in (*b.boxes, *b.labels)],
            [x.tolist() for x in b.ignored],
            b.indices,
            b.image_ids,
        )
        for b in batches
    ]


def epoch_of(loader, epoch):
    loader.batch_sampler.set_epoch(epoch)
    return content(loader)


@pytest.mark.parametrize("fit", ["own", "letterbox", "stretch"])
def test_same_with_and_without_workers(annotations, fit):
    more = {"fit": fit, "multi_scale": [0.5, 1.5]}
    plain = loader(annotations, **more)
    epochs = [epoch_of(plain, epoch) for epoch in range(3)]
    assert epochs[0] != epochs[1]
    assert len(epochs[0]) == 2
    working = loader(annotations, workers=2, **more)
    for epoch in (2, 0):
        assert epoch_of(working, epoch) == epochs[epoch]
    assert epoch_of(working, 1) == epochs[1]
    assert epoch_of(loader(annotations, seed=2, **more), 0) != epochs[0]
    np.random.seed(0)
    torch.manual_seed(0)  # global generators take no part
    assert epoch_of(plain, 0) == epochs[0]


def test_started_workers_and_cache(annotations):
    expected = epoch_of(loader(annotations), 1)
    cached = loader(annotations, cache=True, workers=1)
    cached.multiprocessing_context = "spawn"
    for record in annotations.pictures:
        record.path.unlink()
    assert epoch_of(cached, 1) == expected


def test_cache_is_left_out_where_memory_is_short(annotations, caplog):
    huge = [Picture("x", 1, 10**7, 10**7, *[np.zeros(0)] * 3)]
    assert cache.cache_pictures(huge, None) is None
    assert "without the cache" in caplog.text
    assert len(caplog.records) == 1
    assert cache.free_memory() > 0


def test_data_set_pickles(annotations):
    data = DetectionSet(annotations, section(), True, 1)
    again = pickle.loads(pickle.dumps(data))
    np.testing.assert_array_equal(data[0, 1, (96, 64)].image, again[0, 1, (96, 64)].image)


@pytest.mark.parametrize("fit", ["own", "letterbox", "stretch"])
def test_evaluation_equals_inference(annotations, fit):
    mean, std = PIPELINE.normalize
    for n, batch in enumerate(loader(annotations, training=False, batch_size=1, fit=fit)):
        record = annotations.pictures[n]
        tensor, placement = preprocess(cv2.imread(str(record.path)), fit, (96, 64), mean, std)
        ours = normalise_batch(batch.images, batch.contents, mean, std)
        np.testing.assert_allclose(ours.numpy(), tensor, rtol=1e-6, atol=1e-6)
        assert batch.placements == [placement]
        assert batch.indices == [n]
        back = placement.to_picture(batch.boxes[0].numpy(), batch.picture_sizes[0])
        np.testing.assert_allclose(back, record.boxes, atol=1e-3)
        assert batch.image_ids == [100 + n]
        assert batch.labels[0].tolist() == record.labels.tolist()


def test_padding_is_zero_after_normalising(annotations):
    batch = next(iter(loader(annotations, training=False, batch_size=7)))
    assert batch.images.shape == (7, 64, 96, 3)
    assert len(batch) == 7
    for channels_last in (True, False):
        result = normalise_batch(batch.images, batch.contents, *PIPELINE.normalize, channels_last)
        form = torch.channels_last if channels_last else torch.contiguous_format
        assert result.is_contiguous(memory_format=form)
        assert result.dtype == torch.float32
        for picture, (w, h) in zip(result, batch.contents, strict=True):
            assert not picture[:, h:].any()
            assert not picture[:, :, w:].any()
            assert picture[:, :h, :w].any()
    moved = batch.to("meta")
    assert moved.images.is_meta
    assert moved.boxes[0].is_meta
    assert moved.contents == batch.contents


def test_boxes_stay_on_the_canvas(annotations):
    batches = loader(annotations, batch_size=7, fit="letterbox")
    for epoch in range(10):
        batches.batch_sampler.set_epoch(epoch)
        for batch in batches:
            assert batch.images.shape[1:] == (64, 96, 3)
            for boxes, labels in zip(batch.boxes, batch.labels, strict=True):
                assert len(boxes) == len(labels)
                assert labels.dtype == torch.int64
                assert (boxes >= 0).all()
                assert (boxes <= torch.tensor([96, 64, 96, 64])).all()
                assert ((boxes[:, 2:] - boxes[:, :2]) >= 2).all()


# sampling


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 5), st.booleans())
def test_ranks_share_the_pictures(length, batch_size, world, training):
    samplers = [
        EpochSampler(length, batch_size, training, 0, (96, 64), rank=rank, world_size=world)
        for rank in range(world)
    ]
    batches = [list(sampler) for sampler in samplers]
    assert [len(b) for b in batches] == [len(sampler) for sampler in samplers]
    counts = Counter(index for part in batches for batch in part for _, index, _ in batch)
    if not training:
        assert counts == Counter(range(length))
        return
    shape = [[len(batch) for batch in part] for part in batches]
    assert all(s == shape[0] for s in shape)
    assert shape[0]
    assert sum(shape[0]) >= -(-length // world) - 1
    if batch_size > 1 and len(shape[0]) > 1:
        assert shape[0][-1] > 1


def test_sizes_are_multiples_of_32_and_vary():
    sampler = EpochSampler(400, 4, True, 0, (320, 256), multi_scale=[0.5, 1.5])
    sizes = [{size for _, _, size in batch} for batch in sampler]
    assert all(len(size) == 1 for size in sizes)  # one per batch
    seen = set.union(*sizes)
    assert len(seen) > 8
    for w, h in seen:
        assert w % 32 == h % 32 == 0
        assert 160 <= w <= 480
        assert 128 <= h <= 384


def test_smaller_than_a_batch(annotations):
    annotations.pictures = annotations.pictures[:1]
    assert [b[4] for b in epoch_of(loader(annotations, batch_size=16), 0)] == [[0]]


# broken images


def cut(path):
    jpeg = cv2.imencode(".jpg", np.zeros((90, 60, 3), np.uint8))[1].tobytes()
    path.write_bytes(jpeg[:-20])


def resize(path):
    cv2.imwrite(str(path), np.zeros((50, 50, 3), np.uint8))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (os.unlink, "No such file"),
        (cut, "truncated"),
        (resize, "50 x 50 pixels, its annotation says 60 x 90"),
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_text("no image"), "not an image"),
    ],
)
def test_broken_picture_is_one_line(annotations, workers, damage, word):
    damage(annotations.pictures[0].path)
    with pytest.raises(NanodetError) as caught:
        list(loader(annotations, workers=workers, batch_size=7))
    text = str(caught.value)
    assert "0.png" in text
    assert word in text
    assert "Traceback" not in text
    assert "\n" not in text


def test_pictures_are_turned_by_exif_or_as_stored(tmp_path):
    jpeg = cv2.imencode(".jpg", np.zeros((30, 40, 3), np.uint8))[1].tobytes()
    exif = (
        b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"
        + b"\0" * 4
    )
    (tmp_path / "a.jpg").write_bytes(jpeg[:2] + exif + jpeg[2:])
    nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32)
    for size in ((40, 30), (30, 40)):
        record = Picture(tmp_path / "a.jpg", 1, *size, *nothing, turned=size == (30, 40))
        data = DetectionSet(Annotations(("a",), (1,), [record]), section(), False)
        assert data[0, 0, (96, 64)].picture_size == size


def test_a_batch_moves_its_boxes_together(annotations, monkeypatch):
    batch = next(iter(loader(annotations, batch_size=7)))
    moves = []
    original = torch.Tensor.to
    monkeypatch.setattr(torch.Tensor, "to", lambda *a, **k: moves.append(k) or original(*a, **k))
    moved = batch.to("cpu", non_blocking=True)
    assert moves == [{"non_blocking": True}] * 4  # images, boxes, labels, ignored regions
    for name in ("boxes", "labels", "ignored"):
        before, after = getattr(batch, name), getattr(moved, name)
        assert [len(one) for one in before] == [len(one) for one in after]
        assert all(map(torch.equal, before, after))
