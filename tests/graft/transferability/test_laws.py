"""What holds for every score: where it has no value it says why, and what must not matter does not."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.transferability import SCORES, Sample, UndefinedScore
from tests.graft.transferability.samples import make_sample

EVERY = pytest.mark.parametrize(
    "score", SCORES.values(), ids=str(list(SCORES)).strip("[]").replace("'", "").split(", ")
)
OF_FEATURES = [name for name, score in SCORES.items() if score.needs == "features"]
SEEDS = st.integers(0, 10_000)
quick = settings(max_examples=6)


def rotation(dimensions, seed):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(dimensions, dimensions)))[0]


def bad(kind):
    """Return rows on which no score has a value."""
    good = make_sample(rows=12)
    match kind:
        case "one row":
            return Sample(good.features[:1], good.labels[:1], good.probabilities[:1])
        case "no row":
            return Sample(good.features[:0], good.labels[:0], good.probabilities[:0])
        case "one class":
            return replace(good, labels=np.zeros(12, int))
        case "classes of one row":
            return replace(good, labels=np.arange(12))
        case "NaN":
            spoilt = [values.copy() for values in (good.features, good.probabilities)]
            for values in spoilt:
                values[3, 1] = np.nan
            return replace(good, features=spoilt[0], probabilities=spoilt[1])
        case "infinite":
            return replace(good, features=good.features / 0.0, probabilities=good.probabilities / 0.0)


REASONS = {
    "one row": "1 labelled row; at least two",
    "no row": "0 labelled rows; at least two",
    "one class": "all 12 rows have the same label",
    "classes of one row": "each of the 12 rows has a label of its own",
    "NaN": "1 of 12 rows have .* that are NaN or infinite",
    "infinite": "12 of 12 rows have .* that are NaN or infinite",
}


@EVERY
@pytest.mark.parametrize("kind", REASONS)
def test_rows_without_an_answer_get_a_reason_and_no_exception(score, kind):
    with np.errstate(divide="ignore"):
        value = score(bad(kind))
    assert isinstance(value, UndefinedScore)
    assert re.match(REASONS[kind], value.reason)
    assert str(value).startswith("undefined: ")


@pytest.mark.parametrize("name", OF_FEATURES)
@pytest.mark.parametrize("noise", [0.0, 1e-7])
def test_features_that_say_nothing_have_no_score(name, noise):
    features = np.full((12, 4), 3.0) + noise * np.random.default_rng(0).normal(size=(12, 4))
    value = SCORES[name](Sample(features.astype(np.float32), np.arange(12) % 2))
    assert value == UndefinedScore("the features are the same for every row")


def test_only_leep_needs_a_source_with_classes():
    sample = replace(make_sample(), probabilities=None)
    undefined = {name: score(sample) for name, score in SCORES.items() if isinstance(score(sample), UndefinedScore)}
    assert undefined == {"leep": UndefinedScore("the source predicts no classes")}


@EVERY
@settings(max_examples=40)
@given(
    seed=SEEDS,
    rows=st.integers(2, 14),
    dimensions=st.integers(1, 20),
    classes=st.integers(2, 6),
    power=st.sampled_from([-20, -3, 0, 3, 12]),
    levels=st.integers(1, 3),
)
def test_any_rows_give_a_finite_number_or_a_reason(score, seed, rows, dimensions, classes, power, levels):
    """Few rows, repeated rows, constant columns, tiny and huge values: never NaN, a warning or an exception."""
    rng = np.random.default_rng(seed)
    features = (rng.integers(0, levels + 1, (rows, dimensions)) * 10.0**power).astype(np.float32)
    probabilities = np.eye(3)[rng.integers(0, 3, rows)]
    value = score(Sample(features, rng.integers(0, classes, rows), probabilities))
    assert isinstance(value, UndefinedScore) or np.isfinite(value)


@EVERY
def test_the_same_rows_give_the_same_bits(score):
    assert score(make_sample(seed=4)) == score(make_sample(seed=4))


@EVERY
@quick
@given(seed=SEEDS, shift=st.integers(1, 5))
def test_names_of_classes_do_not_matter(score, seed, shift):
    sample = make_sample(seed=seed)
    renamed = replace(sample, labels=7 + (sample.labels + shift) % 3)
    assert score(renamed) == pytest.approx(score(sample), abs=1e-6)


@pytest.mark.parametrize("name", OF_FEATURES)
@pytest.mark.parametrize(("seed", "dimensions"), [(0, 3), (1, 12), (2, 60)])
def test_turning_the_features_changes_nothing(name, seed, dimensions):
    """LogME and the rest see features through their inner products alone."""
    sample = make_sample(seed=seed, dimensions=dimensions)
    turned = replace(sample, features=sample.features @ rotation(dimensions, seed))
    assert SCORES[name](turned) == pytest.approx(SCORES[name](sample), abs=1e-6)


@pytest.mark.parametrize("name", OF_FEATURES)
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_unit_of_the_features_changes_nothing(name, scale):
    sample = make_sample(dimensions=60)
    scaled = replace(sample, features=scale * sample.features)
    assert SCORES[name](scaled) == pytest.approx(SCORES[name](sample), abs=1e-6)


@pytest.mark.parametrize("name", [name for name in OF_FEATURES if name != "logme"])
@quick
@given(seed=SEEDS)
def test_a_shift_of_all_rows_changes_nothing(name, seed):
    """But for LogME, whose linear model has no constant term."""
    sample = make_sample(seed=seed)
    moved = replace(sample, features=sample.features + np.random.default_rng(seed).normal(size=12))
    assert SCORES[name](moved) == pytest.approx(SCORES[name](sample), abs=1e-6)


@pytest.mark.parametrize("name", [name for name in SCORES if name not in ("n_leep", "logistic_probe")])
@quick
@given(seed=SEEDS)
def test_the_order_of_the_rows_changes_nothing(name, seed):
    """But for the scores that draw folds or first clusters, with a seed of their own."""
    sample = make_sample(seed=seed)
    order = np.random.default_rng(seed).permutation(len(sample.labels))
    shuffled = Sample(sample.features[order], sample.labels[order], sample.probabilities[order])
    assert SCORES[name](shuffled) == pytest.approx(SCORES[name](sample), abs=1e-6)


@EVERY
def test_the_further_classes_lie_apart_the_higher_the_score(score):
    means = [np.mean([score(make_sample(apart=apart, seed=seed)) for seed in range(8)]) for apart in (0.1, 0.6, 2.0)]
    assert means[0] < means[1] < means[2]


@EVERY
def test_classes_that_lie_apart_score_higher_than_the_same_rows_with_shuffled_labels(score):
    for seed in range(5):
        sample = make_sample(apart=2.0, seed=seed)
        shuffled = replace(sample, labels=np.random.default_rng(seed).permutation(sample.labels))
        assert score(sample) > score(shuffled)


def test_features_and_labels_must_be_of_the_same_rows():
    with pytest.raises(ValueError, match=r"expected features of shape \(3, dimensions\), found \(4, 2\)"):
        Sample(np.zeros((4, 2)), np.zeros(3, int))
    with pytest.raises(ValueError, match=r"expected probabilities of shape \(3, classes\), found \(4, 2\)"):
        Sample(np.zeros((3, 2)), np.zeros(3, int), np.zeros((4, 2)))
