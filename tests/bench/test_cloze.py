"""Questions made of passages: the answer is at its place, and the question does not hold it."""

import random

from bench.cloze import CHARACTERS, ask, split_sentences

PASSAGE = (
    "The tower was built in 1889 by Gustave Eiffel for the fair. It is 330 metres high, and was the highest for forty "
    "years. Nearly seven million people climb it every year, most of them in summer, when Paris is full of visitors."
)


OTHERS = ("Bread is made of flour, water and salt.", "Nobody had seen the river so low.", "The bell rings at noon.")


def questions(seed=0, most=40, others=()):
    return [*ask(PASSAGE, most, random.Random(seed), others)]


def test_an_answer_is_at_its_place_and_was_taken_out_of_the_question():
    rows = [row for seed in range(20) for row in questions(seed)]
    assert len(rows) > 60
    for row in rows:
        (answer,), (start,) = row["answers"]["text"], row["answers"]["answer_start"]
        assert row["text"][start : start + len(answer)] == answer
        assert row["text"] in PASSAGE
        assert row["question"].endswith("?")
        assert f" {answer} " not in row["question"] or PASSAGE.count(answer) > 1


def test_a_question_begins_with_the_word_of_its_kind_of_answer():
    said = {row["answers"]["text"][0]: row["question"].split()[0] for seed in range(20) for row in questions(seed)}
    assert said["1889"] == "when"
    assert said["330 metres"] in ("how", "what")
    assert said["Gustave Eiffel"] in ("who", "what", "where", "which")


def test_no_more_are_made_than_are_asked_for_and_the_same_draws_make_the_same():
    assert len(questions(most=2)) == 2
    assert questions(3) == questions(3) != questions(4)


def test_half_of_the_sentences_stand_among_those_of_other_passages():
    rows = [row for seed in range(20) for row in questions(seed, others=OTHERS)]
    among = [row for row in rows if any(other in row["text"] for other in OTHERS)]
    assert 0.3 < len(among) / len(rows) < 0.7
    for row in among:
        (answer,), (start,) = row["answers"]["text"], row["answers"]["answer_start"]
        assert row["text"][start : start + len(answer)] == answer
        assert sum(sentence in row["text"] for sentence in split_sentences(PASSAGE)) == 1


def test_a_text_is_no_longer_than_most_passages_and_a_question_says_words_of_one_sentence_in_their_order():
    for row in (row for seed in range(20) for row in questions(seed, others=OTHERS)):
        (answer,), (start,) = row["answers"]["text"], row["answers"]["answer_start"]
        assert len(row["text"]) <= CHARACTERS[1]
        (own,) = (
            one
            for one in split_sentences(PASSAGE)
            if one in row["text"] and 0 <= start - row["text"].index(one) < len(one)
        )
        place = start - row["text"].index(own)
        words = [word.strip('.,;()"') for word in (own[:place] + " " + own[place + len(answer) :]).split()]
        said = row["question"].rstrip("?").split()
        said = said[2:] if said[:2] in (["how", "many"], ["how", "much"]) else said[1:]
        left = iter(words)
        assert all(word in left for word in said)
