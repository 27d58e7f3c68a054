"""Steps in one process, or no steps at all: python -m bench.bare [STEP@NAME...], in a folder with a params.yaml.

Without arguments it is the script that somebody would write who has the library and wants the two models: no output
folders, manifests, checks, checkpoints to go on from, or report.
"""

import logging
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from graft.backbones import build, layer_groups, renew_head, save
from graft.catalog import Source, Target, load
from graft.problems import PROBLEMS
from graft.reading import hold_out, read
from graft.settings import settings
from graft.steps.__main__ import STEPS
from graft.strategies.strategy import Leg
from graft.study import Bench, plan, search, train_finals
from graft.training import Job, predict, score, train
from graft.training.batches import steps_per_epoch


def main(arguments: list[str]) -> None:
    """Run the steps named, or else adapt the catalogue's only target from its source."""
    logging.basicConfig(level=logging.WARNING)
    catalog = load()
    for argument in arguments:
        step, _, name = argument.partition("@")
        module, function = STEPS[step]
        getattr(import_module(module), function)(name, catalog)
    if not arguments:
        [(name, target)] = catalog.targets.items()
        model, processor = pretrain(catalog.source(target.source))
        adapt(target, model, processor, Path("runs") / name)


def pretrain(source: Source) -> tuple[Any, Any]:
    """Return the trained source model and its processor."""
    problem, recipe, data = PROBLEMS[source.problem], source.pretraining, source.data
    dataset = read(data, problem)
    rows, held = hold_out(dataset.splits["train"], data.validation_share, data.seed)
    config = source.backbone.config or {}
    processor = problem.make_processor(rows, config, recipe)
    model = build(problem, config, dataset.labels, recipe.seed)
    examples = problem.encode(rows, processor)
    epoch = steps_per_epoch(len(examples), recipe.batch_size)
    job = Job(
        problem=problem,
        processor=processor,
        train=examples,
        validation=problem.encode(held, processor),
        legs=(Leg(tuple(group.name for group in layer_groups(model)), epoch * recipe.epochs),),
        learning_rate=recipe.learning_rate,
        recipe=recipe,
        seed=recipe.seed,
        measure_every=epoch,
        patience=recipe.patience,
        folder=settings().work / "pretrain",
    )
    train(job, model, _quiet)
    score(model, problem, problem.encode(dataset.splits["test"], processor), processor)
    return model, processor


def adapt(target: Target, model: Any, processor: Any, folder: Path) -> None:
    """Search, train the winner and the control, predict the test rows and save the models below `folder`."""
    problem = PROBLEMS[target.problem]
    dataset = read(target.data, problem)
    bench = Bench(
        problem=problem,
        processor=processor,
        source=renew_head(model, problem, dataset.labels, 0),
        labels=dataset.labels,
        examples=problem.encode(dataset.splits["train"], processor),
        study=target.study,
        folder=settings().work / "adapt",
    )
    rows = dataset.splits["train"]
    candidates, notes, selection = plan(bench, rows, target.data)
    result = search(bench, rows, candidates, notes, selection, _quiet)
    test = problem.encode(dataset.splits["test"], processor)
    for role, seed, final in train_finals(bench, result, _quiet):
        predict(final, problem, test, processor)
        save(final, processor, folder / role / f"seed-{seed}")


def _quiet(step: int, message: str) -> None:
    """Report nothing."""


if __name__ == "__main__":
    main(sys.argv[1:])
