"""Batch, workers and cache for a machine."""

import numpy as np
import pytest

from nanodet.data.records import Picture
from nanodet.init.machine import Machine, settings_for


def pictures(count, boxes=3):
    some = np.zeros((boxes, 4), np.float32), np.zeros(boxes, int), np.zeros(boxes)
    return [Picture(f"{n}", n, 640, 480, *some) for n in range(count)]


@pytest.mark.parametrize(
    ("machine", "count", "batch", "workers", "cache"),
    [
        (Machine(0, 2, 8 << 30), 500, 8, 0, True),
        (Machine(0, 8, 8 << 30), 5000, 8, 2, False),
        (Machine(24 << 30, 16, 64 << 30), 5000, 32, 4, True),
        (Machine(2 << 30, 1, 64 << 30), 500, 8, 0, True),
        (Machine(0, 2, 1 << 30), 500, 4, 0, False),
        (Machine(0, 2, 8 << 30), 10, 2, 0, True),
    ],
)
def test_settings_fit_the_machine(machine, count, batch, workers, cache):
    found = settings_for(machine, pictures(count), (416, 320))
    assert (found.batch[0], found.workers[0], found.cache[0]) == (batch, workers, cache)


def test_a_batch_of_few_boxes_has_more_images():
    machine = Machine(0, 2, 8 << 30)
    assert settings_for(machine, pictures(500, boxes=1), (320, 320)).batch[0] == 16
    assert settings_for(machine, pictures(500, boxes=2), (320, 320)).batch[0] == 8
    assert settings_for(machine, pictures(30, boxes=1), (320, 320)).batch[0] == 4


def test_one_of_several_gpus_is_used():
    few = settings_for(Machine(24 << 30, 16, 64 << 30, 1), pictures(500), (320, 320))
    many = settings_for(Machine(24 << 30, 16, 64 << 30, 4), pictures(500), (320, 320))
    assert few.gpu_ids[0] is None
    assert many.gpu_ids[0] == [0]
