"""Small models, data and times for the tests of ``nanodet choose``."""

import json
from pathlib import Path

import pytest
from choosing import copied
from found_objects import write_found

from nanodet.bench.machine import MACHINE, describe, read_files
from nanodet.export.stages import FP32
from nanodet.files.files import sha256, write_text
from nanodet.runtime.engines import files_of, spec_file


@pytest.fixture(scope="module")
def data(exported_small, tmp_path_factory):
    """Images, and annotations that are what the model finds in them."""
    return write_found(tmp_path_factory.mktemp("choose"), exported_small.files[FP32], 6)


@pytest.fixture(scope="module")
def models(exported_small, tmp_path_factory):
    """The same model twice: as it is, and at half the size."""
    folder = tmp_path_factory.mktemp("two")
    source = exported_small.files[FP32]
    paths = []
    for name, scale in (("whole", 1), ("half", 2)):
        param, spec = folder / f"{name}.param", copied(source, folder / f"{name}.param")
        for side in ("width", "height"):
            spec["input"][side] = max(spec["input"][side] // scale // 32 * 32, 64)
        spec_file(param).write_text(json.dumps(spec))
        paths.append(str(param))
    return paths


@pytest.fixture
def timed(monkeypatch):
    """Made-up times: 10 ms for "half", 20 for others. Returns a list of calls and what disturbs the next."""
    calls, doubts = [], []

    def bench(paths, *, json_path, command, **_):
        calls.append(paths)
        results = []
        for path in map(Path, paths):
            names = [*files_of(path), spec_file(path)]
            median = 10_000 if path.stem == "half" else 20_000
            results.append({
                "path": str(path), "files": {one.name: sha256(one) for one in names}, "error": None,
                "threads": 1, "waited": 0.0,
                "times_us": {"end_to_end": {"median": median, "p90": median * 1.1}},
            })  # fmt: skip
        machine = describe(read_files(MACHINE)) | {"architecture": "x86_64"}
        report = {"command": command, "results": results, "machine": machine,
                  "throttling": {"reasons": list(doubts)}}  # fmt: skip
        write_text(json_path, json.dumps(report))
        return report

    monkeypatch.setattr("nanodet.choose.times.bench", bench)
    return calls, doubts


@pytest.fixture
def config(root):
    return str(root / "config" / "nanodet-m_bccd.yml")
