import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau, spearmanr

from graft.ranking.correlation import Correlation, correlate, kendall_rows, rank_correlation, spearman_rows
from graft.ranking.history import Past, Unknown


def past(scores, gains):
    return [
        Past(f"t{place}@1", f"t{place}", "s", {} if score is None else {"logme": score}, gain)
        for place, (score, gain) in enumerate(zip(scores, gains, strict=True))
    ]


def test_by_hand():
    """Scores in the order 1 2 3 4 5, gains in the order 2 1 3 5 4.

    Spearman: squared differences of ranks 1 + 1 + 0 + 1 + 1 = 4, so 1 - 6 * 4 / (5 * 24) = 0.8.
    Kendall: of ten pairs two are the wrong way round: (8 - 2) / 10 = 0.6.
    """
    found = correlate(past([1, 2, 3, 4, 5], [0.2, 0.1, 0.3, 0.5, 0.4]), "logme")
    assert found.studies == 5
    assert found.spearman.value == pytest.approx(0.8)
    assert found.kendall.value == pytest.approx(0.6)


@pytest.mark.parametrize("studies", range(5))
def test_below_five_studies_nothing_is_said(studies):
    scores = np.arange(studies)
    assert correlate(past(scores, scores / 10), "logme") == Unknown(f"not enough studies yet ({studies} of 5)")


def test_only_studies_that_had_the_score_count():
    history = past([1, 2, 3, 4, None, None], [1, 2, 3, 4, 5, 6])
    assert correlate(history, "logme") == Unknown("not enough studies yet (4 of 5)")


def test_scores_or_gains_that_are_all_the_same_have_no_order():
    assert correlate(past([1] * 6, range(6)), "logme") == Unknown("all 6 studies have the same score")
    assert correlate(past(range(6), [0.1] * 6), "logme") == Unknown("all 6 studies have the same gain")


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=5, max_size=12).filter(
        lambda pairs: all(len(set(side)) > 1 for side in zip(*pairs, strict=True))
    )
)
def test_the_draws_are_measured_as_scipy_measures_the_whole(pairs):
    first, second = np.array(pairs, dtype=float).T
    assert spearman_rows(first[None], second[None])[0] == pytest.approx(spearmanr(first, second).statistic)
    assert kendall_rows(first[None], second[None])[0] == pytest.approx(kendalltau(first, second).statistic)


def test_the_interval_narrows_with_the_number_of_studies_and_holds_the_value():
    rng = np.random.default_rng(0)
    widths = []
    for studies in (6, 20, 200):
        scores = rng.normal(size=studies)
        found = rank_correlation(scores, scores + rng.normal(size=studies))
        assert found.spearman.low <= found.spearman.value <= found.spearman.high
        assert found.kendall.low <= found.kendall.value <= found.kendall.high
        widths.append(found.spearman.high - found.spearman.low)
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > 0.5


def test_scores_without_any_relation_have_an_interval_around_zero():
    rng = np.random.default_rng(1)
    found = rank_correlation(rng.normal(size=40), rng.normal(size=40))
    assert isinstance(found, Correlation)
    assert found.spearman.low < 0 < found.spearman.high


def test_the_same_history_gives_the_same_interval():
    history = past([1, 2, 3, 4, 5, 6], [0.2, 0.1, 0.3, 0.5, 0.4, 0.6])
    assert correlate(history, "logme") == correlate(history, "logme")
