"""What problems share that write down what is said in a clip: columns, and how the words are counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graft.problems.examples import Examples, Truths
from graft.problems.problem import Modality, Problem, Said
from graft.problems.transcripts import align, read_transcripts

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from graft.problems.grades import Grades
    from graft.problems.transcripts import Spoken


class Transcription(Problem):
    """Clips in, texts out, whatever the network writes them with; the truths are `Spoken`."""

    modality: Modality = "audio"
    columns: tuple[str, ...] = ("audio", "transcript")
    truths: tuple[str, ...] = ("transcript",)
    metric = "word_error_rate"
    higher_is_better = False
    auto_processor = "AutoProcessor"

    def convert(self, name: str, values: Sequence[Any]) -> tuple[pa.Array, Mapping[int, str]]:
        """Return transcripts as strings; none may be empty."""
        return read_transcripts(values)

    def grade(self, answers: np.ndarray, truths: Truths) -> Grades:
        """Return the edits that make each answer its transcript, of so many words."""
        from torchmetrics.functional.text.wer import _wer_update

        from graft.problems.grades import Grades

        return Grades.of(*_count(_wer_update, answers, truths))

    def measure(self, answers: np.ndarray, truths: Truths) -> dict[str, float]:
        """Return the error rates of words and of characters."""
        from torchmetrics.functional.text.cer import _cer_update

        from graft.problems.grades import Grades

        characters = Grades.of(*_count(_cer_update, answers, truths))
        return {"word_error_rate": self.grade(answers, truths).mean, "character_error_rate": characters.mean}

    def tell(self, answers: np.ndarray, truths: Truths) -> list[Said]:
        """Return transcripts and answers, with the words of both side by side."""
        pairs = [(one.text, one.words(row)) for row, one in _pairs(answers, truths)]
        return [Said(text, said or "(nothing)", align(text, said)) for text, said in pairs]

    def predict(self, answers: np.ndarray, examples: Examples) -> list[dict[str, Any]]:
        """Return the words of each clip."""
        return [{"answer": one.words(row)} for row, one in _pairs(answers, examples.truths)]


def _count(update: Any, answers: np.ndarray, truths: Truths) -> tuple[list[float], list[float]]:
    """Return edits and length of each transcript, as torchmetrics sums them up, row by row."""
    found = [update(one.words(row), one.text) for row, one in _pairs(answers, truths)]
    return [float(edits) for edits, _ in found], [float(length) for _, length in found]


def _pairs(answers: np.ndarray, truths: Truths) -> Iterator[tuple[np.ndarray, Spoken]]:
    if truths is None:
        raise ValueError("without its alphabet an answer has no words")
    return zip(answers, truths, strict=True)
