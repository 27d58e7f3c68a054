"""pretrain SOURCE: make the source checkpoint, from random weights or from a checkpoint that exists."""

import csv
import json
import logging
import shutil
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from torch.distributed import is_torchelastic_launched

from graft.backbones import (
    Carried,
    agree,
    build,
    fetch,
    layer_groups,
    load_listed,
    load_processor,
    read_config,
    require_fit,
    save,
)
from graft.catalog import Catalog, Source
from graft.errors import CatalogError, CheckpointError
from graft.manifest import digest, sha256, whole_folder
from graft.problems import PROBLEMS, Problem
from graft.progress import Progress
from graft.reading import Dataset, hold_out, read, sample
from graft.settings import settings
from graft.steps.launch import launch
from graft.strategies.strategy import Leg
from graft.training import Job, Trained, score, train
from graft.training.batches import generator, group_by_length, steps_per_epoch
from graft.training.device import count_processes, is_first
from graft.training.offsite import forget

log = logging.getLogger(__name__)
FOLDER = Path("checkpoints")
KEPT_TEST_ROWS = 2000  # enough to see forgetting, small enough to travel with the checkpoint
KEPT_VALIDATION_ROWS = 500  # for choosing: measuring them took 2 to 5 % of a trial of 100 steps of 16 rows
KEPT_REPLAY_ROWS = 2000  # of training: more than a study replays in its steps


def run(name: str, catalog: Catalog) -> None:
    """Write `checkpoints/NAME`: model, processor, the source's own score on test, and rows of all three splits.

    Studies of targets measure forgetting on the validation rows when they choose and on the test rows when they
    have chosen, and replay the training rows.
    """
    source = catalog.source(name)
    problem = PROBLEMS[source.problem]
    if not is_torchelastic_launched() and (processes := _count_processes(name, source)) > 1:
        log.info("pretrain %s: in %d processes", name, processes)
        launch("pretrain", name, processes)
        return
    started = time.perf_counter()
    dataset = read(source.data, problem)
    kept, held = _divide(source, dataset)
    model, processor, carried = _begin(source, problem, dataset, kept)
    if carried is not None:
        log.info("pretrain %s: %s", name, carried)
    _require_fit(model, problem, processor, kept)
    trained, state = Trained(0), _state(name, source, dataset)
    if source.pretraining.epochs:
        trained = _train(name, source, problem, model, processor, kept, held, state)
        if not is_first():
            return
    test = dataset.splits["test"].slice(0, KEPT_TEST_ROWS)
    metrics = score(model, problem, problem.encode(test, processor), processor)
    with whole_folder(FOLDER / name, step="pretrain", name=name, processes=trained.processes) as folder:
        save(model, processor, folder)
        pq.write_table(test, folder / "test.parquet")
        pq.write_table(sample(held, KEPT_VALIDATION_ROWS, source.data.seed), folder / "validation.parquet")
        pq.write_table(sample(kept, KEPT_REPLAY_ROWS, source.data.seed), folder / "replay.parquet")
        _write_curve(folder / "curves.csv", trained)
        facts = {
            "source": name,
            "problem": problem.name,
            "metric": problem.metric,
            "higher_is_better": problem.higher_is_better,
            "test": metrics,
            "train_rows": len(kept),
            "test_rows": len(test),
            "steps": trained.steps,
            "processes": trained.processes,
            "rows_at_once": trained.rows_at_once,
            "seconds": round(time.perf_counter() - started, 3),
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "carried": carried and carried.describe(),
            "groups": [{"name": group.name, "parameters": group.parameters} for group in layer_groups(model)],
            "dataset": dataset.fingerprint,
            "digest": sha256(folder / "model.safetensors"),
        }
        (folder / "source.json").write_text(json.dumps(facts, indent=2) + "\n")
    forget(state)
    log.info("pretrain %s: test %s", name, ", ".join(f"{key} {value:.4f}" for key, value in metrics.items()))


def _count_processes(name: str, source: Source) -> int:
    """Return how many processes train the source; raises BadInput where some of them would have no rows."""
    if not source.pretraining.epochs:
        return 1
    processes, rows = count_processes(), source.pretraining.batch_size
    if processes > rows:
        raise CatalogError(
            f"sources.{name}.pretraining: batches of {rows} rows cannot be divided among {processes} processes",
            advice="Raise `batch_size` or lower GRAFT_PROCESSES.",
        )
    return processes


def _divide(source: Source, dataset: Dataset) -> tuple[pa.Table, pa.Table]:
    """Return training and validation rows; the validation part is made where the data has none."""
    if "validation" in dataset.splits:
        return dataset.splits["train"], dataset.splits["validation"]
    data = source.data
    return hold_out(dataset.splits["train"], data.validation_share, data.seed)


def _begin(source: Source, problem: Problem, dataset: Dataset, rows: pa.Table) -> tuple[Any, Any, Carried | None]:
    """Return the model to train, its processor, and what it has from a checkpoint, where there is one."""
    recipe, config = source.pretraining, source.backbone.config
    if config is None:
        folder = fetch(source.backbone)
        _check_digest(source, folder)
        (model, carried), processor = _carry_over(source, problem, folder, dataset, rows)
        if problem.modality == "text":
            agree(model, processor, recipe.max_tokens if "max_tokens" in recipe.model_fields_set else None)
        problem.agree(model, processor, recipe)
        return model, processor, carried
    processor = problem.make_processor(rows, config, recipe)
    if problem.modality == "text":
        tokens = {name: getattr(processor, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}
        known = {name: token for name, token in tokens.items() if token is not None}
        config = {**config, "vocab_size": len(processor), **known}
    model = build(problem, {**config, **problem.head(processor)}, dataset.labels, recipe.seed)
    if problem.modality == "text":
        agree(model, processor, recipe.max_tokens)
    return model, processor, None


def _carry_over(
    source: Source, problem: Problem, folder: Path, dataset: Dataset, rows: pa.Table
) -> tuple[tuple[Any, Carried], Any]:
    """Return a checkpoint's model and processor: with the head that it has, or a new one where it does not fit."""
    recipe, stored = source.pretraining, load_processor(folder, problem)
    processor = problem.fit(stored, rows, read_config(folder))
    if recipe.epochs == 0 or (not dataset.labels and processor is stored):
        try:
            return load_listed(folder, problem), stored
        except CheckpointError:
            if recipe.epochs == 0 or not problem.head(processor):  # nothing would train a new head, or tells its size
                raise
    return load_listed(folder, problem, dataset.labels, recipe.seed, problem.head(processor)), processor


def _require_fit(model: Any, problem: Problem, processor: Any, rows: pa.Table) -> None:
    """Raise CatalogError where the network cannot read the rows: at once, not after all of them have been encoded."""
    examples = problem.encode(rows.slice(0, 2), processor)
    batch = problem.collate(examples, range(len(examples)), processor, generator(0), training=False)
    require_fit(model, {name: value for name, value in batch.items() if name != "labels"})


def _check_digest(source: Source, folder: Path) -> None:
    expected = source.backbone.digest
    if expected and (found := sha256(folder / "model.safetensors")) != expected:
        raise CheckpointError(
            f"{folder / 'model.safetensors'}: sha256 is {found[:12]}, params.yaml says {expected[:12]}",
            advice="The checkpoint has changed; write its new digest into params.yaml if that is meant.",
        )


def _state(name: str, source: Source, dataset: Dataset) -> Path:
    """Return where this very training keeps its state: another recipe or other rows begin anew."""
    key = digest({"source": source.model_dump(), "dataset": dataset.fingerprint})
    folder = settings().work / "work" / f"pretrain@{name}"
    for other in folder.glob("*"):
        if other.name != key:
            shutil.rmtree(other, ignore_errors=True)
    return folder / key


def _train(
    name: str,
    source: Source,
    problem: Problem,
    model: Any,
    processor: Any,
    kept: pa.Table,
    held: pa.Table,
    state: Path,
) -> Trained:
    recipe = source.pretraining
    parts = (problem.stream(part, processor) for part in (kept, held))
    rows, validation = (group_by_length(part, recipe.batch_size) for part in parts)
    epoch = steps_per_epoch(len(rows), recipe.batch_size, rows.widths)
    leg = Leg(tuple(group.name for group in layer_groups(model)), epoch * recipe.epochs)
    job = Job(
        problem=problem,
        processor=processor,
        train=rows,
        validation=validation,
        legs=(leg,),
        learning_rate=recipe.learning_rate,
        recipe=recipe,
        seed=recipe.seed,
        measure_every=epoch,
        patience=recipe.patience,
        folder=state,
    )
    if not is_first():
        return train(job, model, lambda step, message: None)
    with Progress(f"pretrain@{name}", leg.steps) as progress:
        return train(job, model, progress.update)


def _write_curve(path: Path, trained: Trained) -> None:
    columns = ("step", "train_loss", "validation_loss", "validation_metric")
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(trained.curve)
