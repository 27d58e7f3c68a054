from ruamel.yaml import YAML

from graft.report.card import render_card
from tests.graft.report.conftest import evidence


def test_header_is_metadata_that_hugging_face_reads() -> None:
    given = evidence()
    _, header, body = render_card(given.study, given.metrics).split("---\n", 2)
    read = YAML(typ="safe").load(header)
    assert (read["library_name"], read["pipeline_tag"]) == ("transformers", "image-classification")
    assert read["model-index"][0]["results"][0]["metrics"] == [
        {"type": "accuracy", "value": 0.904},
        {"type": "f1", "value": 0.901},
    ]
    assert body.lstrip().startswith("# digits\n\nTransfer helps.")


def test_a_label_cannot_break_out_of_its_line() -> None:
    given = evidence()
    card = render_card({**given.study, "labels": ["a\n# heading", "b`c", "**d**"]}, given.metrics)
    assert "`a # heading`, `b'c`, `**d**`" in card


def test_what_was_measured_beside_the_test_rows_is_told() -> None:
    given = evidence()
    card = render_card(given.study, given.metrics)
    assert "- Corrupted test rows, mean over every corruption and severity: 71.3" in card
    assert "- Shift set photos (320 rows): 65.5" in card
    assert "Corrupted" not in render_card(given.study, {**given.metrics, "robustness": None})
