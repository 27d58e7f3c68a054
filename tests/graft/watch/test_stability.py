import numpy as np
import pytest

from graft.watch.stability import chance_of, compare_categories, compare_numbers, js, psi


def test_the_index_is_that_of_the_formula_with_half_a_row_in_every_bin():
    then, now = np.array([49, 49]), np.array([24, 74])
    one, other = np.array([49.5, 49.5]) / 99, np.array([24.5, 74.5]) / 99
    assert psi(then, now) == pytest.approx(((other - one) * np.log(other / one)).sum())
    assert psi(then, then) == 0


def test_the_divergence_is_between_nothing_and_one_bit():
    assert js(np.array([500, 500]), np.array([500, 500])) == 0
    assert 0.98 < js(np.array([100_000, 0]), np.array([0, 100_000])) < 1


@pytest.mark.parametrize(("then", "now"), [(50, 50), (60, 400), (500, 500)])
def test_few_rows_of_one_distribution_stay_below_what_chance_allows(then, now):
    rng = np.random.default_rng(0)
    found = [compare_numbers("x", rng.normal(size=then), rng.normal(size=now)) for _ in range(300)]
    assert np.mean([one.psi > one.chance for one in found]) < 0.03
    assert not sum(one.is_drift(0.2) for one in found) > 9


def test_a_number_that_moved_is_drift_and_its_medians_are_said():
    rng = np.random.default_rng(0)
    found = compare_numbers("brightness", rng.normal(100, 10, 300), rng.normal(120, 10, 300))
    assert found.is_drift(0.2)
    assert float(found.then) == pytest.approx(100, abs=2)
    assert float(found.now) == pytest.approx(120, abs=2)


@pytest.mark.parametrize("now", [8, 32])
def test_a_number_that_never_varied_is_drift_as_soon_as_it_differs_on_either_side(now):
    assert not compare_numbers("width", [16] * 100, [16] * 100).is_drift(0.2)
    assert compare_numbers("width", [16] * 100, [now] * 100).is_drift(0.2)


def test_missing_numbers_are_a_bin_of_their_own():
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=200)
    holed = np.where(np.arange(200) % 2, np.nan, numbers)
    assert compare_numbers("x", numbers, holed).is_drift(0.2)
    assert not compare_numbers("x", holed, holed).is_drift(0.2)


def test_a_category_that_is_new_counts():
    found = compare_categories("mode", ["L"] * 90 + ["RGB"] * 10, ["L"] * 50 + ["CMYK"] * 50)
    assert found.is_drift(0.2)
    assert found.then == "L: 90 %, RGB: 10 %"
    assert found.now == "CMYK: 50 %, L: 50 %"


def test_chance_fades_with_rows_and_grows_with_bins():
    assert chance_of(2, 50, 50) > chance_of(2, 500, 500)
    assert chance_of(10, 50, 50) > chance_of(2, 50, 50)
