"""Spans of texts: windows over a long one, the best spans of a window and of a text, and their words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from graft.problems.examples import Examples

if TYPE_CHECKING:
    import pyarrow as pa
    import torch

MOST_SPANS = 5  # kept of a window and of a text
MOST_STARTS = 10  # of a window that spans may begin at
MOST_TOKENS = 30  # of an answer, as the reference code of BERT has it
STRIDE = 3  # windows share one token in so many
SILENT = "graft_questions_without_answer"  # in a tokenizer's configuration
UNKNOWN = (-100, -100)  # labels of a window that teaches nothing, as transformers has them
NOTHING = -1e4  # score of a span that is none: float32, and below every logit


@dataclass(frozen=True)
class Passage:
    """A text as its windows see it, and the answers that are accepted; none: the question has none in it."""

    text: str
    offsets: Sequence[np.ndarray]
    """First character and the one after the last of each token of each window, (tokens, 2)."""
    accepted: Sequence[str]
    silent: bool = True
    """Whether there may be no answer."""

    def found(self, row: np.ndarray) -> dict[str, Any]:
        """Return answer, score in nats above no answer, and its place; an empty answer where none was more likely."""
        score, window, first, last = (float(number) for number in row[1:5])
        gain = score - float(row[0])
        if (self.silent and gain <= 0) or score <= NOTHING:
            return {"answer": "", "score": round(gain, 4), "start": None, "end": None}
        tokens = self.offsets[int(window)]
        start, end = int(tokens[int(first)][0]), int(tokens[int(last)][1])
        return {"answer": self.text[start:end], "score": round(gain, 4), "start": start, "end": end}

    def words(self, row: np.ndarray) -> str:
        """Return the answer in words, empty where none was more likely."""
        return str(self.found(row)["answer"])


def read_answers(values: Sequence[Any]) -> tuple[pa.Array, Mapping[int, str]]:
    """Return accepted answers as lists of text and start, and what is wrong with which row's.

    As the hub has SQuAD, `{"text": [...], "answer_start": [...]}`; as its files have it, a list of `{"text":
    "...", "answer_start": 0}`; the same as JSON text. An empty list is a question without an answer.
    """
    import pyarrow as pa

    kind = pa.list_(pa.struct([("text", pa.string()), ("start", pa.int64())]))
    read, faults = [], {}
    for row, value in enumerate(values):
        try:
            read.append([{"text": str(text), "start": int(start)} for text, start in _pairs(value)])
        except (TypeError, ValueError, KeyError, AttributeError):
            read.append([])
            faults[row] = f"{str(value)[:80]!r}, expected texts with answer_start, as SQuAD has them"
    return pa.array(read, kind), faults


def _pairs(value: Any) -> Iterator[tuple[Any, Any]]:
    import json

    if isinstance(value, str):
        value = json.loads(value)
    if isinstance(value, Mapping):
        yield from zip(value["text"], value["answer_start"], strict=True)
        return
    for one in value:
        yield one["text"], one["answer_start"]


def windows_of(table: pa.Table, tokenizer: Any) -> Examples:
    """Return the windows of texts below their questions, with labels (windows, 4) and a `Passage` for each row.

    The answer that is learned is the first accepted one, in the windows that hold all of it; the others are labelled
    with their first token, which says that there is no answer in them, or where every question has one with nothing.
    """
    silent = bool(tokenizer.init_kwargs.get(SILENT, True))
    most = tokenizer.model_max_length
    questions, texts = table["question"].to_pylist(), table["text"].to_pylist()
    known = "answers" in table.column_names
    answers = table["answers"].to_pylist() if known else [[]] * len(texts)
    encoded = tokenizer(
        [_shortened(question, tokenizer, most // 2) for question in questions], texts, max_length=most,
        truncation="only_second", stride=most // STRIDE // 2, return_overflowing_tokens=True,
        return_offsets_mapping=True, return_attention_mask=False,
    )  # fmt: skip
    rows = np.asarray(encoded["overflow_to_sample_mapping"], dtype=np.int64)
    features, labels = [], []
    offsets: list[list[np.ndarray]] = [[] for _ in texts]
    for place, row in enumerate(rows):
        tokens = np.asarray(encoded["offset_mapping"][place], dtype=np.int64)
        of_text = np.flatnonzero([one == 1 for one in encoded.sequence_ids(place)])
        first, last = (int(of_text[0]), int(of_text[-1])) if len(of_text) else (0, 0)
        features.append(np.asarray(encoded["input_ids"][place], dtype=np.int64))
        offsets[row].append(tokens)
        span = _locate(tokens, first, last, answers[row]) if known else UNKNOWN
        span = UNKNOWN if span == (0, 0) and not silent else span
        labels.append([*span, first, last])
    accepted = [[one["text"] for one in each] for each in answers]
    passages = [Passage(*each, silent) for each in zip(texts, offsets, accepted, strict=True)]
    return Examples(features, np.asarray(labels, dtype=np.int64).reshape(-1, 4), truths=passages, rows=rows)


def _shortened(question: str, tokenizer: Any, most: int) -> str:
    """Return a question, cut to so many tokens: half of what a network reads is left for the text."""
    found = tokenizer(question, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    tokens = found["offset_mapping"]
    return question if len(tokens) <= most else question[: tokens[most - 1][1]]


def _locate(tokens: np.ndarray, first: int, last: int, answers: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Return the first and last token of the first answer, or twice 0 where the window does not hold all of it."""
    if not answers:
        return 0, 0
    start = answers[0]["start"]
    end = start + len(answers[0]["text"])
    if not tokens[first][0] <= start < end <= tokens[last][1]:
        return 0, 0
    inside = tokens[first : last + 1]
    begins = first + int(np.searchsorted(inside[:, 0], start, side="right")) - 1
    ends = first + int(np.searchsorted(inside[:, 1], end, side="left"))
    return max(begins, first), min(ends, last)


def best_spans(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the score of no answer, then score, first and last token of the best spans, (windows, 1 + 3 x spans).

    `logits` (windows, tokens, 2) of starts and ends; `labels` (windows, 4) say which tokens are of the text.
    """
    import torch

    windows, width, _ = logits.shape
    places = torch.arange(width)
    inside = (places >= labels[:, 2:3]) & (places <= labels[:, 3:4]) & (labels[:, 3:4] > 0)
    starts, ends = logits.masked_fill(~inside[:, :, None], NOTHING).unbind(dim=2)
    least = min(MOST_STARTS, width)
    top, begin = starts.topk(least, dim=1)
    reach = begin[:, :, None] + torch.arange(MOST_TOKENS)
    after = ends.gather(1, reach.clamp(max=width - 1).flatten(1)).reshape(reach.shape)
    scores = (top[:, :, None] + after.masked_fill(reach >= width, NOTHING)).flatten(1)
    best, place = scores.topk(min(MOST_SPANS, scores.shape[1]), dim=1)
    first, last = begin.gather(1, place // MOST_TOKENS), reach.flatten(1).gather(1, place)
    spans = torch.stack([best.clamp(min=NOTHING), first.float(), last.float()], dim=2).flatten(1)
    none = (logits[:, 0, 0] + logits[:, 0, 1]).reshape(windows, 1)
    return torch.cat([none, spans], dim=1)


def join_spans(answers: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return for each row the least score of no answer, then score, window, first and last token of its best spans.

    A text has no answer where each of its windows says so, so the least sure one counts.
    """
    joined = []
    for row in range(int(rows[-1]) + 1 if len(rows) else 0):
        mine = answers[rows == row]
        spans = [(*span[:1], window, *span[1:]) for window, each in enumerate(mine) for span in each[1:].reshape(-1, 3)]
        best = sorted(spans, key=lambda span: -span[0])[:MOST_SPANS]
        joined.append(np.concatenate([[mine[:, 0].min()], *best]))
    return np.asarray(joined, dtype=np.float32)
