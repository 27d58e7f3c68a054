"""The trivial answers, each against what it is worth by hand."""

import numpy as np
import pyarrow as pa
import pytest

from bench import trivial
from graft.catalog import Pretraining
from graft.problems import PROBLEMS
from graft.problems.problem import Examples
from graft.problems.transcripts import Transcript
from graft.reading import VOID
from tests.conftest import BERT


def test_of_classes_it_is_the_largest_of_the_training_rows():
    train = Examples(np.zeros((5, 1)), np.array([2, 2, 2, 0, 1]))
    test = Examples(np.zeros((4, 1)), np.array([0, 2, 0, 0]))
    found = trivial.measure(PROBLEMS["image-classification"], train, test, ("a", "b", "c"))
    assert found.words == "always 'c'"
    assert found.interval.value == 0.25
    assert found.interval.low < 0.25 < found.interval.high


def test_of_masks_it_is_the_mean_mask_where_that_is_better_than_one_class():
    half = np.zeros((4, 6, 6), dtype=np.uint8)
    half[:3, :3] = 1
    half[3, :, 0] = VOID  # what nobody knows is not counted
    train, test = Examples(half, half), Examples(half[:1], half[:1])
    found = trivial.measure(PROBLEMS["semantic-segmentation"], train, test, ("ground", "disc"))
    assert (found.words, found.interval.value) == ("the mean mask", 1.0)


def questions(texts, answers):
    """Return examples of texts whose answers are words of theirs."""
    table = pa.table({
        "text": texts,
        "question": ["which words?"] * len(texts),
        "answers": [[{"text": one, "start": text.index(one)}] for text, one in zip(texts, answers, strict=True)],
    })  # fmt: skip
    problem = PROBLEMS["question-answering"]
    return problem, problem.encode(table, problem.make_processor(table, BERT, Pretraining(max_tokens=16)))


def test_of_questions_it_is_as_many_first_tokens_as_suit_the_training_rows():
    texts = ["red cats sleep here " * 6, "blue dogs run there " * 6]
    problem, examples = questions(texts, ["red cats", "blue dogs"])
    found = trivial.measure(problem, examples, examples, ())
    assert found.interval.value > 0.6
    assert found.words.startswith("the first ")


def test_of_speech_it_is_a_transcript_that_is_better_than_none():
    alphabet = ("", "", " ", "n", "y")
    said = {"y n y": [4, 2, 3, 2, 4], "n n n": [3, 2, 3, 2, 3], "y n n": [4, 2, 3, 2, 3]}
    problem = PROBLEMS["speech-recognition"]

    def clips(*texts):
        labels = [np.array([9, 0, *said[text]]) for text in texts]
        return Examples([np.zeros(4)] * len(texts), labels, truths=[Transcript(text, alphabet) for text in texts])

    found = trivial.measure(problem, clips(*said), clips("n n n", "y n y"), ())
    assert found.words == "always 'y n n'"
    assert found.interval.value == pytest.approx(2 / 6)


def test_a_problem_without_one_says_where_it_goes():
    class Other:
        name, columns = "other", ("image",)

    with pytest.raises(ValueError, match=r"add one to CONSTANTS in bench/trivial.py"):
        trivial.measure(Other(), None, None, ())
