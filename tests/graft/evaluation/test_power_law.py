import numpy as np
import pytest

from graft.evaluation.power_law import EXPONENTS, fit_power_law

COUNTS = [4, 8, 16, 32, 64]


@pytest.mark.parametrize("exponent", [EXPONENTS[70], EXPONENTS[150]])
def test_a_law_without_noise_is_found_again(exponent):
    labels = np.array(COUNTS, dtype=float)
    law = fit_power_law(COUNTS, 0.05 + 0.6 * labels**-exponent)
    assert law.error(128) == pytest.approx(0.05 + 0.6 * 128**-exponent, abs=1e-9)
    assert (law.floor, law.scale, law.exponent) == pytest.approx((0.05, 0.6, exponent), abs=1e-6)


def test_between_the_exponents_that_are_searched_the_next_doubling_is_still_right():
    law = fit_power_law(COUNTS, 0.02 + 0.5 * np.array(COUNTS) ** -0.43)
    assert law.error(64) - law.error(128) == pytest.approx(0.5 * (64**-0.43 - 128**-0.43), abs=2e-4)


def test_every_curve_is_fitted_as_if_it_were_alone():
    errors = np.random.default_rng(0).uniform(0.1, 0.5, (7, 5))
    together = fit_power_law(COUNTS, errors)
    alone = [fit_power_law(COUNTS, one) for one in errors]
    assert np.allclose(together.error(128), np.concatenate([one.error(128) for one in alone]))


@pytest.mark.parametrize("errors", [[0.3] * 5, [0.1, 0.15, 0.2, 0.3, 0.4], [0.0] * 5])
def test_flat_rising_and_perfect_curves_foretell_no_gain(errors):
    law = fit_power_law(COUNTS, errors)
    assert law.error(64) - law.error(128) == pytest.approx(0, abs=1e-12)


def test_no_law_foretells_less_than_no_error():
    steep = fit_power_law(COUNTS, [0.9, 0.5, 0.2, 0.02, 0.0])
    assert steep.floor >= 0
    assert steep.error(10_000) >= 0


def test_three_points_are_too_few():
    with pytest.raises(ValueError, match="needs 4 counts, found 3"):
        fit_power_law(COUNTS[:3], [0.4, 0.3, 0.2])
