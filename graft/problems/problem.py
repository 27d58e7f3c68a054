"""What a problem knows: columns, processor, batches, loss, predictions, metrics.

Problem modules import torch and transformers inside their functions: the catalogue and the data checks
read names and columns from here and must start quickly, also on machines without a training stack.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from graft.problems.examples import Examples, Truths

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch
    from PIL.Image import Image

    from graft.catalog import Pretraining
    from graft.corruptions import Corruption
    from graft.problems.grades import Grades
    from graft.problems.sampling import Sampling, Written

ROUNDING = 1e-4  # largest difference of a number of an answer: other machines add up in another order
Batch = dict[str, "torch.Tensor"]
Modality = Literal["image", "text", "audio"]


def _is_number(value: Any) -> bool:
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


@dataclass(frozen=True)
class Said:
    """An answer in words, and what was expected."""

    expected: str
    answered: str
    aligned: str | None = None
    """Both in one line, where parts of an answer can be right."""


@dataclass(frozen=True)
class Settled:
    """Rows of all splits after what only all of them together tell."""

    splits: Mapping[str, pa.Table]
    labels: tuple[str, ...]
    """Names of the classes that the rows tell of, in the order of their indices."""
    faults: Sequence[str] = ()
    """What is wrong, each with file and row."""


class Problem(Protocol):
    """One kind of prediction. A new one is a file beside this and a line in `PROBLEMS`."""

    name: str
    modality: Modality
    columns: tuple[str, ...]
    """Canonical columns a row must have, such as `image` and `label`."""
    truths: tuple[str, ...]
    """Those of the columns that no model is shown when it is asked: what it should answer."""
    metric: str
    """The headline metric: a key of what `measure` returns, or `loss`."""
    higher_is_better: bool
    metrics: tuple[str, ...] = ()
    """Headline metrics that a target may choose from, the usual one among them; none where there is no choice."""
    row_metric: str | None = None
    """What `grade_rows` gives, where that is not the headline metric."""
    labels: tuple[str, ...] = ()
    """Names of the classes, where it was told: see `named`."""
    auto_model: str
    """The transformers class that adds this problem's head to a backbone."""
    problem_type: str | None = None
    """What transformers calls the kind of answer in a configuration, where it has a word for one that is not usual."""
    auto_processor: str | None = None
    """The transformers class of a processor that has a tokenizer beside what its kind of input needs; none for most."""
    frames: bool = False
    """Whether a network that has no head of this kind may be the backbone of one that is put around it."""
    pretrains_only: bool = False
    """Whether it makes sources and no targets: what it predicts is no answer that anybody wants."""
    keeps_head: bool = False
    """Whether the head of a source is kept where it has one: tokens are the same for both, labels are not."""
    in_order: bool = False
    """Whether paragraphs of a plain text belong together, so that a test part made of them lies on its own."""
    from_checkpoint: bool = False
    """Whether its networks come with a tokenizer that is not made here, so that none begins from a configuration."""
    generates: bool = False
    """Whether its networks read their labels when they learn, and write token by token when asked: see `generate`."""
    writes: bool = False
    """Whether its models write texts: see `write`."""
    separable: bool = True
    """Whether the loss of a batch is the mean of its rows' own, by what `weigh` counts: then parts of it add up."""
    compares: bool = False
    """Whether answers are embeddings, two of which tell whether two inputs are of one identity: see `pairs`."""

    @property
    def corruptions(self) -> Mapping[str, Corruption[Any]]:
        """What its inputs may suffer, by name: see graft/corruptions. What they are answered with stays as it is."""
        # By name: what a step imports is what DVC watches, and another corruption is no reason to train again.
        members: Mapping[str, Corruption[Any]] = import_module("graft.corruptions").FAMILIES[self.modality].members
        return members

    def graded_by(self, metric: str | None) -> Self:
        """Return the same problem with another of its `metrics` as its headline; None leaves it.

        Raises ValueError for one that it does not have.
        """
        if metric is None or metric == self.metric:
            return self
        if metric not in self.metrics:
            raise ValueError(f"{self.name} has no metric '{metric}'; it has {', '.join(self.metrics) or self.metric}")
        chosen = copy(self)
        chosen.metric = metric
        return chosen

    def named(self, labels: Sequence[str]) -> Self:
        """Return the same problem that knows what its classes are called, for what it says of an answer."""
        told = copy(self)
        told.labels = tuple(labels)
        return told

    def make_processor(self, table: pa.Table, config: Mapping[str, Any], recipe: Pretraining) -> Any:
        """Return a new image processor, tokenizer or feature extractor, fitted on the source's training rows."""

    def fit(self, processor: Any, table: pa.Table, config: Mapping[str, Any]) -> Any:
        """Return the processor that training rows need where they meet a network of this configuration.

        That is the one stored with the network, for most.
        """
        return processor

    def agree(self, model: Any, processor: Any, recipe: Pretraining) -> None:
        """Settle what a checkpoint leaves open and the catalogue says, in model and processor; nothing, for most."""
        return

    def head(self, processor: Any) -> Mapping[str, Any]:
        """Return what a configuration must say so that the head fits a processor; nothing, for most."""
        return {}

    def around(self, channels: Sequence[int]) -> Mapping[str, Any]:
        """Return the configuration of the network that is put around a backbone, all but `backbone_config`.

        `channels` are those of its stages. It is asked only where the problem `frames`.
        """
        return {}

    def convert(self, name: str, values: Sequence[Any]) -> tuple[pa.Array, Mapping[int, str]]:
        """Return a column that only this problem has, in its canonical type, and what is wrong with which value.

        Numbers as float64 for most, and nothing may be missing.
        """
        import pyarrow as pa

        faults = {row: f"{value!r} is no number" for row, value in enumerate(values) if not _is_number(value)}
        kept = [None if row in faults else float(value) for row, value in enumerate(values)]
        return pa.array(kept, pa.float64()), faults

    def find_faults(self, table: pa.Table) -> Iterable[tuple[int, str]]:
        """Return the rows (from 0) of a canonical table that do not agree with themselves, and why; none for most."""
        return ()

    def settle(self, splits: Mapping[str, pa.Table], folder: Path, known: Sequence[str]) -> Settled:
        """Return the canonical rows of a dataset in their last form, and the names of the classes that they tell of.

        It is asked only where there is no column `label`. Training rows are in `train`, or in `all` where no split is
        named; `folder` is where the dataset lies, and `known` are the classes of the target where these rows are held
        against one.
        """
        return Settled(splits, tuple(known))

    def conclude(
        self, splits: Mapping[str, pa.Table], known: Sequence[str]
    ) -> tuple[Mapping[str, pa.Table], tuple[str, ...]]:
        """Return the rows when they have been divided, and the names of the classes that are learned: as they are.

        `known` are those so far.
        """
        return splits, tuple(known)

    def encode(self, table: pa.Table, processor: Any) -> Examples:
        """Return the rows of a canonical table as `Examples`."""

    def stream(self, table: pa.Table, processor: Any) -> Examples:
        """Return the rows as pretraining reads them, where no row is graded: as `encode` returns them, for most."""
        return self.encode(table, processor)

    def collate(
        self, examples: Examples, rows: Sequence[int], processor: Any, generator: torch.Generator, training: bool
    ) -> Batch:
        """Return the model's inputs and `labels` for some rows; `generator` makes every random draw."""

    def loss(self, logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
        """Return the mean loss over what `weigh` counts."""

    def weigh(self, labels: torch.Tensor) -> int:
        """Return how many predictions of a batch the loss is the mean of."""

    def read(self, output: Any) -> torch.Tensor:
        """Return what the loss is of, from what the model returned for a batch: its logits, for most."""
        logits: torch.Tensor = output.logits
        return logits

    def answer(self, logits: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        """Return what is kept of the logits of a batch for each row, (rows, numbers): the logits, for most.

        `labels` are there only where they are made of the inputs, as a language model's. Batches may have different
        numbers: rows are filled up with NaN.
        """
        return logits

    def generate(self, network: Any, output: Any, processor: Any) -> torch.Tensor:
        """Return the answers of a batch, (rows, numbers), given what the network returned when it read the labels too.

        It is asked only where the problem `generates`, in the place of `answer`. The labels must have no part in it.
        """
        return self.answer(self.read(output), None)

    def join(self, answers: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the answers of whole rows, (rows, numbers), made of those of their items: the first one's, for most.

        `rows` says which row each item is of, (items,), in order. It is asked only where rows have several.
        """
        import numpy as np

        return answers[np.unique(rows, return_index=True)[1]]

    def predict(self, answers: np.ndarray, examples: Examples) -> list[dict[str, Any]]:
        """Return what a model says of each row, for whoever asked: `answer`, and whatever else there is to say.

        It is asked only where there are no classes.
        """
        said = self.tell(answers, [None] * len(answers))
        return [{"answer": one.answered} for one in said]

    def same(self, one: np.ndarray, other: np.ndarray) -> bool:
        """Say whether two answers (numbers,) about one input are the same but for rounding on another machine."""
        import numpy as np

        return one.shape == other.shape and bool(np.allclose(one, other, rtol=0, atol=ROUNDING))

    def pictures(self, row: Mapping[str, Any], answer: np.ndarray) -> Mapping[str, Image]:
        """Return the pictures that an answer (numbers,) about a row consists in, by name; none for most."""
        return {}

    def draw(self, row: Mapping[str, Any], answer: np.ndarray) -> Image | None:
        """Return a picture of a row with the answer (numbers,) drawn in, and the truth where the row has it.

        None where there is nothing to draw in.
        """
        return None

    def tell(self, answers: np.ndarray, truths: Truths) -> list[Said]:
        """Return answers (rows, numbers) and truths in words, for whoever reads a report."""
        expected = [None] * len(answers) if truths is None else list(truths)
        numbers = [", ".join(f"{number:.4g}" for number in row[:8]) for row in answers]
        return [Said(str(one), said) for one, said in zip(expected, numbers, strict=True)]

    def write(self, network: Any, processor: Any, prompts: Sequence[str], sampling: Sampling) -> list[Written]:
        """Return what a model writes after each prompt; asked only where `writes` says that it can."""
        return []

    def grade(self, answers: np.ndarray, truths: Truths) -> Grades:
        """Return what the answers of one model (rows, numbers) earn of the headline metric, row by row."""

    def grade_rows(self, answers: np.ndarray, truths: Truths) -> np.ndarray:
        """Return what each answer of one model is worth alone, (rows,): of the headline metric, for most.

        It is what the worst answers are found by; a metric of many rows together says nothing of one.
        """
        found: np.ndarray = self.grade(answers, truths).by_row[0]
        return found

    def measure(self, answers: np.ndarray, truths: Truths) -> dict[str, float]:
        """Return every metric but the loss of one model's answers (rows, numbers)."""


def has_classes(problem: Problem) -> bool:
    """Say whether one of several named labels is predicted: then there are strata, probabilities and confusions."""
    return "label" in problem.columns
