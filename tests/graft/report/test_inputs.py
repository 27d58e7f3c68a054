import base64
import io

import numpy as np
import pytest
from PIL import Image

from graft.reading import Clip, open_clip
from graft.report.inputs import HEARD, draw_clip, show_clip, spectrogram
from tests.sounds import tone, wav


def cell(samples, rate=8000):
    return {"audio": {"bytes": wav(samples, rate), "path": None}}


@pytest.mark.parametrize("hertz", [500, 2000])
def test_the_spectrogram_of_a_tone_is_loudest_at_its_pitch(hertz):
    decibels, times, frequencies = spectrogram(Clip(tone(hertz, 0.5, 8000)[:, None], 8000))
    middle = decibels[:, np.argmin(np.abs(times - 0.25))]
    assert frequencies[middle.argmax()] == pytest.approx(hertz, abs=20)
    assert decibels.max() == 0


def test_a_mistake_is_seen_and_heard():
    shown = show_clip(cell(tone(440, 9.0, 8000)))
    assert shown["image"].startswith("data:image/png;base64,")
    assert shown["sound"].startswith("data:audio/wav;base64,")
    heard = open_clip({"bytes": base64.b64decode(shown["sound"].split(",")[1]), "path": None})
    assert (heard.seconds, heard.sampling_rate) == (HEARD, 8000)
    assert show_clip(cell(tone(440, 9.0, 8000))) == shown


@pytest.mark.parametrize("samples", [np.zeros(800, np.float32), np.array([0.5], np.float32)])
def test_silence_and_a_click_are_drawn_too(samples):
    with Image.open(io.BytesIO(draw_clip(Clip(samples[:, None], 8000)))) as picture:
        assert picture.size[0] > picture.size[1] > 100
