import pytest

from graft.evaluation.verdict import decide, name_of, said_gain, sentence, signed, title_of

NAN = float("nan")


@pytest.mark.parametrize(
    ("low", "high", "margin", "verdict"),
    [
        (0.02, 0.05, 0.01, "helps"),
        (0.0101, 0.0102, 0.01, "helps"),
        (0.01, 0.05, 0.01, "cannot-tell"),  # on the margin is not above it
        (0.71 - 0.70, 0.05, 0.01, "cannot-tell"),  # nor is rounding noise
        (0.01, 0.01, 0.01, "neutral"),
        (-0.01, 0.01, 0.01, "neutral"),
        (0.0, 0.0, 0.0, "neutral"),
        (0.0, 0.0, 0.01, "neutral"),
        (-0.011, 0.01, 0.01, "cannot-tell"),
        (-0.01, 0.011, 0.01, "cannot-tell"),
        (-0.05, -0.01, 0.01, "cannot-tell"),
        (-0.05, -0.02, 0.01, "hurts"),
        (-0.1, 0.1, 0.01, "cannot-tell"),
        (1e-6, 0.1, 0.0, "helps"),
        (NAN, 0.1, 0.01, "cannot-tell"),
        (0.05, NAN, 0.01, "cannot-tell"),
        (NAN, NAN, 0.01, "cannot-tell"),
    ],
)
def test_verdict_follows_from_interval_and_margin(low: float, high: float, margin: float, verdict: str) -> None:
    assert decide(low, high, margin) == verdict


def test_an_interval_with_its_ends_swapped_is_refused() -> None:
    with pytest.raises(ValueError, match="ends before it begins"):
        decide(0.2, 0.1, 0.01)


@pytest.mark.parametrize("verdict", ["helps", "neutral", "hurts", "cannot-tell"])
def test_every_verdict_has_a_sentence_with_gain_interval_and_margin(verdict: str) -> None:
    facts = {"metric": "accuracy", "source": "digits-0-5", "margin": 0.01, "confidence": 0.95, "verdict": verdict}
    said = sentence({**facts, "gain": 0.034, "gain_low": -0.002, "gain_high": 0.071})
    for part in ("+3.4 points", "95 %", "−0.2 to +7.1", "accuracy", "digits-0-5"):
        assert part in said


def test_a_number_that_rounds_to_zero_has_no_sign() -> None:
    assert [signed(number) for number in (-0.04, 0.0, 0.04, -0.06, 1)] == ["0.0", "0.0", "0.0", "−0.1", "+1.0"]


def test_a_gain_of_a_metric_that_is_no_share_is_counted_in_its_unit() -> None:
    facts = {"metric": "loss", "source": "plays", "margin": 0.02, "confidence": 0.95, "verdict": "helps"}
    metrics = {**facts, "gain": 0.0341, "gain_low": 0.021, "gain_high": 0.05, "higher_is_better": False}
    assert "gives +0.034 nats of loss" in sentence(metrics)
    assert "the margin of 0.02." in sentence(metrics)
    assert said_gain(metrics) == "+0.034 nats (+0.021 to +0.050)"
    assert said_gain({**metrics, "metric": "accuracy"}) == "+3.4 points (+2.1 to +5.0)"


@pytest.mark.parametrize(
    ("key", "name", "title"),
    [
        ("map", "mAP", "mAP"),
        ("map_50", "mAP@50", "mAP@50"),
        ("ap_white blood_cell", "AP of white blood_cell", "AP of white blood_cell"),
        ("equal_error_rate", "equal error rate", "Equal error rate"),
        ("auroc of mass", "AUROC of mass", "AUROC of mass"),
        ("macro_f1", "macro-f1", "Macro-f1"),
    ],
)
def test_metrics_are_called_what_the_field_calls_them(key, name, title):
    assert (name_of(key), title_of(key)) == (name, title)
