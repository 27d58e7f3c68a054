"""Extractive question answering: the span of a text that answers a question, or none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from graft.problems.examples import Examples, Truths
from graft.problems.problem import Batch, Modality, Problem, Said
from graft.problems.spans import SILENT, Passage, best_spans, join_spans, read_answers, windows_of
from graft.problems.tokens import pad, train_tokenizer

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch

    from graft.catalog import Pretraining
    from graft.corruptions import Corruption
    from graft.problems.grades import Grades

IGNORED = -100  # the label of a window that nothing is known of
SEGMENTS = "token_type_ids"  # which of two texts a token is of


class QuestionAnswering(Problem):
    """A text and a question in, a span of the text out (Rajpurkar et al. 2016, SQuAD).

    Long texts are read in overlapping windows. A question that has no answer is answered by the first token, as Devlin
    et al. 2019, section 4.3, have it.
    """

    name = "question-answering"
    modality: Modality = "text"
    columns: tuple[str, ...] = ("text", "question", "answers")
    truths: tuple[str, ...] = ("answers",)
    metric = "f1"
    higher_is_better = True
    auto_model = "AutoModelForQuestionAnswering"

    @property
    def corruptions(self) -> Mapping[str, Corruption[Any]]:
        """What the texts may suffer: nothing, since a changed text moves the answers in it."""
        return {}

    def convert(self, name: str, values: Sequence[Any]) -> tuple[pa.Array, Mapping[int, str]]:
        """Return questions as strings, and answers as lists of texts with their first character's place."""
        import pyarrow as pa

        if name == "answers":
            return read_answers(values)
        faults = {row: "empty" for row, value in enumerate(values) if not str(value or "").strip()}
        return pa.array([str(value or "") for value in values], pa.string()), faults

    def find_faults(self, table: pa.Table) -> Iterable[tuple[int, str]]:
        """Yield the rows of which an answer is not where it is said to be."""
        for row, (text, answers) in enumerate(
            zip(*(table[name].to_pylist() for name in ("text", "answers")), strict=True)
        ):
            for answer in answers:
                start, words = answer["start"], answer["text"]
                if text[start : start + len(words)] != words:
                    found = text[start : start + len(words)]
                    yield row, f"the answer {words!r} is not at character {start} of its text, where {found!r} is"

    def make_processor(self, table: pa.Table, config: Mapping[str, Any], recipe: Pretraining) -> Any:
        """Return a tokenizer trained on the texts."""
        return self.fit(train_tokenizer(table, config, recipe), table, config)

    def fit(self, processor: Any, table: pa.Table, config: Mapping[str, Any]) -> Any:
        """Return the tokenizer, which tells question and text apart where the network can be told.

        It remembers whether any of the training questions has no answer.

        Where all have one, no answer is never given, and windows without the answer teach nothing: a network that
        learned to point at the first token in most of its windows would say nothing at all.
        """
        processor.init_kwargs[SILENT] = "answers" in table.column_names and not all(table["answers"].to_pylist())
        names = processor.model_input_names
        if SEGMENTS not in names and _count_segments(config) > 1:
            processor.model_input_names = processor.init_kwargs["model_input_names"] = [*names, SEGMENTS]
        return processor

    def encode(self, table: pa.Table, processor: Any) -> Examples:
        """Return windows of token ids: the question, and as much of the text as there is room for.

        Labels are the first and last token of the answer, and of the window's part of the text, (windows, 4).
        """
        return windows_of(table, processor)

    def collate(
        self, examples: Examples, rows: Sequence[int], processor: Any, generator: torch.Generator, training: bool
    ) -> Batch:
        """Return `input_ids`, `attention_mask`, `token_type_ids` where the tokenizer has them, and `labels`."""
        import numpy as np
        import torch

        batch = pad(examples, rows, processor)
        if SEGMENTS in processor.model_input_names:
            ended = (batch["input_ids"] == processor.sep_token_id).cumsum(dim=1)
            second = (ended - (batch["input_ids"] == processor.sep_token_id).long()) > 0
            batch[SEGMENTS] = (second & batch["attention_mask"].bool()).long()
        batch["labels"] = torch.from_numpy(np.asarray(examples.labels)[list(rows)])
        return batch

    def read(self, output: Any) -> torch.Tensor:
        """Return the logits of starts and ends, (windows, tokens, 2)."""
        import torch

        return torch.stack([output.start_logits, output.end_logits], dim=-1)

    def loss(self, logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
        """Return the mean cross-entropy in nats of the first and the last token of each answer."""
        from torch.nn.functional import cross_entropy

        total = cross_entropy(
            logits.float().transpose(1, 2).reshape(-1, logits.shape[1]), labels[:, :2].reshape(-1),
            ignore_index=IGNORED, label_smoothing=smoothing, reduction="sum",
        )  # fmt: skip
        return total / max(2 * self.weigh(labels), 1)

    def weigh(self, labels: torch.Tensor) -> int:
        """Return the number of windows whose answer is known."""
        return int((labels[:, 0] != IGNORED).sum())

    def answer(self, logits: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        """Return the score of no answer and the best spans of each window, (windows, 1 + 3 x spans)."""
        if labels is None:
            raise ValueError("a window needs to know which of its tokens are of the text")
        return best_spans(logits, labels)

    def join(self, answers: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the score of no answer and the best spans of each text, (rows, 1 + 4 x spans)."""
        return join_spans(answers, rows)

    def grade(self, answers: np.ndarray, truths: Truths) -> Grades:
        """Return F1 of the words of each answer, the best over the accepted ones, by SQuAD's normalisation."""
        from graft.problems.grades import Grades

        return Grades.of([score["f1"] for score in _score(answers, truths)])

    def measure(self, answers: np.ndarray, truths: Truths) -> dict[str, float]:
        """Return F1 and the share of exact matches."""
        scores = list(_score(answers, truths))
        return {name: sum(score[name] for score in scores) / len(scores) for name in ("f1", "exact_match")}

    def tell(self, answers: np.ndarray, truths: Truths) -> list[Said]:
        """Return the accepted answers, and the one that was given."""
        passages = _passages(truths)
        return [
            Said(" / ".join(dict.fromkeys(passage.accepted)) or "(no answer)", passage.words(row) or "(no answer)")
            for row, passage in zip(answers, passages, strict=True)
        ]

    def predict(self, answers: np.ndarray, examples: Examples) -> list[dict[str, Any]]:
        """Return for each text the answer, its score (nats above no answer) and its place in characters."""
        return [passage.found(row) for row, passage in zip(answers, _passages(examples.truths), strict=True)]


def _count_segments(config: Mapping[str, Any]) -> int:
    """Return how many texts a network of this configuration tells apart; 1 where it has no word for that."""
    from transformers import CONFIG_MAPPING

    known = CONFIG_MAPPING[config["model_type"]]() if config.get("model_type") in CONFIG_MAPPING else None
    return int(config.get("type_vocab_size", getattr(known, "type_vocab_size", 1)))


def _score(answers: np.ndarray, truths: Truths) -> Iterator[dict[str, float]]:
    """Yield F1 and exact match of each row, the best over its accepted answers."""
    for row, passage in zip(answers, _passages(truths), strict=True):
        f1, exact = zip(*(_compare(passage.words(row), one) for one in passage.accepted or [""]), strict=True)
        yield {"f1": max(f1), "exact_match": max(exact)}


@lru_cache(maxsize=100_000)  # the models of a study say the same of most rows
def _compare(said: str, accepted: str) -> tuple[float, float]:
    """Return F1 and exact match of an answer and an accepted one.

    The parts of torchmetrics' `squad`, whose whole takes milliseconds to check the form of an answer.
    """
    from torchmetrics.functional.text.squad import _compute_exact_match_score, _compute_f1_score

    return float(_compute_f1_score(said, accepted)), float(_compute_exact_match_score(said, accepted))


def _passages(truths: Truths) -> list[Passage]:
    if truths is None:
        raise ValueError("without its text a span has no words")
    return list(truths)
