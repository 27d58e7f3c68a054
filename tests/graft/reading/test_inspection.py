import pytest

from graft.errors import DataError
from graft.reading import inspect
from graft.reading.inspection import ANSWERED


def test_an_image_folder_is_image_classification(folder):
    found = inspect(folder(cat=3, dog=3))
    assert found.problem == "image-classification"
    assert found.columns == {"image": "image", "label": "label"}
    assert found.splits == {"all": 6}
    assert found.labels == ("cat", "dog")
    assert any("no test split" in note for note in found.notes)


def test_a_table_of_sentences_is_text_classification_and_its_group_is_noted(csv):
    rows = [f"a review with words {n},{['good', 'bad'][n % 2]},p{n % 3}" for n in range(12)]
    found = inspect(csv("review,sentiment,patient", *rows))
    assert (found.problem, found.columns) == ("text-classification", {"text": "review", "label": "sentiment"})
    assert any("column 'patient' looks like a group" in note for note in found.notes)


def test_a_label_that_was_guessed_from_its_values_alone_is_said_to_be_a_guess(csv):
    rows = [f"a review with words {n},{['good', 'bad'][n % 2]}" for n in range(12)]
    guessed = inspect(csv("review,mood", *rows))
    assert guessed.columns["label"] == "mood"
    assert any("'mood' was taken for the label" in note for note in guessed.notes)
    named = inspect(csv("review,mood", *rows), columns={"label": "mood"})
    usual = inspect(csv("review,sentiment", *rows))
    assert not [note for note in (*named.notes, *usual.notes) if "taken for the label" in note]


def test_who_wrote_a_row_is_no_label(csv):
    with pytest.raises(DataError, match="no column for the label"):
        inspect(csv("review,customer", *(f"a review with words {n},c{n % 3}" for n in range(12))), labelled=True)


def test_text_without_a_label_is_for_pretraining(csv):
    found = inspect(csv("text", *(f"line of words {n}" for n in range(6))))
    assert (found.problem, found.labels) == ("masked-language-modelling", ())


def test_the_owner_may_decide(csv):
    path = csv("text,label", *(f"line of words {n},{n % 2}" for n in range(8)))
    assert inspect(path, problem="masked-language-modelling").columns == {"text": "text"}


def test_data_that_fit_no_problem_say_why_for_each(csv):
    with pytest.raises(DataError) as error:
        inspect(csv("height,width", "1,2", "3,4"))
    said = [reason.split(":")[0] for reason in error.value.problems]
    assert said == [f"as {name}" for name in (*ANSWERED, "contrastive-images", "masked-language-modelling")]


def test_what_is_wrong_with_the_rows_is_said_at_once(csv):
    with pytest.raises(DataError, match="row 2: 'text' is empty"):
        inspect(csv("text,label", "some words,a", ",b", "other words,a"))


@pytest.mark.parametrize("names", [("",), ("train", "test")], ids=["flat", "split"])
def test_images_without_classes_are_for_pretraining(folder, names):
    found = inspect(folder(**dict.fromkeys(names, 12)))
    assert (found.problem, found.labels) == ("contrastive-images", ())
    assert found.splits == ({"all": 12} if names == ("",) else {"train": 12, "test": 12})
    assert "no label column found among image: taken as images to pretrain on" in found.notes
    assert "`--problem masked-image-modelling` would pretrain a vision transformer instead" in found.notes


def test_classes_are_passed_over_where_nobody_asks_for_them(folder):
    found = inspect(folder(cat=6, dog=6), "masked-image-modelling")
    assert (found.labels, found.rows) == ((), 12)
    assert "labels are not looked at: taken as images to pretrain on" in found.notes
