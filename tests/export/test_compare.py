"""The comparison finds errors of the size it promises to find, where it promises to look."""

import json
import os

import numpy as np
import pytest
from specs import NANODET_M

from nanodet import NanodetError
from nanodet.compare.outputs import BRAIN, FULL, HALF, Errors, compare_stages, format_table
from nanodet.export.ncnn_file import finish_graph
from nanodet.export.quiet import decisive_line, stage
from nanodet.runtime.spec import Spec

SPEC = Spec(class_names=("a", "b"), input_size=(64, 32), **NANODET_M)


class Fixed:
    """A backend that gives the same output every time."""

    spec, path = SPEC, "fixed"

    def __init__(self, output):
        self.output = output

    def run(self, tensor):
        return self.output.copy()


@pytest.fixture
def output():
    rng = np.random.default_rng(0)
    points = SPEC.point_count(SPEC.input_size)
    scores = rng.uniform(0.1, 0.9, (points, 2))
    return np.concatenate([scores, rng.normal(size=(points, 32))], axis=1).astype(np.float32)


TENSOR = np.zeros((1, 3, 32, 64), np.float32)


def compared(output, changed, tolerance=FULL):
    tolerances = {"stage": tolerance}
    return compare_stages(Fixed(output), {"stage": Fixed(changed)}, [TENSOR], tolerances)[0]


def test_equal_outputs_agree(output):
    result = compared(output, output)
    assert result.agrees
    assert (result.score_max, result.edge_max, result.points) == (0, 0, len(output))
    assert json.loads(json.dumps(result.to_dict()))["pictures"] == 1


def test_one_score_off(output):
    changed = output.copy()
    changed[7, 1] += 0.002
    result = compared(output, changed)
    assert not result.agrees
    assert result.score_max == pytest.approx(0.002, rel=1e-3)
    assert compared(output, changed, HALF).agrees
    assert format_table([result]).endswith(
        "DIFFERS: its output is off by 0.002 in score (allowed 0.001)"
    )


def test_an_edge_is_measured_in_pixels_of_its_stride(output):
    changed = output.copy()
    for one in (output, changed):
        one[-1, 2:10] = -30.0  # the left edge of the last point, stride 32
    output[-1, 2 + 3], changed[-1, 2 + 4] = 30.0, 30.0  # from bin 3 to bin 4
    assert compared(output, changed).edge_max == pytest.approx(32, rel=1e-4)


def test_noise_between_two_peaks_is_no_fault(output):
    """The same noise of logits, and the same error in pixels, of a distribution with one peak."""
    output = output.copy()
    output[:, 2:] = -30
    two, one = output.copy(), output.copy()
    two[:, [2, 9]] = 0  # the left edge is 0 or 7 strides away
    one[:, [5, 6]] = 0  # 3 or 4
    noise = output.copy()
    noise[:, :] = 0
    noise[:, 9] = 1e-3
    result = compared(two, two + noise)
    assert result.edge_max > FULL.edge > result.edge_steady and result.agrees
    noise[:, 9], noise[:, 6] = 0, 4 * result.edge_max / 32
    changed = compared(one, one + noise)
    assert changed.edge_max == pytest.approx(result.edge_max, rel=0.01)
    assert not changed.agrees and "px in edges (allowed 0.05 px)" in changed.problem


@pytest.fixture
def many():
    """A spec of 1260 points, and an output whose boxes are 4 to 8 strides wide."""
    spec = Spec(class_names=("a", "b"), input_size=(320, 192), **NANODET_M)
    rng = np.random.default_rng(2)
    points = spec.point_count(spec.input_size)
    scores = rng.uniform(0.1, 0.9, (points, 2))
    logits = np.full((points, 4, 8), -20.0)
    bins = rng.integers(2, 4, (points, 4))
    np.put_along_axis(logits, bins[:, :, None], 20, axis=2)
    return spec, np.concatenate([scores, logits.reshape(points, -1)], axis=1).astype(np.float32)


def judged(many, change, tolerance):
    """Compare after ``change(output)``."""
    spec, output = many
    changed = output.copy()
    change(changed)
    errors = Errors(spec, tolerance)
    errors.add(output, changed, spec.input_size)
    return errors.result("stage")


def moved(part, edge):
    """Return a change that moves one edge of every ``1 / part``-th point by a stride."""

    def change(output):
        logits = output[:: round(1 / part), 2:].reshape(-1, 4, 8)
        logits[:, edge] = np.roll(logits[:, edge], 1, axis=-1)
        output[:: round(1 / part), 2:] = logits.reshape(len(logits), -1)

    return change


class TestRounded:
    """What is rounded is judged by most of its points, and never by its largest error."""

    @pytest.mark.parametrize("tolerance", [HALF, BRAIN])
    def test_a_few_edges_may_be_far_off(self, many, tolerance):
        result = judged(many, moved(1 / 60, 0), tolerance)
        assert result.edge_max == pytest.approx(32, rel=1e-3) and result.matched < 1
        assert result.agrees
        assert not judged(many, moved(1 / 60, 0), FULL).agrees

    def test_points_that_do_not_match(self, many):
        result = judged(many, moved(1 / 25, 1), HALF)
        assert result.edge_most == 0
        assert result.problem == "95.9 % of its points match (needed 98 %)"
        assert judged(many, moved(1 / 25, 1), BRAIN).agrees

    def test_a_small_error_of_every_edge(self, many):
        def change(output):
            output[:, 2:] *= 0.06  # softer peaks, which pull every edge to the middle

        assert "px in edges (allowed 0.5 px)" in judged(many, change, HALF).problem

    def test_a_small_error_of_every_score(self, many):
        def change(output):
            output[:, :2] += 0.02

        assert (
            judged(many, change, HALF).problem
            == "its output is off by 0.02 in score (allowed 0.01)"
        )
        assert judged(many, change, BRAIN).agrees

    def test_what_is_no_number_is_always_wrong(self, output):
        changed = output.copy()
        changed[3, 5] = np.nan
        result = compared(output, changed, BRAIN)
        assert not result.agrees and "not finite" in result.failure


def test_edges_count_only_where_they_are_read(output):
    small = Spec(class_names=("a", "b"), input_size=(160, 96), **NANODET_M)
    rng = np.random.default_rng(1)
    points = small.point_count(small.input_size)
    output = np.concatenate(
        [rng.uniform(0, 0.04, (points, 2)), rng.normal(size=(points, 32))], axis=1
    )
    output = output.astype(np.float32)
    changed = output.copy()
    changed[np.argsort(-output[:, :2].max(axis=1))[100:], 2:] += rng.normal(size=(points - 100, 32))
    backends = [Fixed(output), Fixed(changed)]
    for backend in backends:
        backend.spec = small
    tensor = np.zeros((1, 3, 96, 160), np.float32)
    (result,) = compare_stages(backends[0], {"stage": backends[1]}, [tensor])
    assert (result.points, result.edge_max) == (100, 0)


def test_a_wrong_shape_is_a_result(output):
    result = compared(output, output[:-1])
    assert not result.agrees
    assert "points" in result.failure
    assert "failed" in format_table([result])


class TestFinishGraph:
    def text(self, *layers):
        return "\n".join(["7767517", f"{len(layers)} 9", *layers]) + "\n"

    def test_sizes_go(self):
        text, any_size = finish_graph(
            self.text(
                "Input x 0 1 in0",
                "Interp u 1 1 in0 1 0=2 1=2.0 2=2.0 6=0",
                "Reshape r 1 1 1 2 0=32 1=34",
                "Permute p 1 1 2 out0 0=1",
            ),
            SPEC,
        )
        assert any_size
        assert [line.split()[4:] for line in text.splitlines()[2:]] == [
            ["data"], ["data", "1", "0=2", "1=2.0", "2=2.0", "6=0"],
            ["1", "2", "0=-1", "1=34"], ["2", "output", "0=1"],
        ]  # fmt: skip

    @pytest.mark.parametrize(
        "layer", ["Reshape r 1 1 in0 out0 0=4 1=8 2=34", "Interp u 1 1 in0 out0 0=2 3=8 4=4"]
    )
    def test_sizes_that_stay_are_told(self, layer):
        text, any_size = finish_graph(self.text("Input x 0 1 in0", layer), SPEC)
        assert not any_size
        assert text.splitlines()[-1].split()[6:] == layer.split()[6:]

    def test_other_names_are_refused(self):
        with pytest.raises(NanodetError, match="unexpected blob names"):
            finish_graph(self.text("Input x 0 1 in7", "Permute p 1 1 in7 out0 0=1"), SPEC)

    def test_operators_without_a_layer_are_named(self):
        layers = (
            "Input x 0 1 in0", "Tensor.reshape r 1 1 in0 a shape=(1,24,3,4,42)",
            "torch.unbind u 1 2 a b c dim=0", "torch.unbind v 1 2 b d out0 dim=0",
        )  # fmt: skip
        with pytest.raises(
            NanodetError, match=r"no layer for Tensor\.reshape, torch\.unbind of this"
        ):
            finish_graph(self.text(*layers), SPEC)


class TestQuiet:
    def test_noise_is_swallowed_and_errors_are_named(self, capfd):
        def fail():
            with stage("a stage"):
                print("noise")
                os.system("echo more noise; echo and more >&2")
                raise ValueError("\nsome words\nit failed here\nmore words")

        with pytest.raises(NanodetError, match=r"^export: a stage: ValueError: it failed here$"):
            fail()
        print("after")
        assert capfd.readouterr() == ("after\n", "")

    def test_decisive_line(self):
        assert decisive_line("loading\nerror: no such layer\nbye\n") == "error: no such layer"
        assert decisive_line("one\ntwo\n\n") == "two"
        assert decisive_line("") == ""
