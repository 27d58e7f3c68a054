"""What is said of each corruption of clips, measured."""

from itertools import pairwise

import numpy as np
import pytest

from graft.corruptions import SEVERITIES
from graft.corruptions.sounds import CLIPS, OVERDRIVE, QUIETER, SNR, SOUNDS, reduce_clip
from graft.reading import Clip
from tests.sounds import RATE, tone


def clip(level=0.3, channels=1, seconds=0.5):
    return Clip(np.stack([tone(300 + 50 * number, seconds, level=level) for number in range(channels)], axis=1), RATE)


def draws(seed=0):
    return np.random.default_rng(seed)


def decibels(samples):
    return 10 * np.log10(np.square(samples, dtype=np.float64).mean())


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("name", CLIPS)
def test_a_clip_is_changed_and_keeps_its_rate_and_channels(name, channels):
    given = clip(channels=channels)
    before = given.samples.copy()
    for severity in SEVERITIES:
        found = CLIPS[name](given, severity, draws())
        assert (found.sampling_rate, found.samples.shape[1], found.samples.dtype) == (RATE, channels, np.float32)
        assert found.samples.shape != before.shape or not np.array_equal(found.samples, before)
        assert np.isfinite(found.samples).all()
    assert np.array_equal(given.samples, before)


@pytest.mark.parametrize("level", [0.3, 0.003])
def test_noise_has_the_ratio_that_is_said_however_loud_the_clip(level):
    given = clip(level)
    for severity, ratio in zip(SEVERITIES, SNR, strict=True):
        noise = CLIPS["noise"](given, severity, draws()).samples - given.samples
        assert decibels(given.samples) - decibels(noise) == pytest.approx(ratio, abs=0.5)


def test_a_lower_gain_is_so_many_decibels_and_keeps_sixteen_bits():
    given = clip()
    for severity, quieter in zip(SEVERITIES, QUIETER, strict=True):
        found = CLIPS["gain"](given, severity, draws()).samples
        assert decibels(given.samples) - decibels(found) == pytest.approx(quieter, abs=0.1)
        assert np.array_equal(found * 2**15, np.rint(found * 2**15))


def test_clipping_cuts_at_the_clips_own_peak():
    given = clip()
    shares = []
    for severity in SEVERITIES:
        found = np.abs(CLIPS["clipping"](given, severity, draws()).samples)
        assert found.max() == pytest.approx(np.abs(given.samples).max(), rel=1e-6)
        shares.append(np.isclose(found, found.max()).mean())
    assert all(more > fewer for fewer, more in pairwise(shares))
    assert len(OVERDRIVE) == len(SEVERITIES)


def test_another_speed_is_faster_or_slower_by_the_draws_and_further_from_one_with_the_severity():
    given, directions = clip(), set()
    for seed in range(8):
        lengths = [len(CLIPS["speed"](given, severity, draws(seed)).samples) for severity in SEVERITIES]
        faster = lengths[0] < len(given.samples)
        directions.add(faster)
        assert lengths == sorted(lengths, reverse=faster)
        assert lengths[-1] / len(given.samples) == pytest.approx(1 / 1.5 if faster else 1.5, abs=0.01)


@pytest.mark.parametrize("name", CLIPS)
def test_silence_stays_silence(name):
    silent = Clip(np.zeros((400, 1), np.float32), RATE)
    assert not CLIPS[name](silent, 5, draws()).samples.any()


def test_a_clip_is_made_no_finer_than_the_network_hears():
    coarse = reduce_clip(clip(channels=2), RATE // 2)
    assert (coarse.sampling_rate, coarse.samples.shape) == (RATE // 2, (RATE // 4, 1))
    unchanged = clip(channels=2)
    assert reduce_clip(unchanged, 2 * RATE) is unchanged


def test_what_is_written_is_read_as_it_was():
    given = clip(channels=2)
    read = SOUNDS.read(SOUNDS.write(given))
    assert np.array_equal(read.samples, given.samples)
