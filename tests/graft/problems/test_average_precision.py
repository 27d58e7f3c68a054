"""Mean average precision: that of COCO's own code, and of any weights of the images."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.problems import average_precision
from graft.problems.average_precision import COUNTED, CROWD, DIFFICULT, OVERLAPS, by_class, grade, match, show
from graft.problems.grades import Grades

WHOLE = average_precision.average_precision


def images(count, seed, crowds=False):
    """Return detections near true boxes and elsewhere, and true boxes, of three classes in images of side 1."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        boxes = rng.integers(0, 9)
        corner, size = rng.random((boxes, 2)) * 0.7, rng.random((boxes, 2)) * 0.25 + 0.03
        kinds = rng.choice([COUNTED, COUNTED, CROWD] if crowds else [COUNTED], boxes)
        truth = np.column_stack([rng.integers(0, 3, boxes), corner, corner + size, kinds])
        found = [
            [
                row[0] if rng.random() < 0.85 else rng.integers(0, 3), 0.3 + 0.7 * rng.random(),
                *(row[1:5] + rng.normal(0, 0.012, 4)),
            ]
            for row in truth for _ in range(rng.integers(0, 3))
        ]  # fmt: skip
        corner = rng.random((rng.integers(0, 6), 2)) * 0.7
        found += [[rng.integers(0, 3), 0.6 * rng.random(), *at, *(at + rng.random(2) * 0.3)] for at in corner]
        made.append((np.array(found, dtype=np.float64).reshape(-1, 6), truth))
    return made


def shown(made):
    return [show(found, truth) for found, truth in made]


def plainly(made, overlap, kind):
    """Return the average precision of a class at one overlap as COCO describes it, written down step by step."""
    judged, boxes = [], 0
    for found, truth in made:
        mine = sorted((row for row in found if row[0] == kind), key=lambda row: -row[1])
        its = [row for row in truth if row[0] == kind]
        boxes += sum(row[5] == COUNTED for row in its)
        free = {place for place, row in enumerate(its) if row[5] == COUNTED}
        for row in mine:
            shares = {place: share(row[2:], box[1:5], box[5] == CROWD) for place, box in enumerate(its)}
            fit = [(shares[place], place) for place in free if shares[place] >= overlap]
            if fit:
                free.remove(max(fit)[1])
                judged.append((row[1], True))
            elif all(shares[place] < overlap for place, box in enumerate(its) if box[5] != COUNTED):
                judged.append((row[1], False))
    if not boxes:
        return None
    hits = np.cumsum([right for _, right in sorted(judged, key=lambda one: -one[0])])
    recall, precision = hits / boxes, hits / np.arange(1, len(hits) + 1)
    at = np.linspace(0, 1, 101)
    return np.mean([max(precision[recall >= least], default=0.0) for least in at])


def share(one, other, crowd):
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    both = max(sides[0], 0) * max(sides[1], 0)
    mine, theirs = ((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return both / (mine if crowd else mine + theirs - both)


@pytest.mark.parametrize("crowds", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_what_the_definition_says(seed, crowds):
    made = images(8, seed, crowds)
    found = {kind: float(value[0]) for kind, value, _ in by_class(shown(made), np.ones((1, 8)))}
    expected = {kind: [plainly(made, overlap, kind) for overlap in OVERLAPS] for kind in range(3)}
    known = {kind: np.mean(values) for kind, values in expected.items() if None not in values}
    assert found == pytest.approx(known, abs=1e-12)
    assert WHOLE(shown(made), np.ones((1, 8)))[0] == pytest.approx(np.mean([*known.values()]), abs=1e-12)
    half = [expected[kind][0] for kind in known]
    assert average_precision.at(0.5)(shown(made), np.ones((1, 8)))[0] == pytest.approx(np.mean(half), abs=1e-12)
    assert known
    assert 0.1 < np.mean([*known.values()]) < 0.9


# what pycocotools 2.0.11 says of the same boxes: mean, mean at 0.5, and the mean with crowds
PUBLISHED = {
    0: (0.2949728645, 0.5715246799, 0.1541289084),
    1: (0.2201535689, 0.4021830755, 0.1981430994),
    2: (0.2726696849, 0.5445301754, 0.2702614586),
}


@pytest.mark.parametrize("seed", PUBLISHED)
def test_it_is_what_pycocotools_says(seed):
    once = np.ones((1, 12))
    plain, crowded = (shown(images(12, seed, crowds)) for crowds in (False, True))
    found = (WHOLE(plain, once)[0], average_precision.at(0.5)(plain, once)[0], WHOLE(crowded, once)[0])
    assert found == pytest.approx(PUBLISHED[seed], abs=1e-9)


@settings(max_examples=25)
@given(st.integers(0, 99), st.lists(st.integers(0, 3), min_size=6, max_size=6))
def test_an_image_that_is_drawn_twice_counts_as_two_images(seed, counts):
    made = images(6, seed, crowds=True)
    repeated = [made[row] for row in np.repeat(np.arange(6), counts)]
    drawn = WHOLE(shown(made), np.array([counts], dtype=float))[0]
    once = WHOLE(shown(repeated), np.ones((1, len(repeated))))[0] if repeated else 0.0
    assert drawn == pytest.approx(once, abs=1e-12)


def test_every_draw_is_as_if_it_were_alone():
    rows = shown(images(9, 4))
    counts = np.random.default_rng(0).multinomial(9, np.ones(9) / 9, 40).astype(float)
    together = grade(rows).drawn(counts)[:, 0]
    assert together == pytest.approx([WHOLE(rows, one[None])[0] for one in counts])
    both = Grades.stack([grade(rows), grade(shown(images(9, 5)))])
    assert both.values[0] == pytest.approx(WHOLE(rows, np.ones((1, 9)))[0])
    assert both.by_row[0] == pytest.approx([WHOLE([row], np.ones((1, 1)))[0] for row in rows])


def test_a_box_is_found_once_and_the_nearest_is_taken():
    truth = np.array([[0, 0.0, 0.0, 0.4, 0.4, COUNTED], [0, 0.05, 0.0, 0.45, 0.4, COUNTED]])
    found = np.array([[0.05, 0.0, 0.45, 0.4], [0.05, 0.0, 0.45, 0.4], [0.05, 0.0, 0.45, 0.4]])
    assert match(found, truth)[:, 0].tolist() == [1, 1, 0]
    assert match(found, truth)[:, -1].tolist() == [1, 0, 0]  # the second does not overlap the first box that much


def test_what_is_difficult_or_a_crowd_asks_for_nothing():
    box = [0.1, 0.1, 0.5, 0.5]
    for kind in (CROWD, DIFFICULT):
        truth = np.array([[0, *box, kind], [0, 0.6, 0.6, 0.9, 0.9, COUNTED]])
        found = np.array([[0, 0.9, *box], [0, 0.8, 0.6, 0.6, 0.9, 0.9]])
        assert WHOLE([show(found, truth)], np.ones((1, 1)))[0] == pytest.approx(1.0)
        assert WHOLE([show(found[:1], truth)], np.ones((1, 1)))[0] == 0.0
    inside = np.array([[0, 0.9, 0.2, 0.2, 0.3, 0.3]])  # a part of a crowd is one of it, a part of a box is not the box
    assert show(inside, np.array([[0, *box, CROWD]]))[0, 2] == average_precision.IGNORED
    assert show(inside, np.array([[0, *box, DIFFICULT]]))[0, 2] == average_precision.MISS


def test_images_without_boxes_only_hold_false_alarms():
    empty, alarm = np.zeros((0, 6)), np.array([[0, 0.95, 0.1, 0.1, 0.3, 0.3]])
    truth = np.array([[0, 0.6, 0.6, 0.9, 0.9, COUNTED]])
    right = np.array([[0, 0.9, 0.6, 0.6, 0.9, 0.9]])
    once = np.ones((1, 2))
    assert WHOLE([show(right, truth), show(empty, empty)], once)[0] == pytest.approx(1.0)
    assert WHOLE([show(right, truth), show(alarm, empty)], once)[0] == pytest.approx(0.5)
    assert WHOLE([show(alarm, empty)], np.ones((1, 1)))[0] == 0.0
