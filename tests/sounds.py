"""Clips to test with: tones, told apart by their pitch."""

import io

import numpy as np
import soundfile

RATE = 4000


def tone(hertz: float, seconds: float = 0.2, rate: int = RATE, level: float = 0.3, seed: int = 0) -> np.ndarray:
    """Return samples of a tone in a little noise, float32 (frames,)."""
    times = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(seed).standard_normal(len(times))
    return (level * (np.sin(2 * np.pi * hertz * times) + 0.05 * noise)).astype(np.float32)


def wav(samples: np.ndarray, rate: int = RATE, kind: str = "WAV", subtype: str = "PCM_16") -> bytes:
    """Return samples as the bytes of a sound file."""
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, format=kind, subtype=subtype)
    return stream.getvalue()
