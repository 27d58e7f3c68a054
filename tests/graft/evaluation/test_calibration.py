import numpy as np
import pytest

from graft.evaluation.calibration import (
    TEMPERATURES,
    brier_score,
    expected_calibration_error,
    fit_temperature,
    reliability,
    softmax,
)


def test_ece_equals_the_sum_done_by_hand() -> None:
    # two bins: confidence 0.9 with 1 of 2 right (gap 0.4), confidence 0.6 with 2 of 2 right (gap 0.4)
    probabilities = [[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.4, 0.6]]
    assert expected_calibration_error(probabilities, [0, 1, 0, 1]) == pytest.approx(0.4)


def test_brier_is_the_squared_distance_done_by_hand() -> None:
    assert brier_score([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], [0, 1]) == pytest.approx(
        ((0.09 + 0.04 + 0.01) + (0.01 + 0.81 + 0.64)) / 2
    )
    assert brier_score([[0.7, 0.3], [0.4, 0.6]], [0, 0]) == pytest.approx((2 * 0.09 + 2 * 0.36) / 2)  # two classes, too
    assert brier_score([[1.0, 0, 0], [0, 1.0, 0]], [0, 1]) == 0  # a label that no row has
    assert brier_score([[1.0, 0], [1.0, 0]], [1, 1]) == 2


def test_ece_is_what_the_reliability_bins_show() -> None:
    rng = np.random.default_rng(0)
    probabilities, labels = softmax(rng.normal(0, 2, (500, 4))), rng.integers(4, size=500)
    bins = reliability(probabilities, labels)
    assert sum(found.rows for found in bins) == 500
    summed = sum(found.rows * abs(found.confidence - found.accuracy) for found in bins) / 500
    assert expected_calibration_error(probabilities, labels) == pytest.approx(summed, abs=1e-6)


def test_certain_predictions_fall_into_the_last_bin() -> None:
    (only,) = reliability([[1.0, 0.0], [0.0, 1.0]], [0, 1])
    assert (only.high, only.rows, only.confidence, only.accuracy) == (1.0, 2, 1.0, 1.0)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_fit_recovers_the_temperature_that_the_logits_were_made_with(temperature: float) -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (20_000, 3))
    labels = (softmax(logits).cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)
    assert fit_temperature(logits * temperature, labels) == pytest.approx(temperature, rel=0.03)


def test_scaling_by_the_fitted_temperature_lowers_the_error_of_an_overconfident_model() -> None:
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 1, (2000, 3))
    labels = (softmax(logits).cumsum(axis=1) > rng.random((2000, 1))).argmax(axis=1)
    temperature = fit_temperature(5 * logits[:1000], labels[:1000])
    before, after = (softmax(5 * logits[1000:], scale) for scale in (1.0, temperature))
    assert expected_calibration_error(after, labels[1000:]) < 0.3 * expected_calibration_error(before, labels[1000:])


def test_few_rows_all_predicted_right_do_not_drive_the_temperature_to_its_bound() -> None:
    logits = np.array([[1.0, 0.0], [0.0, 1.0], [1.2, 0.0], [0.0, 0.8]])
    temperature = fit_temperature(logits, [0, 1, 0, 1])
    assert TEMPERATURES[0] * 2 < temperature < 1
    assert softmax(logits, temperature).max() < 0.99


def test_rows_all_predicted_wrong_end_at_even_odds() -> None:
    temperature = fit_temperature([[3.0, 0.0], [0.0, 3.0]], [1, 0])
    assert temperature == pytest.approx(TEMPERATURES[1], rel=1e-3)


def test_no_rows_leave_probabilities_as_they_are() -> None:
    assert fit_temperature(np.empty((0, 3)), []) == 1.0


def test_huge_logits_stay_numbers() -> None:
    assert np.isfinite(softmax([[1e4, -1e4, 0.0]], 0.05)).all()
    assert np.isfinite(fit_temperature([[1e4, -1e4], [1e4, -1e4]], [0, 1]))
