"""Healthy models of all kinds pass `nanodet export` and `nanodet verify`."""

import os

import pytest
import torch
from own_models import OwnModel

from nanodet.export.export import export
from nanodet.export.stages import FP16, FP32, RAW, SIMPLIFIED
from nanodet.verify.report import format_report
from nanodet.verify.verify import verify

# its distributions are so sharp that 16-bit weights move a few edges by pixels
SHARP = OwnModel(0, 2, (320, 256), steps=80, sharp=1000.0)
SIZES = ((160, 128), (160, 160), (320, 192), (96, 96), (256, 416), (320, 320))
CLASSES = (1, 2, 3, 4, 10, 20, 80)
MANY = [
    SHARP,
    *(OwnModel(i, CLASSES[i % 7], SIZES[i % 6], steps=(10, 40, 80)[i % 3], images=i % 2 == 0,
               fit=("letterbox", "stretch")[i % 5 == 4]) for i in range(1, 11)),
    *(OwnModel(i, CLASSES[i % 7], SIZES[i % 6], gain=(0.3, 1.0, 3.0, 10.0)[i % 4],
               images=i % 2 == 1) for i in range(11, 18)),
    *(OwnModel(i, CLASSES[i % 7], SIZES[i % 6], steps=40 * (i % 2), gain=1.0, peaks=8.0,
               images=i % 3 == 0) for i in range(18, 23)),
    *(OwnModel(i, 2 * (i % 3 + 1), SIZES[i % 2], steps=40, sharp=(30.0, 300.0)[i % 2],
               images=i % 4 < 2) for i in range(23, 27)),
    OwnModel(27, 5, (160, 160), "1.0x", steps=10, images=True),
    OwnModel(28, 20, (320, 256), "1.5x", gain=1.0),
    OwnModel(29, 80, (160, 128), "1.5x", gain=3.0, images=True),
]  # fmt: skip


@pytest.fixture(autouse=True)
def one_core():
    """Engines take turns here, and the waiting threads of one take the cores from the next."""
    cores, threads = os.sched_getaffinity(0), torch.get_num_threads()
    os.sched_setaffinity(0, {min(cores)})
    torch.set_num_threads(1)
    yield
    os.sched_setaffinity(0, cores)
    torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.parametrize("model", MANY, ids=str)
def test_models_of_all_kinds(model, tmp_path):
    checkpoint, images, annotations = model.write(tmp_path)
    exported = export(checkpoint, tmp_path / "out", images=images, report=lambda line: None)
    assert not exported.left_out
    assert list(exported.files) == [RAW, SIMPLIFIED, FP32, FP16]
    report = verify(checkpoint, [tmp_path / "out"], images=images, annotations=annotations)
    assert report.agrees, format_report(report)
    assert all(row.verdict in ("agrees", "not run") for row in report.rows)
    if model == SHARP:
        half = exported.results[-1]
        # so far off is the largest error of a healthy model
        assert half.edge_max > 2 and half.edge_most < 0.1 and half.matched > 0.99
