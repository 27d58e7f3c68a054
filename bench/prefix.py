"""The prefix cache: a sweep over freeze depths, each depth against the same loop uncached and against `Trainer`."""

import copy
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import DataCollatorWithPadding, PrinterCallback, Trainer, TrainingArguments

from bench.harness import Comparison, Round, Runner
from bench.loaded import BATCH, MAX_TOKENS, SEED, Loaded, load_texts
from bench.results import Guard
from graft.backbones import Freeze, build, layer_groups
from graft.catalog import Study
from graft.problems.examples import Examples
from graft.strategies import find_strategy, resolve
from graft.strategies.strategy import Leg
from graft.training import Job, Trained, train
from graft.training.activations import Activations
from graft.training.batches import group_by_length
from graft.training.device import make_accelerator, use_threads
from graft.training.feed import Feed
from graft.training.prefix import Prefix
from graft.training.recording import record

TITLE = "The prefix cache"
LAYERS, ROWS, STEPS = 12, 256, 16
SHARE = 0.9
METHOD = f"""\
A BERT of {LAYERS} layers and random weights, classification of {ROWS} sentences, {STEPS} optimizer steps of
{BATCH} rows at each depth: the head alone, then the head with the last 1, 2, 4 and 6 layers. *Cached* is the
training loop playing back what the frozen layers returned, recorded once for all depths before. *Uncached* is the
very same loop with the same batches, and the guard asks for the same losses to the last bit (on a CPU in
float32). `Trainer` is that of transformers with the same parameters frozen, its own order and its padding to the
longest of a batch. With u the share of the layers that train and a backward pass that costs twice a forward pass,
the cache can save (1 + 2u) / 3u at the most; the aim is {SHARE} of it, and none is set for the head alone, where
the formula has no end. *The whole sweep* counts the recording too."""
SMALL = {"hidden_size": 128, "num_attention_heads": 4, "intermediate_size": 512}
DEPTHS = (0, 1, 2, 4, 6)
BUDGET_BYTES = 4 * 10**9


class Sweep:
    """One network, its rows, and what its frozen layers return for them."""

    def __init__(self, loaded: Loaded, quick: bool) -> None:
        self.problem, self.processor, self.name = loaded.problem, loaded.processor, loaded.name
        self.recipe, self.steps = Study(batch_size=BATCH, learning_rates=(1e-4,)), 2 if quick else STEPS
        self.examples: Examples = group_by_length(loaded.examples, BATCH)
        size = {} if make_accelerator().device.type == "cuda" else SMALL
        config = {"vocab_size": len(loaded.processor), "pad_token_id": loaded.processor.pad_token_id, **size}
        config |= {"model_type": "bert", "num_hidden_layers": LAYERS, "max_position_embeddings": MAX_TOKENS}
        self.network = build(loaded.problem, config, tuple(map(str, range(loaded.classes))), SEED)
        use_threads(self.network)
        self.prefix = self.record()

    def record(self) -> Prefix:
        """Return what the layers below every depth return."""
        accelerator = make_accelerator()
        model = accelerator.prepare(copy.deepcopy(self.network))
        feed = Feed.of(self.problem, self.examples, self.processor, accelerator.device)
        room = Activations(BUDGET_BYTES, accelerator.device)
        return record(model, feed, [self.boundary(depth) for depth in DEPTHS], room, BATCH, accelerator.autocast)

    def boundary(self, depth: int) -> int:
        """Return how many layer groups are frozen when so many layers train."""
        return LAYERS + 1 - depth

    def leg(self, depth: int) -> Leg:
        """Return the plan of a depth."""
        strategy = find_strategy(f"top-{depth}" if depth else "linear-probe")
        (leg,) = resolve(strategy, [group.name for group in layer_groups(self.network)], self.steps)
        return leg

    def train(self, depth: int, prefix: Prefix | None) -> Trained:
        """Train a fresh copy and return its losses."""
        with tempfile.TemporaryDirectory() as folder:
            job = Job(
                problem=self.problem, processor=self.processor, train=self.examples, validation=None,
                legs=(self.leg(depth),), learning_rate=1e-4, recipe=self.recipe, seed=SEED, measure_every=1,
                patience=None, folder=Path(folder), prefix=prefix,
            )  # fmt: skip
            return train(job, copy.deepcopy(self.network), lambda step, message: None)

    def train_by_trainer(self, depth: int) -> int:
        """Train a fresh copy by transformers' Trainer and return its steps."""
        model = copy.deepcopy(self.network)
        Freeze(model, self.leg(depth))
        rows = [
            {"input_ids": tokens.tolist(), "labels": int(label)}
            for tokens, label in zip(self.examples.features, self.examples.labels, strict=True)
        ]
        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                folder, max_steps=self.steps, per_device_train_batch_size=BATCH, learning_rate=1e-4, seed=SEED,
                report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True,
                use_cpu=make_accelerator().device.type == "cpu", bf16=make_accelerator().mixed_precision == "bf16",
            )  # fmt: skip
            collate = DataCollatorWithPadding(self.processor)
            trainer = Trainer(model, arguments, train_dataset=rows, data_collator=collate)
            trainer.remove_callback(PrinterCallback)
            return int(trainer.train().global_step)


def comparisons(quick: bool) -> Iterator[Comparison]:
    """Yield each depth, then the sweep with its recording."""
    sweep = Sweep(load_texts(BATCH * 2 if quick else ROWS), quick)
    size = sweep.network.num_parameters() / 1e6
    data = f"{sweep.name}, a BERT of {LAYERS} layers and {size:.1f} million weights"
    for depth in DEPTHS[:2] if quick else DEPTHS:
        yield _compare(sweep, depth, data)
    yield Comparison(
        title="The whole sweep, recording included",
        data=data,
        work=1,
        unit="sweep",
        ours=Runner("cached", lambda: _all(sweep, sweep.record())),
        peers=(
            Runner("uncached", lambda: _all(sweep, None), aim=1.3),
            Runner("Trainer", lambda: [sweep.train_by_trainer(depth) for depth in DEPTHS]),
        ),
        guard=_same_losses,
    )


def _compare(sweep: Sweep, depth: int, data: str) -> Comparison:
    share = depth / LAYERS
    ceiling = (1 + 2 * share) / (3 * share) if depth else None
    named = f"the last {depth} layers and the head" if depth > 1 else "the last layer and the head"
    return Comparison(
        title=f"{named if depth else 'The head alone'} train".capitalize(),
        data=data,
        work=sweep.steps,
        unit="steps",
        ours=Runner("cached", partial(sweep.train, depth, sweep.prefix)),
        peers=(
            Runner("uncached", partial(sweep.train, depth, None), aim=None if ceiling is None else SHARE * ceiling),
            Runner("Trainer", partial(sweep.train_by_trainer, depth)),
        ),
        guard=_same_losses,
        notes=lambda _: {"ceiling": "none" if ceiling is None else f"{ceiling:.2f} times"},
    )


def _all(sweep: Sweep, prefix: Prefix | None) -> list[Trained]:
    return [sweep.train(depth, prefix) for depth in DEPTHS]


def _same_losses(rounds: Sequence[Round]) -> Guard:
    """Return whether cached and uncached runs had the same losses: to the bit where the cache promises it."""
    largest = max(_difference(found["cached"], found["uncached"]) for found in rounds)
    limit = 0.0 if make_accelerator().device.type == "cpu" else 3e-2
    found = f"{largest:.1e} (limit {limit:.0e})"
    return Guard(name="largest difference of a training loss", found=found, holds=largest <= limit)


def _difference(ours: Any, peer: Any) -> float:
    pairs = zip(_losses(ours), _losses(peer), strict=True)
    return max(abs(mine - other) for mine, other in pairs)


def _losses(found: Trained | list[Trained]) -> list[float]:
    runs = found if isinstance(found, list) else [found]
    return [float(row["train_loss"] or torch.nan) for run in runs for row in run.curve]
