"""The trivial answers, each against what it is worth by hand."""

import numpy as np
import pyarrow as pa
import pytest

from bench import trivial
from graft.catalog import Pretraining
from graft.problems import PROBLEMS
from graft.problems.average_precision import COUNTED
from graft.problems.examples import Examples
from graft.problems.pairs import Face
from graft.problems.transcripts import Transcript
from graft.reading import VOID
from tests.conftest import BERT
from tests.networks import GPT2


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


def test_of_boxes_they_are_the_commonest_of_the_training_images():
    here, there = [0, 0.1, 0.1, 0.3, 0.3, COUNTED], [1, 0.6, 0.6, 0.8, 0.8, COUNTED]
    truths = np.array([[here, there], [here, here], [here, there]])
    train, test = (Examples(np.zeros((len(rows), 1)), rows) for rows in (truths, truths[:1]))
    found = trivial.measure(PROBLEMS["object-detection"], train, test, ("cell", "speck"))
    assert (found.words, found.interval.value) == ("the 2 commonest boxes", pytest.approx(1.0))


def test_of_faces_every_pair_is_alike_which_is_chance():
    faces = [Face(person, number) for number, person in enumerate((0, 0, 1, 1, 2, 2))]
    examples = Examples(np.zeros((6, 1)), None, truths=faces)
    found = trivial.measure(PROBLEMS["face-verification"], examples, examples, ())
    assert found.interval.value == pytest.approx(0.5)


def test_of_texts_they_are_the_frequencies_of_tokens():
    problem = PROBLEMS["text-generation"]
    table = pa.table({"text": ["a a a b"] * 4})
    examples = problem.encode(table, problem.make_processor(table, GPT2, Pretraining(max_tokens=16)))
    tokens = np.concatenate([window[1:] for window in examples.features])
    shares = np.unique(tokens, return_counts=True)[1] / len(tokens)
    entropy = -(shares * np.log(shares)).sum()
    found = trivial.measure(problem, examples, examples, ())
    assert entropy < found.interval.value < 3 * np.log(len(shares) + 300)  # each token counts once more


def test_of_sets_of_labels_it_ranks_no_row_above_another():
    truths = np.array([[1, 0], [1, 1], [0, 0], [1, 0]])
    examples = Examples(np.zeros((4, 1)), truths)
    found = trivial.measure(PROBLEMS["multi-label-image-classification"], examples, examples, ("a", "b"))
    assert found.interval.value == pytest.approx(0.5)
