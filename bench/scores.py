"""Cheap scores at every depth of a network against training from every depth: what they cost, and what they find."""

import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from bench.harness import Comparison, Round, Runner
from bench.loaded import SEED, Loaded, load_images
from bench.results import Guard
from graft.backbones import build, layer_groups, renew_head
from graft.catalog import Study
from graft.problems.examples import Examples
from graft.strategies import Leg, find_strategy, resolve
from graft.training import Activations, Feed, Job, Prefix, record, score, train
from graft.training.device import make_accelerator, use_threads
from graft.transferability import SCORES
from graft.transferability.boundaries import Values, score_boundaries
from graft.transferability.features import extract

TITLE = "Scores against training"
ROWS, PER_CLASS, TEST, STEPS, SOURCE_STEPS, TOP = 4000, 20, 500, 100, 600, 2
BUDGET_BYTES = 10**9
JUDGES = ("ridge_probe", "knn", "logme")
METHOD = f"""\
A ResNet of five stages learns half of the classes for {SOURCE_STEPS} steps; the other half, with {PER_CLASS} labelled
rows for each class, is the target. *Scores* runs the source once over these rows and reads all {len(SCORES)} scores
at every boundary. *Training* starts once from each boundary, {STEPS} steps of 16 rows, and measures up to {TEST} other
rows; each repeat is another seed, and their mean is the truth. *With the cache* is the same with the frozen part played
back, which is how a study trains. The guard is top-{TOP} recall: how many of the {TOP} best depths are among the
{TOP} that the mean rank of {", ".join(JUDGES)} puts first. It holds where it is better than drawing {TOP} depths
blindly; what training from a depth reaches is not what a frozen feature shows, so a miss is told like a hit."""
NETWORK = {
    "model_type": "resnet", "num_channels": 1, "embedding_size": 16, "hidden_sizes": [16, 24, 32, 48, 64],
    "depths": [1, 1, 1, 1, 1], "layer_type": "basic", "downsample_in_first_stage": False,
}  # fmt: skip


class Transfer:
    """A source, the labelled rows of a target, and others to measure on."""

    def __init__(self, loaded: Loaded, quick: bool) -> None:
        self.problem, self.processor, self.name = loaded.problem, loaded.processor, loaded.name
        labels = loaded.examples.labels
        assert labels is not None
        half = loaded.classes // 2
        self.rows, self.test = _divide(loaded.examples, labels, half, PER_CLASS)
        self.labels = tuple(map(str, range(half, loaded.classes)))
        self.steps, self.seeds = 2 if quick else STEPS, count()
        first = loaded.examples.take(np.flatnonzero(labels < half))
        self.source = build(self.problem, NETWORK, tuple(map(str, range(half))), SEED)
        use_threads(self.source)
        groups = [group.name for group in layer_groups(self.source)]
        self._train(self.source, first, resolve(find_strategy("full"), groups, 2 if quick else SOURCE_STEPS), SEED)
        self.legs = {
            boundary: (Leg(tuple(groups[place:]), self.steps),) for place, boundary in enumerate(groups[:-1], start=1)
        }

    def score(self) -> dict[str, Values]:
        """Return every score at every boundary."""
        frozen = extract(self.source, self.problem, self.rows, self.processor, own_head=True)
        assert self.rows.labels is not None
        return score_boundaries(frozen, self.rows.labels)

    def train(self, cached: bool = False) -> dict[str, float]:
        """Return what training from every boundary reaches on the test rows, with another seed each time."""
        seed = next(self.seeds)
        prefix, found = self._record() if cached else None, {}
        for boundary, legs in self.legs.items():
            model = renew_head(self.source, self.problem, self.labels, seed)
            self._train(model, self.rows, legs, seed, prefix)
            found[boundary] = score(model, self.problem, self.test, self.processor)[self.problem.metric]
        return found

    def _record(self) -> Prefix:
        accelerator = make_accelerator()
        model = accelerator.prepare(renew_head(self.source, self.problem, self.labels, SEED))
        feed = Feed.of(self.problem, self.rows, self.processor, accelerator.device)
        room = Activations(BUDGET_BYTES, accelerator.device)
        return record(model, feed, range(1, len(self.legs) + 1), room, Study().batch_size, accelerator.autocast)

    def _train(
        self, model: Any, rows: Examples, legs: tuple[Leg, ...], seed: int, prefix: Prefix | None = None
    ) -> None:
        with tempfile.TemporaryDirectory() as folder:
            job = Job(
                problem=self.problem, processor=self.processor, train=rows, validation=None, legs=legs,
                learning_rate=1e-3, recipe=Study(), seed=seed, measure_every=sum(leg.steps for leg in legs),
                patience=None, folder=Path(folder), prefix=prefix,
            )  # fmt: skip
            train(job, model, lambda step, message: None)


def comparisons(quick: bool) -> Iterator[Comparison]:
    """Yield the one comparison."""
    transfer = Transfer(load_images(400 if quick else ROWS), quick)
    yield Comparison(
        title="Every score at every depth",
        data=f"{transfer.name}, {len(transfer.rows)} of them labelled, {len(transfer.legs)} depths",
        work=len(transfer.legs),
        unit="depths",
        ours=Runner("scores", transfer.score),
        peers=(
            Runner("training", transfer.train, aim=20),
            Runner("training with the cache", partial(transfer.train, cached=True)),
        ),
        guard=top_recall,
        notes=rank_correlations,
    )


def top_recall(rounds: Sequence[Round]) -> Guard:
    """Return how many of the best depths the scores would have kept, against a blind draw of as many."""
    truth, ranks = _truth(rounds), _mean_ranks(rounds[0]["scores"])
    best, kept = (set(sorted(side, key=lambda name: -side[name])[:TOP]) for side in (truth, ranks))
    recall, chance = len(best & kept) / TOP, TOP / len(truth)
    found = f"{recall:.0%}, a blind draw {chance:.0%} (best {_listed(truth, best)}; kept {_listed(truth, kept)})"
    return Guard(name=f"top-{TOP} recall", found=found, holds=recall > chance)


def rank_correlations(rounds: Sequence[Round]) -> dict[str, str]:
    """Return Kendall's tau of each score with what training from the depths reached."""
    from scipy.stats import kendalltau

    truth, found = _truth(rounds), []
    for name in SCORES:
        values = [rounds[0]["scores"][boundary][name] for boundary in truth]
        tau = (
            kendalltau(values, list(truth.values())).statistic if all(isinstance(v, float) for v in values) else np.nan
        )
        found.append(f"{name} {'without order' if np.isnan(tau) else f'{tau:+.2f}'}")
    reached = ", ".join(f"{boundary} {value:.1%}" for boundary, value in truth.items())
    return {"rank correlation with what the depths reached": ", ".join(found), "reached, frozen up to": reached}


def _truth(rounds: Sequence[Round]) -> dict[str, float]:
    """Return the mean over all repeats and both ways of training, by boundary."""
    runs = [found[name] for found in rounds for name in found if name != "scores"]
    return {boundary: float(np.mean([run[boundary] for run in runs])) for boundary in runs[0]}


def _mean_ranks(scores: dict[str, Values]) -> dict[str, float]:
    """Return the mean rank of each boundary over the judges; the largest is the best."""
    from scipy.stats import rankdata

    columns = [[values[name] for values in scores.values()] for name in JUDGES]
    known = [column for column in columns if all(isinstance(value, float) for value in column)]
    ranks = np.mean([rankdata(column) for column in known], axis=0)
    return dict(zip(scores, ranks.tolist(), strict=True))


def _listed(order: dict[str, float], names: set[str]) -> str:
    return ", ".join(name for name in order if name in names)


def _divide(examples: Examples, labels: np.ndarray[Any, Any], half: int, per_class: int) -> tuple[Examples, Examples]:
    """Return labelled rows and test rows of the classes from `half` on, which are numbered from 0."""
    places = [np.flatnonzero(labels == label) for label in range(half, int(labels.max()) + 1)]
    labelled = np.concatenate([rows[:per_class] for rows in places])
    others = np.sort(np.concatenate([rows[per_class:] for rows in places]))[:TEST]
    parts = (examples.take(rows) for rows in (labelled, others))
    first, second = (Examples(part.features, np.asarray(part.labels) - half, part.widths) for part in parts)
    return first, second
