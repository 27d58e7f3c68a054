"""What is looked at in clips of audio, and what is expected of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from graft.checks.rule import Rule
from graft.reading import hash_clip, open_clip

if TYPE_CHECKING:
    from graft.catalog import Checks

FEATURES = ("hash", "sampling_rate", "channels", "seconds", "decibels", "clipped")
FULL_SCALE = 1 - 2.0**-14  # of 16-bit samples the outermost two on either side
SILENCE = -120.0  # decibels said of digital silence, which has none


def describe_clip(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Return rate, channels, duration, level (dB of full scale) and clipped share of a clip, and its hash.

    Raises DataError for one that cannot be read.
    """
    clip = open_clip(cell)
    power = float(np.square(clip.samples, dtype=np.float64).mean())
    decibels = max(10 * np.log10(power), SILENCE) if power else SILENCE
    channels = clip.samples.shape[1]
    return {
        "hash": hash_clip(clip),
        "sampling_rate": clip.sampling_rate,
        "channels": channels,
        "seconds": round(clip.seconds, 4),
        "decibels": round(float(decibels), 2),
        "clipped": round(float((np.abs(clip.samples) >= FULL_SCALE).mean()), 6),
        "what": f"{clip.seconds:.2f} s, {clip.sampling_rate} Hz, {_voices(channels)}, {decibels:.0f} dB",
    }


def clip_rules(checks: Checks) -> list[Rule]:
    """Return what is expected of clips."""
    return [
        Rule("decodable", "Every clip can be read", "rows", "decodable", "error", low=1),
        Rule("rates", "Sampling rates of the clips, which are brought to one", "facts", "rates", "warning", high=1),
        Rule(
            "sampling-rate",
            "Samples a second of every clip",
            "rows",
            "sampling_rate",
            "warning",
            low=checks.min_sampling_rate,
        ),
        Rule(
            "duration",
            "Seconds of every clip",
            "rows",
            "seconds",
            "warning",
            low=checks.min_clip_seconds,
            high=checks.max_clip_seconds,
        ),
        Rule(
            "clipping",
            "Share of a clip's samples at full scale",
            "rows",
            "clipped",
            "warning",
            high=checks.max_clipped_share,
        ),
        Rule(
            "silence",
            "Level of every clip in dB of full scale",
            "rows",
            "decibels",
            "warning",
            low=checks.min_decibels,
        ),
    ]


def _voices(channels: int) -> str:
    return {1: "mono", 2: "stereo"}.get(channels, f"{channels} channels")
