"""Corruptions of clips: what rooms, microphones and speakers do to sound.

The clip keeps its sampling rate and channels; `speed` alone changes its length. Levels are in decibels, relative to the
clip itself, so that a quiet recording suffers as a loud one does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.signal import resample_poly

from graft.corruptions.corruption import Corruption, Family
from graft.reading import Clip, encode_clip, hash_clip, open_clip, resample

SNR = (20.0, 15.0, 10.0, 5.0, 0.0)  # decibels
QUIETER = (6.0, 12.0, 18.0, 24.0, 30.0)  # decibels
OVERDRIVE = (3.0, 6.0, 9.0, 12.0, 18.0)  # decibels
FASTER = (1.05, 1.1, 1.2, 1.35, 1.5)  # times
STEPS = 2**15  # of a 16-bit sample on either side of zero


def add_noise(clip: Clip, severity: int, random: np.random.Generator) -> Clip:
    """White noise at a signal-to-noise ratio of 20 to 0 dB."""
    samples = clip.samples.astype(np.float64)
    level = np.sqrt(np.square(samples).mean()) * 10 ** (-SNR[severity - 1] / 20)
    return _clip(samples + level * random.standard_normal(samples.shape), clip)


def lower_gain(clip: Clip, severity: int, random: np.random.Generator) -> Clip:
    """6 to 30 dB quieter, and kept in 16 bits: as spoken from across the room."""
    quiet = clip.samples.astype(np.float64) * 10 ** (-QUIETER[severity - 1] / 20)
    return _clip(np.rint(quiet * STEPS) / STEPS, clip)


def overdrive(clip: Clip, severity: int, random: np.random.Generator) -> Clip:
    """Clipped: 3 to 18 dB louder than the loudest sample may be, and cut there."""
    peak = float(np.abs(clip.samples).max())
    cut = peak * 10 ** (-OVERDRIVE[severity - 1] / 20)
    return _clip(np.clip(clip.samples.astype(np.float64), -cut, cut) * (peak / cut if cut else 1.0), clip)


def change_speed(clip: Clip, severity: int, random: np.random.Generator) -> Clip:
    """5 to 50 % faster, or slower by as much, in tempo and pitch (Ko et al. 2015)."""
    factor = FASTER[severity - 1]
    up, down = (100, round(100 * factor)) if random.random() < 0.5 else (round(100 * factor), 100)
    return _clip(resample_poly(clip.samples.astype(np.float64), up, down, axis=0), clip)


def reduce_clip(clip: Clip, sampling_rate: int) -> Clip:
    """Return the clip at no more than a sampling rate, mono where it had to be resampled."""
    if clip.sampling_rate <= sampling_rate:
        return clip
    return Clip(resample(clip, sampling_rate)[:, None], sampling_rate)


def write_clip(clip: Clip) -> Mapping[str, Any]:
    """Return a cell that holds the clip as it is."""
    return {"bytes": encode_clip(clip), "path": None}


CLIPS: dict[str, Corruption[Clip]] = {
    "noise": add_noise,
    "gain": lower_gain,
    "clipping": overdrive,
    "speed": change_speed,
}
SOUNDS = Family(
    column="audio",
    members=CLIPS,
    read=open_clip,
    reduce=reduce_clip,
    identify=hash_clip,
    write=write_clip,
    resolution=lambda examples, processor: int(getattr(processor, "feature_extractor", processor).sampling_rate),
)


def _clip(samples: npt.NDArray[np.float64], like: Clip) -> Clip:
    return Clip(np.ascontiguousarray(samples, dtype=np.float32), like.sampling_rate)
