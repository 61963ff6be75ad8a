"""``device.precision: auto`` and slow choices."""

import pytest
import torch
from small_arch import arch

from nanodet.config import load_config
from nanodet.data.dataset import DetectionSet
from nanodet.data.loader import collate
from nanodet.data.read import read_annotations
from nanodet.model.network import build_network
from nanodet.train import precision
from nanodet.train.device import trainer_devices
from nanodet.train.module import TrainingModule
from nanodet.train.precision import bf16_speed, choose_precision, cpu_has_bf16


def chosen(config, before=None, **devices):
    """Return the precision that is chosen for a config, and the lines."""
    lines = []
    found = trainer_devices(config.device)[0] | devices
    return choose_precision(config, None, found, lines.append, before), lines


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fma avx512_bf16 amx_tile", True),
        ("fma amx_bf16", True),
        ("asimd svebf16 i8mm bf16", True),
        ("avx2 avx512f avx512_vnni", False),
    ],
)
def test_instructions_of_a_cpu(monkeypatch, tmp_path, flags, expected):
    file = tmp_path / "cpuinfo"
    file.write_text(f"processor : 0\nflags : {flags}\n")
    monkeypatch.setattr(precision, "_CPU", file)
    assert cpu_has_bf16() == expected


@pytest.mark.parametrize(
    ("has", "speed", "devices", "expected", "line"),
    [
        (False, None, {}, "32-true", "auto: 32 (the CPU has no bfloat16 instructions)"),
        (True, 0.9, {}, "32-true", "auto: 32 (bf16-mixed has 0.90 of its speed)"),
        (True, 1.01, {}, "32-true", "auto: 32 (bf16-mixed has 1.01 of its speed)"),
        (True, 1.3, {}, "bf16-mixed", "auto: bf16-mixed (1.30 times as fast as 32)"),
        (True, None, {"devices": 2}, "32-true", "auto: 32 (several processes on CPUs)"),
    ],
)
def test_auto_on_a_cpu(small_config, monkeypatch, has, speed, devices, expected, line):
    monkeypatch.setattr(precision, "cpu_has_bf16", lambda: has)
    monkeypatch.setattr(precision, "bf16_speed", lambda *_: speed)
    config = load_config(small_config(**{"device.precision": "auto"}))
    assert chosen(config, **devices) == (expected, [f"device.precision: {line}"])


@pytest.mark.parametrize(
    ("before", "expected", "why"),
    [
        ("bf16-mixed", "bf16-mixed", "as the run began"),
        ("32-true", "32-true", "as the run began"),
        ("16-mixed", "bf16-mixed", "2.00 times as fast as 32"),  # of a GPU
    ],
)
def test_a_resumed_run_keeps_its_precision(small_config, monkeypatch, before, expected, why):
    monkeypatch.setattr(precision, "cpu_has_bf16", lambda: True)
    monkeypatch.setattr(precision, "bf16_speed", lambda *_: 2.0)
    config = load_config(small_config(**{"device.precision": "auto"}))
    line = f"device.precision: auto: {expected.removesuffix('-true')} ({why})"
    assert chosen(config, before) == (expected, [line])
    assert chosen(config, before, accelerator="cuda")[0] == before


@pytest.mark.parametrize(
    ("bf16", "capability", "expected"),
    [(True, (8, 0), "bf16-mixed"), (False, (7, 5), "16-mixed"), (False, (6, 1), "32-true")],
)
def test_auto_on_a_gpu(small_config, monkeypatch, bf16, capability, expected):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bf16)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    config = load_config(small_config(**{"device.precision": "auto"}))
    assert chosen(config, accelerator="cuda")[0] == expected


def test_a_slow_choice_is_said_once(small_config, monkeypatch):
    config = load_config(small_config(**{"device.precision": "bf16-mixed"}))
    for has, count in ((False, 1), (True, 0)):
        monkeypatch.setattr(precision, "cpu_has_bf16", lambda has=has: has)
        found, lines = chosen(config)
        assert found == "bf16-mixed" and len(lines) == count
        assert all("device.precision: bf16-mixed: slower than 32 here" in line for line in lines)


def test_the_comparison_changes_neither_network_nor_random_numbers(small_config):
    config = load_config(small_config())
    config.data.train.input_size = [64, 64]
    network = build_network(arch())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    assert 0 < bf16_speed(network, config) < 100
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_validation_measures_the_network_that_is_exported(shapes, small_config):
    """It computes in 32 bits, as the exported forms do, whatever the training computes in."""
    config = load_config(small_config())
    pictures = read_annotations("CocoDataset", *map(str, shapes[0]))
    samples = DetectionSet(pictures, config.data.val, False)
    batch = collate([samples[0, index, (96, 96)] for index in range(3)])
    torch.manual_seed(0)
    module = TrainingModule(config, build_network(config.model.arch), pictures)
    config.evaluator.score = 0.0
    scores = []
    for half in (False, True):
        module.on_validation_epoch_start()
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=half):
            module.validation_step(batch, 0)
        scores.append([found.confidence.tolist() for _, found in sorted(module._found.items())])
    assert scores[0][0] and scores[0] == scores[1]
