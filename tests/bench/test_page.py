import io

import pytest
from PIL import Image

from bench import page
from bench.plot import draw
from bench.table import figures, lines


def test_readings_stand_beside_guard_and_aim_also_the_missed(result):
    text = page.render([result])
    assert "| **3× (3 to 4)** as fast as the peer | sums equal: 3 rounds | at least 3×: reached |" in text
    assert "| **3× (3 to 4)** as fast as the peer | sums equal: 3 rounds | at least 5×: missed |" in text
    assert "| other: 60 numbers/s (1 s) | **0.5× (0.25 to 1)**" in text
    assert "30 numbers/s (2 s)" in text
    assert "![Sums: readings with spread and aim](images/bench-input.png)" in text


def test_a_guard_that_does_not_hold_is_shouted(result, compare):
    broken = compare([1.0], holds=False, peer=[1.0])
    result = result.model_copy(update={"comparisons": (broken,)})
    assert "VIOLATED, sums equal: 1 rounds" in page.render([result])
    assert "VIOLATED, sums equal: 1 rounds" in lines(result)


@pytest.mark.parametrize(("load", "said"), [(5.0, True), (0.3, False)])
def test_the_page_says_when_the_machine_was_shared(result, load, said):
    machine = result.machine.model_copy(update={"load": load})
    text = page.render([result.model_copy(update={"machine": machine})])
    assert ("shared the machine" in text) is said
    assert "abacus, 2 cores" in text


def test_a_picture_has_a_panel_for_each_comparison(result):
    whole = Image.open(io.BytesIO(draw(result)))
    first = Image.open(io.BytesIO(draw(result.model_copy(update={"comparisons": result.comparisons[:1]}))))
    assert whole.width == first.width
    assert whole.height > 1.8 * first.height


def test_writing_gives_a_page_and_its_pictures(result, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "PAGE", tmp_path / "benchmarks.md")
    monkeypatch.setattr(page, "find", lambda: [result])
    page.write()
    assert (tmp_path / "benchmarks.md").read_text() == page.render([result])
    with Image.open(tmp_path / "images/bench-input.png") as picture:
        assert picture.format == "PNG"


def test_the_page_is_that_of_the_results():
    assert page.PAGE.read_text() == page.render(page.find()), "renew it: python -m bench.page"


@pytest.mark.parametrize(("value", "text"), [(0.01234, "0.0123"), (1.0, "1"), (999.6, "1000"), (12345.6, "12,346")])
def test_numbers_have_three_figures(value, text):
    assert figures(value) == text
