"""CrowdHuman's AP, MR^-2 and JI: cases worked out by hand, and ``nanodet eval`` on an .odgt file."""

import argparse
import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanodet.cli import eval as command
from nanodet.compare.tensors import generated_picture
from nanodet.data.records import Annotations, Picture
from nanodet.evaluate.crowd_metrics import SCORES, crowd_metrics
from nanodet.evaluate.matching import matching_sizes
from nanodet.runtime.detections import Detections


def square(x, y=0, width=10, height=10):
    return [x, y, x + width, y + height]


A, B, C, D = (square(x) for x in (0, 20, 40, 60))
FAR = square(200, 200)


def measure(*images):
    """The measures of images, each (objects, [(box, score), ...], ignored regions)."""
    records, detections = [], []
    for objects, found, *ignored in images:
        boxes = np.array(objects, np.float32).reshape(-1, 4)
        regions = np.array(ignored, np.float32).reshape(-1, 4)
        records.append(
            Picture(
                "a.jpg", 1, 640, 480, boxes, np.zeros(len(boxes), np.int64), np.ones(len(boxes)),
                regions, np.zeros(len(regions), np.int64), np.ones(len(regions)),
                np.ones(len(regions), bool),
            )
        )  # fmt: skip
        detections.append(
            Detections([b for b, _ in found], [s for _, s in found], [0] * len(found))
        )
    crowd = crowd_metrics(Annotations(("person",), (1,), records), detections)
    return crowd.AP, crowd.MR, crowd.JI


def geometric(*rates):
    assert len(rates) == 9
    return 100 * math.prod(rates) ** (1 / 9)


def test_all_found():
    assert measure(([A, B], [(A, 0.9), (B, 0.4)])) == pytest.approx((100, 0, 100))


def test_a_crowd_of_duplicates():
    """Of A, B, C, D: A twice, then B. Right, wrong, right: precision 1, 1/2, 2/3 at recall 1/4, 1/4, 2/4.

    One image: below one false positive 3 of 4 are missed, at one 2 of 4. JI of all three: 2 / (3 + 4 - 2);
    of the first alone 1 / 4.
    """
    found = [(A, 0.9), (A, 0.8), (B, 0.7)]
    expected = 100 * (1 / 4 + 1 / 4 * 2 / 3), geometric(*[3 / 4] * 8, 2 / 4), 100 * 2 / 5
    assert measure(([A, B, C, D], found)) == pytest.approx(expected)


def test_precision_is_the_best_at_this_recall_or_above():
    """Wrong, right, right: precision 0, 1/2, 2/3: the area is 2/3 of the whole recall."""
    ap, mr, ji = measure(([A, B], [(FAR, 0.9), (A, 0.8), (B, 0.7)]))
    assert (ap, mr) == (pytest.approx(100 * 2 / 3), 0)
    assert ji == pytest.approx(100 * 2 / 3)


def test_an_ignored_region_matched_by_a_detection():
    """Detections in the region do not count, however many; one that is half in it is wrong."""
    region, inside, half = square(100, 100, 50, 50), square(110, 110), square(95, 110)
    more = [(inside, 0.95), (inside, 0.94), (square(94, 100, 13, 10), 0.93)]  # 7 of 13 columns
    assert measure(([A, B], [*more, (A, 0.9)], region)) == measure(([A, B], [(A, 0.9)]))
    ap, mr, ji = measure(([A, B], [(half, 0.95), (A, 0.9)], region))
    assert ap == pytest.approx(100 * 1 / 2 * 1 / 2)
    assert mr == pytest.approx(geometric(*[1] * 8, 1 / 2))
    assert ji == pytest.approx(100 * 1 / 3)


def test_an_object_goes_before_the_region_it_lies_in():
    """It is found as any other; if it is missed, JI alone does not count it."""
    region = square(0, 0, 30, 30)
    assert measure(([A, C], [(A, 0.9), (C, 0.9)], region)) == pytest.approx((100, 0, 100))
    ap, mr, ji = measure(([A, C], [(C, 0.9)], region))
    assert (ap, mr, ji) == pytest.approx((50, 50, 100))


def test_an_ignored_person_is_no_object():
    """The detection of a person to be ignored neither helps nor hurts, and leaves others alone."""
    assert measure(([B], [(A, 0.9), (B, 0.8)], A)) == pytest.approx((100, 0, 100))
    # a box over A and the ignored one takes A, which is counted
    assert measure(([A], [(A, 0.9)], square(1))) == pytest.approx((100, 0, 100))


def test_nothing_detected_nothing_to_detect_or_neither():
    assert measure(([A, B], [])) == (0, 100, 0)
    assert measure(([], [(A, 0.9)])) == (None, None, 0)
    assert measure(([], [])) == (None, None, None)
    assert measure() == (None, None, None)
    assert measure(([], [(square(2, 2), 0.9)], square(0, 0, 30, 30))) == (None, None, None)


def test_images_without_people_count_for_false_positives_only():
    """Two images, one without people: one false positive is 1/2 per image, from 0.5623 on allowed."""
    ap, mr, ji = measure(([A, B], [(A, 0.5), (B, 0.45)]), ([], [(FAR, 0.6)]), ([], []))
    assert ap == pytest.approx(100 * 2 / 3)
    ap, mr, ji = measure(([A, B], [(A, 0.55)]), ([], [(FAR, 0.65)]))
    assert mr == pytest.approx(geometric(*[1] * 7, 1 / 2, 1 / 2))
    assert ji == pytest.approx(100 * (1 / 2 + 0) / 2)  # the mean over two images that have anything


def test_equal_scores_are_one_step_of_the_curve():
    """A right and a wrong one of the same score: recall 1/2 at precision 1/2, in any order."""
    right, wrong = (A, 0.5), (FAR, 0.5)
    expected = 100 * 1 / 2 * 1 / 2, geometric(*[1] * 8, 1 / 2), 100 * 1 / 3
    for found in ([right, wrong], [wrong, right]):
        assert measure(([A, B], found)) == pytest.approx(expected)
    split = ([A, B], [right]), ([], [wrong])
    assert measure(*split) == pytest.approx(measure(*split[::-1]))
    # one fits both objects, the other A only: the better fit goes first, in any order
    near = square(0, 3)
    pair = [(square(0, 1), 0.5), (square(0, 0), 0.5)]
    assert (
        measure(([A, near], pair))
        == measure(([near, A], pair[::-1]))
        == pytest.approx((100, 0, 100))
    )


def test_the_nine_points_of_the_miss_rate():
    """100 images, 25 objects. Right, wrong and right again: 10, 2, 5, 20, 5.

    Allowed are 1, 1.8, 3.2, 5.6, 10, 17.8, 31.6, 56.2 and 100 wrong ones: before the first two, 10 are
    found; before the next twenty, 15; then 20.
    """
    rows = [([A], []) for _ in range(25)] + [([], []) for _ in range(75)]
    right, wrong = iter(range(25)), iter(range(100))
    for count, hit, score in ((10, 1, 0.9), (2, 0, 0.8), (5, 1, 0.7), (20, 0, 0.6), (5, 1, 0.5)):
        for _ in range(count):
            rows[next(right if hit else wrong)][1].append((A if hit else FAR, score))
    expected = geometric(*[15 / 25] * 2, *[10 / 25] * 4, *[5 / 25] * 3)
    assert measure(*rows)[1] == pytest.approx(expected)


def test_exactly_as_many_false_positives_as_allowed():
    """Ten images: the point 0.1 allows one of them, whatever the rounding of 0.1 * 10."""
    rows = [([A, B], [(FAR, 0.9), (A, 0.8)]), *[([], [])] * 9]
    assert measure(*rows)[1] == pytest.approx(geometric(*[1] * 4, *[1 / 2] * 5))


def test_more_than_half_must_overlap():
    """10 x 10 in 10 x 20 is an IoU of exactly 1/2."""
    tall = square(0, 0, 10, 20)
    assert measure(([tall], [(A, 0.9)])) == (0, 100, 0)
    assert measure(([tall], [(square(0, 0, 10, 11), 0.9)])) == pytest.approx((100, 0, 100))


def test_ap_is_greedy_and_ji_the_largest_matching():
    """The first fits A best (9/11) but also the other (8/12), the second fits A only (8/12)."""
    top, low = square(0, 10), square(0, 13)
    found = [(square(0, 11), 0.9), (square(0, 8), 0.8)]
    ap, mr, ji = measure(([top, low], found))
    assert ap == pytest.approx(50) and ji == pytest.approx(100)
    assert mr == pytest.approx(50)


def test_the_best_score_of_ji():
    """Below 0.5 two wrong ones come in: 2 / 4 above 0.4 (or less), 2 / 2 above 0.5."""
    crowd_found = [(A, 0.9), (B, 0.8), (C, 0.5), (D, 0.45)]
    assert measure(([A, B], crowd_found))[2] == pytest.approx(100)
    low = [(A, 0.9), (B, 0.85), (C, 0.95), (D, 0.93)]  # no threshold keeps the right ones alone
    assert measure(([A, B], low))[2] == pytest.approx(50)


def test_classes_are_measured_each_and_averaged():
    record = Picture("a.jpg", 1, 640, 480, np.float32([A, B]), np.array([0, 2]), np.ones(2))
    data = Annotations(("person", "unseen", "rider"), (1, 2, 3), [record])
    crowd = crowd_metrics(data, [Detections([A, C, C], [0.9, 0.8, 0.7], [0, 1, 2])])
    assert [(one.name, one.objects, one.AP, one.JI) for one in crowd.classes] == [
        ("person", 1, 100, 100), ("rider", 1, 0, 0),
    ]  # fmt: skip
    assert crowd.to_dict() == {"AP": 50, "MR": 50, "JI": 50}


RUNS = st.lists(
    st.tuples(st.integers(0, 12), st.integers(4, 7), st.sampled_from([0.15, 0.35, 0.55, 0.75])), max_size=4
)  # fmt: skip
IMAGES = st.lists(st.tuples(RUNS, RUNS, RUNS), min_size=1, max_size=3)


def built(images):
    """Rows of boxes side by side, so that they overlap often."""
    for truth, found, ignored in images:
        yield (
            [square(x, 0, w) for x, w, _ in truth],
            [(square(x, 0, w), s) for x, w, s in found],
            *[square(x, 0, w) for x, w, _ in ignored[:2]],
        )


def best_index(objects, found, regions, score):
    """JI of an image by trying every matching."""

    def overlap(one, other, of_both):
        shared = max(min(one[2], other[2]) - max(one[0], other[0]), 0)
        whole = one[2] - one[0] + (other[2] - other[0] - shared if of_both else 0)
        return 2 * shared > whole

    found = [box for box, s in found if s > score]
    excused = [any(overlap(box, region, False) for region in regions) for box in found]
    spared = [any(overlap(box, region, False) for region in regions) for box in objects]
    near = [[overlap(box, other, True) for other in objects] for box in found]
    results = []
    for choice in itertools.product(range(-1, len(objects)), repeat=len(found)):
        used = [m for m in choice if m >= 0]
        if len(set(used)) == len(used) and all(m < 0 or near[n][m] for n, m in enumerate(choice)):
            counted = sum(m >= 0 or not excused[n] for n, m in enumerate(choice))
            kept = sum(m in used or not spared[m] for m in range(len(objects)))
            union = counted + kept - len(used)
            results.append((len(used), len(used) / union if union else math.nan))
    most = max(size for size, _ in results)
    return max(index for size, index in results if size == most)


@given(IMAGES)
@settings(max_examples=60, deadline=None)
def test_ji_is_that_of_all_matchings_tried(images):
    rows = list(built(images))
    ji = measure(*rows)[2]
    table = np.array([[best_index(o, f, i, float(s)) for s in SCORES] for o, f, *i in rows])
    if np.isnan(table).all():
        assert ji is None
        return
    means = [np.nanmean(column) for column in table.T if not np.isnan(column).all()]
    assert 0 <= ji <= 100 and ji == pytest.approx(100 * max(means))


@given(IMAGES, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_order_does_not_matter_and_false_detections_never_help(images, random):
    rows = list(built(images))
    values = measure(*rows)
    mixed = [
        tuple(random.sample(part, len(part)) for part in (o, f)) + tuple(i) for o, f, *i in rows
    ]
    random.shuffle(mixed)
    assert measure(*mixed) == pytest.approx(values)
    lowest = min((s for _, f, *_ in rows for _, s in f), default=1.0)
    objects, found, *ignored = rows[0]
    worse = measure((objects, [*found, (FAR, random.choice([lowest, 0.05]))], *ignored), *rows[1:])
    if values[0] is not None:
        assert worse[0] <= values[0] and worse[1] >= values[1]
    if values[2] is not None:
        assert worse[2] <= values[2] + 1e-9


def test_a_long_chain_is_matched_along_all_of_it():
    """Vertex i of the left takes i of the right and fits i + 1, too; the last, for 0, moves all on."""
    n = 5000
    edges = [*([i, i + 1] for i in range(n)), [0]]
    assert list(matching_sizes(edges))[-1] == n + 1
    assert list(matching_sizes([[0], [0], [], [0, 1]])) == [1, 1, 1, 2]


def test_eval_of_an_odgt_file(small_checkpoint, tmp_path, capsys):
    """What a model finds best in two drawn images is made the truth, and what else it finds is masked."""
    pytest.importorskip("pycocotools")
    from nanodet.evaluate.run import evaluation_detector
    from nanodet.images.image_file import read_picture, write_picture

    detector, lines = evaluation_detector(small_checkpoint), []
    for n in range(2):
        file = tmp_path / "images" / f"1,{n}.jpg"
        write_picture(file, generated_picture(n))
        found = detector(read_picture(file))
        x1, y1, x2, y2 = found.xyxy[0].tolist()
        name = detector.spec.class_names[found.class_id[0]]
        entry = {"tag": name, "fbox": [x1, y1, x2 - x1, y2 - y1], "vbox": [1, 1, 9, 9]}
        mask = {"tag": "mask", "fbox": [0, 0, 480, 360], "vbox": [400, 300, 9, 9]}
        lines.append(json.dumps({"ID": f"1,{n}", "gtboxes": [entry, mask]}))
    (tmp_path / "a.odgt").write_text("\n".join(lines))
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    where = ["--images", tmp_path / "images", "--annotations", tmp_path / "a.odgt"]
    for options, crowd in (
        (["--format", "odgt"], {"AP": 100, "MR": 0, "JI": 100}),
        (["--box", "visible"], {"AP": 0, "MR": 100, "JI": 0}),
    ):
        arguments = [small_checkpoint, *where, *options, "--json", tmp_path / "out.json"]
        command.run(parser.parse_args([str(argument) for argument in arguments]))
        out = capsys.readouterr().out.splitlines()
        assert out[0].split() == ["CrowdHuman", "objects", "AP", "MR^-2", "JI"]
        assert out[1].split()[-7:-3] == ["2", *(f"{crowd[key]:.2f}" for key in ("AP", "MR", "JI"))]
        written = json.loads((tmp_path / "out.json").read_text())
        assert written["crowd"] == crowd and written["images"] == 2 and "AP50" in written
