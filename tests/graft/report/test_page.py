import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from graft.evaluation.samples import Sample
from graft.report.evidence import Evidence
from graft.report.page import render_page
from tests.graft.report.conftest import HOSTILE

Figures = Mapping[str, str]
Make = Callable[..., Evidence]


class Elements(HTMLParser):
    """Collects tags, attributes and the text that a reader sees."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("modality", ["image", "text"])
def test_page_asks_the_network_for_nothing(make_evidence: Make, modality: str) -> None:
    page = render_page(make_evidence(modality))
    assert not re.search(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", re.sub(r"base64,[A-Za-z0-9+/=]+", "", page))
    for tag, attributes in Elements(page).tags:
        assert tag not in ("link", "script", "iframe", "object")
        assert all((attributes.get(name) or "#").startswith(("#", "data:")) for name in ("src", "href"))


def test_what_users_wrote_is_shown_and_never_run(make_evidence: Make) -> None:
    page = render_page(make_evidence("text"))
    assert "<script" not in page
    assert "<0>" not in page
    read = Elements(page)
    assert HOSTILE in read.text
    assert "area <0>" in read.text


@pytest.mark.parametrize(
    ("verdict", "headline"),
    [
        ("helps", "Transfer helps"),
        ("neutral", "Transfer makes no difference"),
        ("hurts", "Transfer hurts"),
        ("cannot-tell", "Cannot tell yet"),
    ],
)
def test_first_heading_is_the_verdict_in_words(
    make_evidence: Make, figures: Figures, verdict: str, headline: str
) -> None:
    assert f"<h1>{headline}</h1>" in render_page(make_evidence(verdict=verdict), figures)


def test_page_holds_gain_layers_price_mistakes_and_lineage(make_evidence: Make, figures: Figures) -> None:
    read = Elements(render_page(make_evidence(), figures))
    for part in (
        "+6.2 points", "+3.1 to +9.4", "block 3", "2 of 5 layer groups trained", "57.7k", "83", "+8.4 points",
        "0.038", "target/part-1.parquet, row 26", "within one standard error", "91bc" * 16, "lp-ft",
    ):  # fmt: skip
        assert part in read.text, part


def test_candidates_tell_what_they_forgot_and_the_control_nothing(make_evidence: Make, figures: Figures) -> None:
    text = Elements(render_page(make_evidence(), figures)).text
    assert "+16.4 ± 2.8" in text
    assert "500 validation rows of the source (accuracy 98.1" in text
    assert "are at most +10.0 points could be chosen. In each step 25.0" in text
    assert "full0.00187.1\N{NARROW NO-BREAK SPACE}%+16.4 points2.8" in text
    assert "scratch0.00180.0\N{NARROW NO-BREAK SPACE}% ± 1.515" in text  # nothing between error and trials


def test_a_study_without_measured_trials_gets_its_page_too(make_evidence: Make, figures: Figures) -> None:
    from dataclasses import replace

    given = make_evidence()
    candidates = [{key: one[key] for key in one if "forgetting" not in key} for one in given.study["candidates"]]
    old = {key: given.study[key] for key in given.study if key != "skill"} | {"candidates": candidates}
    assert "validation rows of the source" not in Elements(render_page(replace(given, study=old), figures)).text


def test_the_same_evidence_gives_the_same_bytes(make_evidence: Make) -> None:
    assert render_page(make_evidence()) == render_page(make_evidence())


def test_a_perfect_model_with_unmeasured_forgetting_still_gets_a_page(make_evidence: Make) -> None:
    from dataclasses import replace

    given = make_evidence()
    unmeasured = dict.fromkeys(("source_before", "source_after", "forgetting"))
    whole = replace(
        given, metrics={**given.metrics, **unmeasured}, mistakes=[], confusion=given.confusion * 0, curves=[]
    )
    read = Elements(render_page(whole))
    assert "every test row was predicted right" in read.text
    assert "not measured" in read.text


def test_the_price_of_a_point_is_told_where_there_is_one_and_said_to_be_missing_where_not(
    make_evidence: Make, figures: Figures
) -> None:
    from dataclasses import replace

    given = make_evidence()
    priced = replace(given, metrics={**given.metrics, "price_per_hour": 2.0, "money": 0.0463})
    text = Elements(render_page(priced, figures)).text
    assert "A gain of +6.2 points, whose interval lies above zero, was bought for this" in text
    assert "money per point" in text
    assert "Money is time at 2.00 an hour" in text
    assert "On a CPU this is the memory of the whole process" in text
    unclear = Elements(render_page(make_evidence(verdict="cannot-tell"), figures)).text
    assert "There is no cost per point of gain: the interval of the gain" in unclear
    assert "money" not in unclear.lower()
    on_gpu = replace(given, study={**given.study, "device": "NVIDIA H100"})
    assert "memory of the whole process" not in Elements(render_page(on_gpu, figures)).text


def test_expectations_that_do_not_hold_are_counted_and_named(make_evidence: Make, figures: Figures) -> None:
    text = Elements(render_page(make_evidence(), figures)).text
    assert "2 expectations on the target's data were checked before anything was trained: 1 did not hold" in text
    assert "Share of rows that repeat another0.134≤ 0.132warning" in text


def test_many_classes_leave_the_matrix_out_and_keep_the_commonest_confusions(make_evidence: Make) -> None:
    page = render_page(make_evidence("text", classes=60))
    assert "Confusion matrix" not in page
    assert "Commonest confusions" in page


def test_a_search_that_went_on_from_another_is_not_said_to_be_a_whole_one(make_evidence: Make) -> None:
    evidence = make_evidence("image")
    whole = Elements(render_page(evidence)).text
    assert "those far behind after 2, 4, 8 trials got no more" in whole
    warm = {**evidence.study, "warm_start": {"rows": 180, "curve_kept": True}}
    read = Elements(render_page(replace(evidence, study=warm))).text
    assert "with two more trials of each at the most than the earlier search of 180 labelled rows" in read
    assert "those far behind after 2, 4, 8 trials got no more" not in read
    [one] = [one for one in evidence.study["candidates"] if one["kept"] and one["strategy"] != "scratch"]
    assert "1 candidate and the" in Elements(render_page(replace(evidence, study={**warm, "candidates": [one]}))).text


def test_samples_before_and_after_are_shown_where_there_are_some(make_evidence: Make, figures: Figures) -> None:
    plain = make_evidence()
    assert 'id="samples"' not in render_page(plain, figures)
    shown = replace(plain, samples=[Sample(f"To be {HOSTILE}", " or not", "a film", "")])
    read = Elements(render_page(shown, figures))
    assert ("section", {"id": "samples"}) in read.tags
    for words in (f"To be {HOSTILE} …", "or not", "a film", "(the end)"):
        assert words in read.text


def test_a_loss_is_shown_in_nats_and_its_best_candidate_first(make_evidence: Make, figures: Figures) -> None:
    plain = make_evidence()
    loss = {"metric": "loss", "higher_is_better": False, "further": ["perplexity", "bits_per_byte"]}
    further = {f"{name}{end}": value for name, value in (("perplexity", 512.3), ("bits_per_byte", 2.1))
               for end in ("", "_scratch")}  # fmt: skip
    evidence = replace(plain, metrics={**plain.metrics, **loss, **further}, study={**plain.study, **loss})
    page = render_page(evidence, figures)
    read = Elements(page).text
    assert "+0.062 nats of loss" in read
    assert "Perplexity over all seeds: 512 with transfer" in read
    assert "Bits-per-byte over all seeds: 2.100" in read
    table = read[read.index("validation ± error") :]
    assert table.index("linear-probe") < table.index("top-2")  # 0.78 and 0.886
