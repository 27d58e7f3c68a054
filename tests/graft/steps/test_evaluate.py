"""The step on a run made by hand: tiny networks, real files, manifests as the steps before would leave them."""

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graft.backbones import build, layer_groups, load, load_processor, save, transplant
from graft.catalog import Catalog, Pretraining, Target
from graft.errors import CheckpointError, DataError
from graft.evaluation.calibration import softmax
from graft.manifest import files_digest, list_files, sha256, verify_manifest, whole_folder
from graft.problems import PROBLEMS, Problem
from graft.reading import read, read_shift, row_hashes
from graft.steps.evaluate import run
from graft.training import predict
from tests.conftest import BERT, RESNET

SEEDS = (0, 1)
ROWS = 6  # corrupted test rows: enough to see that they are measured
ASKED = {
    "target", "source", "problem", "metric", "transfer", "transfer_low", "transfer_high", "scratch", "gain",
    "gain_low", "gain_high", "verdict", "strategy", "trained_groups", "source_before", "source_after", "forgetting",
    "ece", "ece_calibrated", "trials", "seconds", "labels_per_class", "train_rows", "test_rows", "seed", "macro_f1",
    "temperature", "source_metric", "dataset", "package", "brier", "brier_calibrated", "source_probe",
    "gain_over_source",
    "robustness", "robustness_low", "robustness_high", "robustness_scratch", "robustness_source", "robustness_gain",
    "robustness_gain_low", "robustness_gain_high", "robustness_clean", "robustness_rows", "worst_group", "groups",
    "label_multiplier", "label_multiplier_low", "label_multiplier_high", "label_multiplier_bound", "labels_transfer",
    "labels_scratch", "label_doubling", "label_doubling_low", "label_doubling_high", "label_curve_note",
}  # fmt: skip
CHOICE = {
    "strategy": "linear-probe", "learning_rate": 0.001, "steps": 5, "trained_groups": ["head"],
    "trained_parameters": 10, "mean": 0.5, "standard_error": 0.1,
}  # fmt: skip
TRIALS = "role,strategy,learning_rate,seed,fold,steps,metric,loss,seconds,trained_parameters,peak_memory_bytes\n"
CURVES = "role,strategy,learning_rate,seed,fold,step,train_loss,validation_loss,validation_metric\n"
WORDS = ["red", "green", "blue", "stone", "river", "mountain", "open", "close", "file", "number"]
Build = Callable[..., Catalog]


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Work in an empty folder and return what fills it with everything that evaluate reads."""
    monkeypatch.chdir(tmp_path)
    return _build


@pytest.mark.parametrize("modality", ["image", "text"])
def test_report_and_package_are_whole_and_agree(study: Build, modality: str) -> None:
    run("t", study(modality))
    verify_manifest(Path("reports/t"))
    verify_manifest(Path("packages/t"))
    metrics = json.loads(Path("reports/t/metrics.json").read_text())
    assert metrics.keys() >= ASKED
    assert {path.name for path in Path("reports/t").iterdir()} == {
        "metrics.json", "trials.csv", "curves.csv", "robustness.csv", "label_curve.csv", "predictions.parquet",
        "report.html", "manifest.json",
    }  # fmt: skip
    rows = pq.read_table("reports/t/predictions.parquet").to_pylist()
    assert len(rows) == metrics["test_rows"]
    assert metrics["transfer"] == pytest.approx(np.mean([row["correct_transfer"] for row in rows]))
    assert metrics["scratch"] == pytest.approx(np.mean([row["correct_scratch"] for row in rows]))
    assert metrics["gain"] == pytest.approx(metrics["transfer"] - metrics["scratch"])
    assert all(sum(row["transfer"]) == pytest.approx(1) for row in rows)
    assert [np.argmax(row["transfer"]) == row["label"] for row in rows] == [row["correct_transfer"][0] for row in rows]
    facts = json.loads(Path("packages/t/graft.json").read_text())
    assert facts["metrics"].items() <= metrics.items()
    assert metrics["package"] == files_digest(list_files(Path("packages/t")))
    assert metrics["scores"] == {"logme": -0.25, "knn": 0.5}
    assert metrics["source_metric"] == ("accuracy" if modality == "image" else "loss")


@pytest.mark.parametrize("modality", ["image", "text"])
def test_golden_samples_are_what_the_package_predicts(study: Build, modality: str) -> None:
    run("t", study(modality))
    folder, problem = Path("packages/t"), PROBLEMS[f"{modality}-classification"]
    samples = json.loads((folder / "golden.json").read_text())
    if modality == "image":
        table = pa.table({"image": [{"bytes": (folder / one["input"]).read_bytes(), "path": None} for one in samples]})
    else:
        table = pa.table({"text": [one["input"]["text"] for one in samples]})
    processor = load_processor(folder, problem)
    logits = predict(load(folder, problem), problem, problem.encode(table, processor), processor)
    temperature = json.loads((folder / "graft.json").read_text())["temperature"]
    assert len(samples) == 5
    assert softmax(logits, temperature) == pytest.approx(np.array([one["probabilities"] for one in samples]), abs=1e-6)


def test_evaluating_twice_gives_the_same_numbers_and_the_same_package(study: Build) -> None:
    catalog = study("image")
    run("t", catalog)
    before = [sha256(Path("reports/t") / name) for name in ("metrics.json", "predictions.parquet", "report.html")]
    Path("reports/t/metrics.json").unlink()  # DVC removes a stage's outputs, one by one, before it runs again
    run("t", catalog)
    assert before == [
        sha256(Path("reports/t") / name) for name in ("metrics.json", "predictions.parquet", "report.html")
    ]


@pytest.mark.parametrize("modality", ["image", "text"])
def test_every_corruption_is_measured_for_every_arm(study: Build, modality: str) -> None:
    run("t", study(modality, {"robustness_rows": ROWS}))
    metrics, points = read_results()
    assert metrics["robustness_rows"] == ROWS
    for arm, key in (("transfer", "robustness"), ("scratch", "robustness_scratch"), ("source", "robustness_source")):
        mine = [float(one["score"]) for one in points if one["arm"] == arm and one["severity"] not in ("", "0")]
        assert len(mine) == 5 * len(PROBLEMS[f"{modality}-classification"].corruptions)
        assert metrics[key] == pytest.approx(np.mean(mine), abs=1e-6)
    assert metrics["robustness_gain"] == pytest.approx(metrics["robustness"] - metrics["robustness_scratch"])
    assert "at five severities" in Path("reports/t/report.html").read_text()


def test_corruptions_that_are_switched_off_leave_their_keys_empty_and_say_so(study: Build) -> None:
    run("t", study("image"))
    metrics, points = read_results()
    assert metrics["robustness"] is metrics["robustness_gain_low"] is metrics["robustness_rows"] is None
    assert not points
    assert metrics["source_probe"] is not None
    assert "Corruptions were not measured" in Path("reports/t/report.html").read_text()


def test_a_source_arm_that_is_the_winner_is_read_from_there(study: Build) -> None:
    catalog = study("image")
    shutil.rmtree("runs/t/source")
    facts = json.loads(Path("runs/t/study.json").read_text())
    Path("runs/t/study.json").write_text(json.dumps({**facts, "probe": {**facts["probe"], "folder": "winner"}}))
    _rewrite_manifest(Path("runs/t"))
    run("t", catalog)
    metrics, _ = read_results()
    assert metrics["source_probe"] == metrics["transfer"]
    assert metrics["gain_over_source"] == metrics["gain_over_source_low"] == metrics["gain_over_source_high"] == 0
    assert "here the winner is that" in Path("reports/t/report.html").read_text()


def test_shift_sets_and_the_worst_group_are_measured_and_told(study: Build) -> None:
    run("t", study("text", {"shifts": {"elsewhere": {"path": "data/elsewhere.csv"}}}, group="author"))
    metrics, points = read_results()
    mine = {(one["kind"], one["name"]): float(one["score"]) for one in points if one["arm"] == "transfer"}
    assert mine.keys() == {("shift", "elsewhere"), ("group", "a"), ("group", "b")}
    assert metrics["shift_elsewhere_rows"] == 12
    assert metrics["shift_elsewhere_gain"] == pytest.approx(
        metrics["shift_elsewhere"] - metrics["shift_elsewhere_scratch"]
    )
    assert metrics["worst_group"] == pytest.approx(min(mine["group", name] for name in "ab"), abs=1e-6)
    assert mine["group", metrics["worst_group_name"]] == pytest.approx(metrics["worst_group"], abs=1e-6)
    page = Path("reports/t/report.html").read_text()
    assert "worst group" in page
    assert json.loads(Path("checks/shifts/t/shifts.json").read_text())["elsewhere"]["dataset"] in page


def test_a_shift_set_that_changed_since_its_check_is_refused(study: Build) -> None:
    catalog = study("text", {"shifts": {"elsewhere": {"path": "data/elsewhere.csv"}}})
    path = Path("data/elsewhere.csv")
    path.write_text(path.read_text() + "river river,l0,a\n")
    with pytest.raises(DataError, match=r"1 shift set\(s\) are not those that were checked"):
        run("t", catalog)
    assert not Path("reports").exists()


def test_a_label_curve_that_was_trained_is_measured_and_told(study: Build) -> None:
    catalog = study("image")
    rng = np.random.default_rng(0)
    keys = [(arm, seed, labels, row) for arm in ("transfer", "scratch") for seed in SEEDS for labels in (3, 4, 5)
            for row in range(21)]  # fmt: skip
    columns = dict(zip(("arm", "seed", "labels", "row"), zip(*keys, strict=True), strict=True))
    logits = pa.FixedSizeListArray.from_arrays(rng.random(3 * len(keys)).astype(np.float32), 3)
    table = pa.table({**{name: list(values) for name, values in columns.items()}, "answers": logits})
    pq.write_table(table, "runs/t/label_curve.parquet")
    _rewrite_manifest(Path("runs/t"))
    run("t", catalog)
    metrics, _ = read_results()
    points = list(csv.DictReader(Path("reports/t/label_curve.csv").read_text().splitlines()))
    measured = {(one["arm"], one["labels"]): one["score"] for one in points if one["kind"] == "measured"}
    assert len(measured) == 2 * 4
    assert float(measured["transfer", "6"]) == pytest.approx(metrics["transfer"], abs=1e-6)
    assert metrics["label_curve_note"] is None
    assert metrics["label_doubling"] >= 0
    assert "From 6 to 12 labels transfer should gain" in Path("reports/t/report.html").read_text()


def test_a_winner_that_kept_its_backbone_has_forgotten_nothing(study: Build) -> None:
    run("t", study("image"))
    metrics = json.loads(Path("reports/t/metrics.json").read_text())
    assert metrics["forgetting"] == 0
    assert metrics["source_before"] == metrics["source_after"] > 0


def test_a_winner_with_another_backbone_is_measured_with_it(study: Build) -> None:
    catalog = study("text")
    problem, folder = PROBLEMS["text-classification"], Path("runs/t/winner/seed-0")
    model, other = load(folder, problem), load(Path("runs/t/control/seed-0"), problem)
    transplant(other, model)
    save(model, load_processor(folder, problem), folder)
    _rewrite_manifest(Path("runs/t"))
    run("t", catalog)
    metrics = json.loads(Path("reports/t/metrics.json").read_text())
    assert metrics["forgetting"] == pytest.approx(metrics["source_after"] - metrics["source_before"])
    assert metrics["forgetting"] != 0


@pytest.mark.parametrize(
    "damaged",
    ["checkpoints/s/model.safetensors", "runs/t/control/seed-1/model.safetensors", "checks/targets/t/check.json"],
)
def test_a_damaged_input_is_named_and_nothing_is_written(study: Build, damaged: str) -> None:
    catalog = study("image")
    path = Path(damaged)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CheckpointError, match=damaged):
        run("t", catalog)
    assert not Path("reports").exists()
    assert not Path("packages").exists()


def test_rows_that_changed_since_the_study_are_refused(study: Build) -> None:
    catalog = study("text")
    path = Path("data/t/test.csv")
    path.write_text(path.read_text() + "river river,l0,a\n")
    with pytest.raises(DataError, match="not those that runs/t was trained on"):
        run("t", catalog)
    assert not Path("reports").exists()


def read_results() -> tuple[dict[str, Any], list[dict[str, str]]]:
    with Path("reports/t/robustness.csv").open(newline="") as stream:
        return json.loads(Path("reports/t/metrics.json").read_text()), list(csv.DictReader(stream))


def _build(modality: str, evaluation: dict[str, Any] | None = None, group: str | None = None) -> Catalog:
    problem = PROBLEMS[f"{modality}-classification"]
    source_problem = problem if modality == "image" else PROBLEMS["masked-language-modelling"]
    config = RESNET if modality == "image" else BERT
    for name in ("s", "t"):
        _write_images(Path("data") / name) if modality == "image" else _write_texts(Path("data") / name)
    target = {
        "source": "s", "problem": problem.name, "data": {"path": "data/t", "group": group},
        "study": {"seeds": 2, "resamples": 100}, "evaluation": {"robustness_rows": 0, **(evaluation or {})},
    }  # fmt: skip
    catalog = Catalog.model_validate({
        "sources": {"s": {"problem": source_problem.name, "data": {"path": "data/s"}, "backbone": {"config": config}}},
        "targets": {"t": target},
    })  # fmt: skip
    _build_source(catalog, config)
    _build_run(catalog, config)
    with whole_folder(Path("checks/targets/t")) as folder:
        (folder / "check.json").write_text('{"expectations": []}')
    _build_shifts(catalog.target("t"), problem)
    return catalog


def _build_shifts(target: Target, problem: Problem) -> None:
    _write_rows(Path("data/elsewhere.csv"), "elsewhere", 12)
    labels = ("l0", "l1", "l2")
    sets = {name: read_shift(shift, problem, labels) for name, shift in target.evaluation.shifts.items()}
    with whole_folder(Path("checks/shifts/t")) as folder:
        found = {name: {"dataset": rows.fingerprint} for name, rows in sets.items()}
        (folder / "shifts.json").write_text(json.dumps(found))


def _write_images(folder: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(len(folder.name))
    for split, rows in (("train", 6), ("test", 21)):
        cells = []
        for row in range(rows):
            stream = io.BytesIO()
            shade = rng.integers(0, 60, (16, 16)) + 90 * (row % 3)
            Image.fromarray(shade.astype(np.uint8)).save(stream, format="PNG")
            cells.append({"bytes": stream.getvalue(), "path": None})
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(
            pa.table({"image": cells, "label": [f"l{row % 3}" for row in range(rows)]}), folder / f"{split}.parquet"
        )


def _write_texts(folder: Path) -> None:
    folder.mkdir(parents=True)
    for split, rows in (("train", 6), ("test", 21)):
        _write_rows(folder / f"{split}.csv", split, rows)


def _write_rows(path: Path, called: str, rows: int) -> None:
    """Sentences of three labels by two authors."""
    rng = np.random.default_rng(len(called))
    lines = [f"{' '.join(rng.choice(WORDS, 7))} {called} {row},l{row % 3},{'ab'[row % 2]}\n" for row in range(rows)]
    path.write_text("text,label,author\n" + "".join(lines))


def _build_source(catalog: Catalog, config: dict[str, Any]) -> None:
    source = catalog.source("s")
    problem = PROBLEMS[source.problem]
    dataset = read(source.data, problem)
    recipe = Pretraining(image_size=16, max_tokens=12, vocabulary_size=100)
    processor = problem.make_processor(dataset.splits["train"], config, recipe)
    model = build(problem, _sized(config, processor), dataset.labels, seed=0)
    with whole_folder(Path("checkpoints/s")) as folder:
        save(model, processor, folder)
        pq.write_table(dataset.splits["test"], folder / "test.parquet")
        (folder / "source.json").write_text(json.dumps({"dataset": dataset.fingerprint, "digest": "d" * 64}))


def _build_run(catalog: Catalog, config: dict[str, Any]) -> None:
    target = catalog.target("t")
    problem, source = PROBLEMS[target.problem], Path("checkpoints/s")
    dataset, processor = read(target.data, problem), load_processor(source, problem)
    with whole_folder(Path("runs/t")) as folder:
        for seed in SEEDS:
            winner = load(source, problem, dataset.labels, seed=seed)
            control = build(problem, _sized(config, processor), dataset.labels, seed=10 + seed)
            save(winner, processor, folder / "winner" / f"seed-{seed}")
            save(control, processor, folder / "control" / f"seed-{seed}")
            save(load(source, problem, dataset.labels, seed=20 + seed), processor, folder / "source" / f"seed-{seed}")
        groups = [{"name": group.name, "parameters": group.parameters} for group in layer_groups(winner)]
        control_choice = {**CHOICE, "strategy": "scratch", "trained_groups": [group["name"] for group in groups]}
        rows = [choice | {"trials": 2, "kept": True, "reason": "best mean"} for choice in (CHOICE, control_choice)]
        facts = {
            "target": "t", "source": "s", "problem": problem.name, "metric": "accuracy", "higher_is_better": True,
            "labels": list(dataset.labels), "labels_per_class": None, "train_rows": 6, "test_rows": 21,
            "dataset": dataset.fingerprint, "train_hashes": row_hashes(dataset.splits["train"], problem),
            "groups": groups, "winner": CHOICE, "control": control_choice, "candidates": rows, "selection": "5-fold",
            "probe": {"strategy": "linear-probe", "learning_rate": 0.001, "steps": 5, "folder": "source"},
            "seeds": list(SEEDS), "seconds": 1.5, "device": "cpu", "source_digest": "d" * 64, "tokens": None,
            "notes": [], "scores": {"logme": -0.25, "knn": 0.5},
        }  # fmt: skip
        (folder / "study.json").write_text(json.dumps(facts))
        (folder / "trials.csv").write_text(TRIALS + "candidate,linear-probe,0.001,0,0,5,0.5,0.9,0.1,10,1000\n")
        (folder / "curves.csv").write_text(CURVES + "final-winner,linear-probe,0.001,0,,5,0.7,,\n")
        held = {"seed": [0, 0, 1], "label": [0, 1, 2], "logits": [[2.0, 0, 0], [0, 1.0, 0], [0.5, 0, 0]]}
        pq.write_table(pa.table(held), folder / "validation.parquet")


def _sized(config: dict[str, Any], processor: Any) -> dict[str, Any]:
    return {**config, "vocab_size": len(processor)} if config is BERT else config


def _rewrite_manifest(folder: Path) -> None:
    from graft.manifest import write_manifest

    write_manifest(folder)
