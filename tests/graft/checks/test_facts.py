import pytest

from graft.catalog import Checks
from graft.checks import check
from graft.checks.facts import gather
from graft.checks.rows import derive
from graft.problems import PROBLEMS
from tests.graft.checks.conftest import noise

TEXT, IMAGE = PROBLEMS["text-classification"], PROBLEMS["image-classification"]


def facts_of(dataset, source=None):
    return gather(derive(dataset, TEXT), dataset.labels, None if source is None else derive(source, TEXT))


def test_clean_data_have_clean_facts(sentences):
    facts = facts_of(sentences([("a", 0), ("b", 1)], [("c", 0), ("d", 1)]))
    assert facts.values == {
        "train_rows": 2,
        "test_rows": 2,
        "duplicate_share": 0,
        "leaked_share": 0,
        "alike_share": 0,
        "conflict_share": 0,
        "imbalance": 1,
        "learned_labels": 2,
        "untested_labels": 0,
        "unseen_labels": 0,
    }


def test_one_label_alone_is_an_error_that_names_it(sentences):
    dataset = sentences([("a", 0), ("b", 0)], [("c", 0)], labels=("bad",))
    failed = check("words", "target", dataset, TEXT, Checks()).failed
    assert [(entry["name"], entry["observed"]) for entry in failed] == [("labels", 1)]
    assert failed[0]["rows"][0]["what"].endswith("label 'bad' as every training row")


def test_a_label_without_a_test_row_is_named(sentences):
    facts = facts_of(sentences([("a", 0), ("b", 1), ("d", 1)], [("c", 0)]))
    assert facts.values["untested_labels"] == 1
    assert facts.offenders["untested_labels"] == {1: "label 'good' has no test row"}


def test_duplicates_within_a_split_name_the_row_they_repeat(sentences):
    facts = facts_of(sentences([("a", 0), ("b", 1), (" a ", 0), ("a", 0)], [("c", 0)]))
    assert facts.values["duplicate_share"] == 0.5
    assert facts.offenders["duplicate_share"] == {2: "equals train.csv, row 1", 3: "equals train.csv, row 1"}


def test_leaked_test_rows_name_the_training_row(sentences):
    facts = facts_of(sentences([("a", 0), ("b", 1)], [("c", 0), ("b", 1)]))
    assert facts.values["leaked_share"] == 0.5
    assert facts.offenders["leaked_share"] == {3: "equals the training row train.csv, row 2"}


def test_a_test_text_that_is_a_training_text_in_other_clothes_is_found(sentences):
    facts = facts_of(
        sentences([("The End.", 0), ("b", 1), ("...", 1)], [("the  end", 0), ("b", 1), ("!", 0), ("c", 1)])
    )
    assert facts.values["alike_share"] == 0.25
    assert facts.offenders["alike_share"] == {3: "is like train.csv, row 1"}


def test_conflicting_labels_of_one_input(sentences):
    facts = facts_of(sentences([("a", 0), ("a", 1), ("b", 1)], [("c", 0)]))
    assert facts.values["conflict_share"] == 0.5
    assert facts.offenders["conflict_share"] == {0: "labels bad, good", 1: "labels bad, good"}


def test_labels_without_training_rows_and_imbalance(sentences):
    facts = facts_of(sentences([("a", 0), ("b", 0), ("c", 0), ("d", 1)], [("e", 2)], labels=("x", "y", "z")))
    assert facts.values["imbalance"] == 3
    assert facts.values["unseen_labels"] == 1
    assert facts.offenders["unseen_labels"] == {4: "label 'z' has no training row"}


def test_only_training_rows_of_the_source_contaminate(sentences):
    target = sentences([("a", 0)], [("b", 0), ("c", 1)])
    source = sentences([("x", 0), ("c", 1)], [("b", 0)])
    facts = facts_of(target, source)
    assert facts.values["contaminated_share"] == 0.5
    assert facts.offenders["contaminated_share"] == {2: "equals the source's training row train.csv, row 2"}


def test_images_that_look_alike_are_found_and_corrupt_ones_left_out(pictures):
    dataset = pictures([noise(1), noise(2), b"nonsense", b"nonsense"], [noise(3)])
    rows = derive(dataset, IMAGE)
    assert gather(rows, dataset.labels).values["near_duplicate_share"] == 0
    rows.loc[1, "perceptual"] = rows.loc[0, "perceptual"]
    facts = gather(rows, dataset.labels)
    assert facts.values["near_duplicate_share"] == pytest.approx(2 / 3, abs=1e-5)
    assert facts.offenders["near_duplicate_share"] == {1: "looks like train.parquet, row 1"}
    assert facts.values["duplicate_share"] == 0


def test_a_group_on_both_sides_is_found(sentences):
    dataset = sentences([("a", 0), ("b", 1)], [("c", 0), ("d", 1)])
    rows = derive(dataset, TEXT)
    rows["group"] = ["one", "two", "two", "three"]
    facts = gather(rows, dataset.labels)
    assert facts.values["shared_groups"] == 1
    assert facts.offenders["shared_groups"] == {2: "group 'two' is also in train"}
