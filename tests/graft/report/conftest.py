"""Evidence made by code: a digits study as large as a real one, and one of sentences with a hostile row."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from graft.corruptions import SEVERITIES
from graft.evaluation.bootstrap import Interval
from graft.evaluation.calibration import reliability, softmax
from graft.evaluation.cost import summarise
from graft.evaluation.label_curve import CurvePoint, LabelCurve
from graft.evaluation.points import Point
from graft.problems import PROBLEMS
from graft.report.evidence import Evidence, Fact, count_confusions, worst_mistakes
from graft.report.page import draw_figures

HOSTILE = "<script>alert('x')</script> & \"quotes\" of json.dumps"
GROUPS = [
    {"name": "stem", "parameters": 2_608, "trained": False},
    {"name": "block 1", "parameters": 4_736, "trained": False},
    {"name": "block 2", "parameters": 14_528, "trained": False},
    {"name": "block 3", "parameters": 57_728, "trained": True},
    {"name": "head", "parameters": 260, "trained": True},
]


@pytest.fixture
def make_evidence() -> Callable[..., Evidence]:
    return evidence


@pytest.fixture(scope="session")
def figures() -> Mapping[str, str]:
    """The figures of the plain evidence, for tests of what stands around them: to draw them takes seconds."""
    return draw_figures(evidence())


def evidence(modality: str = "image", classes: int = 4, verdict: str = "helps") -> Evidence:
    rng = np.random.default_rng(0)
    labels = [f"{6 + index}" if modality == "image" else f"area <{index}>" for index in range(classes)]
    truth = rng.integers(classes, size=240)
    probabilities = softmax(2.2 * np.eye(classes)[truth] + rng.normal(0, 1.1, (240, classes)))
    table = _rows(modality, truth, rng)
    trials, curves = list(_trials(rng)), list(_curves(rng))
    return Evidence(
        metrics=_metrics(modality, verdict),
        study=_study(modality, labels),
        trials=trials,
        curves=curves,
        costs=summarise(trials),
        confusion=count_confusions(truth, probabilities),
        reliability=(reliability(softmax(3 * np.log(probabilities)), truth), reliability(probabilities, truth)),
        mistakes=worst_mistakes(table, probabilities, labels, PROBLEMS[f"{modality}-classification"]),
        robustness=list(_points(modality)),
        label_curve=LabelCurve(list(_curve())),
        checks={
            "expectations": [
                _expectation("No test row occurs in train", "error", True, 0.0, "≤ 0", 0),
                _expectation("Share of rows that repeat another", "warning", False, 0.134, "≤ 0.1", 32),
            ]
        },
        lineage=[
            Fact("source checkpoint", "digits-0-5", "5f3a" * 16),
            Fact("target data", "data/digits/target", "91bc" * 16),
        ],
    )


def _expectation(
    title: str, severity: str, success: bool, observed: float, threshold: str, offending: int
) -> dict[str, Any]:
    return {
        "name": "x", "title": title, "severity": severity, "success": success, "observed": observed,
        "threshold": threshold, "offending": offending, "rows": [],
    }  # fmt: skip


def _metrics(modality: str, verdict: str) -> dict[str, Any]:
    gain, low, high = {
        "helps": (0.062, 0.031, 0.094),
        "neutral": (0.002, -0.006, 0.009),
        "hurts": (-0.071, -0.112, -0.033),
        "cannot-tell": (0.014, -0.012, 0.041),
    }[verdict]
    source = "loss" if modality == "text" else "accuracy"
    return {
        "target": "digits", "source": "digits-0-5", "problem": f"{modality}-classification", "metric": "accuracy",
        "transfer": 0.842 + gain, "transfer_low": 0.842 + gain - 0.02, "transfer_high": 0.842 + gain + 0.019,
        "scratch": 0.842, "scratch_low": 0.811, "scratch_high": 0.869,
        "gain": gain, "gain_low": low, "gain_high": high, "verdict": verdict, "margin": 0.01, "confidence": 0.95,
        "higher_is_better": True, "further": ["macro_f1"],
        "macro_f1": 0.901, "macro_f1_scratch": 0.838, "strategy": "top-1", "learning_rate": 0.001,
        "trained_groups": ["block 3", "head"], "trained_parameters": 57_988, "parameters": 79_860,
        "source_metric": source, "source_before": 3.412 if source == "loss" else 0.987,
        "source_after": 3.925 if source == "loss" else 0.903, "forgetting": 0.513 if source == "loss" else 0.084,
        "ece": 0.071, "ece_calibrated": 0.038, "temperature": 1.31, "trials": 105, "seconds": 83.4,
        "flops": 2_480_000_000, "price_per_hour": None, "money": None,
        "brier": 0.164, "brier_calibrated": 0.151,
        **_spreads(source_probe=0.861, gain_over_source=0.043),
        **_spreads(robustness=0.713, robustness_scratch=0.702, robustness_source=0.690),
        **_spreads(robustness_gain=0.011, robustness_gain_over_source=0.023),
        "robustness_rows": 500, "robustness_clean": 0.9, "robustness_clean_scratch": 0.84,
        **_spreads(shift_photos=0.655, shift_photos_scratch=0.54, shift_photos_source=0.61),
        **_spreads(shift_photos_gain=0.115, shift_photos_gain_over_source=0.045), "shift_photos_rows": 320,
        "groups": 3,
        **_spreads(worst_group=0.613, worst_group_scratch=0.488, worst_group_source=0.555),
        "worst_group_name": "<b>", "worst_group_scratch_name": "c", "worst_group_source_name": "c",
        "worst_group_rows": 31, "worst_group_scratch_rows": 45, "worst_group_source_rows": 45,
        "label_multiplier": 2.5, "label_multiplier_low": 1.4, "label_multiplier_high": None,
        "label_multiplier_bound": None, "label_multiplier_note": None, "labels_transfer": 8.0, "labels_scratch": 20.0,
        "label_doubling": 0.024, "label_doubling_low": 0.004, "label_doubling_high": 0.051,
        "label_doubling_check": 0.897, "label_curve_note": None,
        "labels_per_class": 5, "train_rows": 20, "test_rows": 699, "dataset": "91bc" * 16,
        "seeds": [0, 1, 2], "seed": 0, "package": "77aa" * 16,
    }  # fmt: skip


def _spreads(**values: float) -> dict[str, float]:
    ends = {"": 0.0, "_low": -0.02, "_high": 0.02}
    return {f"{name}{end}": value + shift for name, value in values.items() for end, shift in ends.items()}


def _points(modality: str) -> Iterator[Point]:
    """Transfer falls faster than scratch under contrast and typos, and stays ahead under everything else."""
    for arm, start in (("transfer", 0.90), ("scratch", 0.84), ("source", 0.86)):
        yield Point(arm, "corruption", "none", 0, 500, Interval(start, start - 0.02, start + 0.02))
        for name in PROBLEMS[f"{modality}-classification"].corruptions:
            slope = 0.09 if arm == "transfer" and name in ("contrast", "typos") else 0.02
            for severity in SEVERITIES:
                score = start - slope * severity
                yield Point(arm, "corruption", name, severity, 500, Interval(score, score - 0.03, score + 0.03))
        yield Point(arm, "shift", "photos", None, 320, Interval(start - 0.25, start - 0.3, start - 0.2))
        for group in ("a", "<b>", "c"):
            yield Point(arm, "group", group, None, 40, Interval(start - 0.2, start - 0.3, start - 0.1))


def _curve() -> Iterator[CurvePoint]:
    """Transfer does with 8 labels what scratch does with 20."""
    for arm, shares in (("transfer", (0.74, 0.842, 0.87, 0.89, 0.904)), ("scratch", (0.61, 0.7, 0.77, 0.81, 0.842))):
        for labels, share in zip((4, 8, 12, 16, 20), shares, strict=True):
            yield CurvePoint(arm, labels, labels / 4, Interval(share, share - 0.03, share + 0.03))
        yield CurvePoint(arm, 40, 10.0, Interval(shares[-1] + 0.024, shares[-1], shares[-1] + 0.05), projected=True)


def _study(modality: str, labels: list[str]) -> dict[str, Any]:
    means = {"linear-probe": 0.78, "top-1": 0.874, "top-2": 0.886, "full": 0.871, "lp-ft": 0.88, "scratch": 0.80}
    above = {"linear-probe": 4, "top-1": 3, "top-2": 2}
    names = [group["name"] for group in GROUPS]
    candidates = [
        {
            "strategy": strategy, "learning_rate": 1e-3, "mean": mean, "standard_error": 0.012 + 0.03 * (0.9 - mean),
            "trials": 15, "trained_parameters": 57_988, "trained_groups": names[above.get(strategy, 0) :],
            "kept": strategy in ("top-1", "scratch"), "reason": "within one standard error of the best, and cheaper",
            **_forgotten(strategy),
        }
        for strategy, mean in means.items()
    ]  # fmt: skip
    chosen = {"strategy": "top-1", "learning_rate": 1e-3, "trained_groups": ["block 3", "head"]}
    return {
        "target": "digits", "source": "digits-0-5", "problem": f"{modality}-classification", "metric": "accuracy",
        "labels": labels, "groups": GROUPS, "candidates": candidates, "winner": chosen,
        "control": {**chosen, "strategy": "scratch"}, "selection": "5-fold",
        "skill": {
            "metric": "loss" if modality == "text" else "accuracy", "before": 3.401 if modality == "text" else 0.981,
            "rows": 500, "max_forgetting": 0.1, "replay": 0.25,
        },
        "seeds": [0, 1, 2], "device": "cpu", "notes": ["The control was searched over the same learning rates."],
        "boundary_scores": [
            {
                "boundary": name,
                "scores": {"knn": [0.7, 0.9, 0.9, 0.6][place], "logme": 0.1 * place},
                "undefined": {"leep": "the source predicts no classes"},
            }
            for place, name in enumerate(names[:-1])
        ],
        "left_out": [
            {"strategy": "top-3", "learning_rate": 1e-3, "boundary": "stem", "reason": "knn 0.700, 0.900 up to <b>"}
        ],
    }  # fmt: skip


def _forgotten(strategy: str) -> dict[str, float | None]:
    if strategy == "scratch":
        return {"forgetting": None, "forgetting_error": None}
    depth = ("linear-probe", "top-1", "top-2", "lp-ft", "full").index(strategy)
    return {"forgetting": 0.041 * depth, "forgetting_error": 0.007 * depth}


def _rows(modality: str, truth: np.ndarray, rng: np.random.Generator) -> pa.Table:
    places = {"label": truth, "file": [f"target/part-{row % 2}.parquet" for row in truth], "row": range(1, 241)}
    if modality == "text":
        return pa.table({"text": [f"{HOSTILE} {row}, {'word ' * (row % 40)}" for row in range(240)], **places})
    return pa.table({"image": [{"bytes": _digit(rng), "path": None} for _ in truth], **places})


def _digit(rng: np.random.Generator) -> bytes:
    import io

    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (8, 8), dtype=np.uint8)).save(stream, format="PNG")
    return stream.getvalue()


def _trials(rng: np.random.Generator) -> Iterator[dict[str, str]]:
    for strategy in ("linear-probe", "top-1", "top-2", "full", "lp-ft", "scratch"):
        for seed in range(3):
            yield {
                "role": "control" if strategy == "scratch" else "candidate", "strategy": strategy,
                "learning_rate": "0.001", "seed": str(seed), "fold": "0", "steps": "60",
                "metric": f"{rng.uniform(0.7, 0.9):.4f}", "loss": f"{rng.uniform(0.3, 0.6):.4f}",
                "seconds": f"{rng.uniform(0.5, 1.5):.3f}", "trained_parameters": "57988",
                "peak_memory_bytes": "412000000",
            }  # fmt: skip


def _curves(rng: np.random.Generator) -> Iterator[dict[str, str]]:
    for role, strategy, rate in (("final-winner", "top-1", 12), ("final-control", "scratch", 22)):
        for seed in range(3):
            for step in range(1, 61):
                loss = 1.4 * np.exp(-step / rate) + 0.03 * rng.random()
                yield {
                    "role": role, "strategy": strategy, "learning_rate": "0.001", "seed": str(seed), "fold": "",
                    "step": str(step), "train_loss": f"{loss:.5f}", "validation_loss": "", "validation_metric": "",
                }  # fmt: skip
