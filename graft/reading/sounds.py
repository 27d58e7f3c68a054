"""Audio cells: the bytes of a sound file, or its path. WAV, FLAC, Ogg and MP3, whatever libsndfile reads."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from graft.errors import DataError
from graft.reading.cells import cell_bytes

if TYPE_CHECKING:
    from soundfile import SoundFile

Samples = npt.NDArray[np.float32]
SUFFIXES = frozenset({".aif", ".aiff", ".au", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".wav"})
DECLARED = re.compile(r"data\s*: (\d+) \(should be (\d+)\)")  # what libsndfile says of a WAV file that ends early
STREAMED = 0xFFFF_FF00  # a size from here on is what a program writes that did not know it


def begins_as_sound(content: bytes) -> bool:
    """Say whether bytes begin as a sound file of a usual format does."""
    riff = content[:4] in (b"RIFF", b"RF64") and content[8:12] == b"WAVE"
    aiff = content[:4] == b"FORM" and content[8:11] == b"AIF"
    mpeg = content[:1] == b"\xff" and content[1:2] > b"\xdf"  # eleven bits of ones: an MP3 without a tag
    return riff or aiff or mpeg or content.startswith((b"fLaC", b"OggS", b"ID3", b".snd"))


@dataclass(frozen=True)
class Clip:
    """A sound: float32 samples (frames, channels), full scale from -1 to 1, at a sampling rate in Hz."""

    samples: Samples
    sampling_rate: int

    @property
    def seconds(self) -> float:
        """Its duration."""
        return len(self.samples) / self.sampling_rate

    @property
    def mono(self) -> Samples:
        """The mean of its channels, float32 (frames,)."""
        return self.samples[:, 0] if self.samples.shape[1] == 1 else self.samples.mean(axis=1, dtype=np.float32)


def open_clip(cell: Mapping[str, Any] | None) -> Clip:
    """Return the decoded sound of a cell; raises DataError saying what is wrong."""
    import soundfile

    name = (cell or {}).get("path") or "audio"
    try:
        content = cell_bytes(cell)
        if not content:
            raise DataError(f"{name}: an empty file, expected a sound")
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            samples = file.read(dtype="float32", always_2d=True)
            reason = _fault(file, samples)
            rate = int(file.samplerate)
    except OSError as error:
        raise DataError(f"{name}: cannot be read ({error.strerror})") from None
    except soundfile.LibsndfileError as error:
        unknown = "not recogni" in error.error_string
        reason = "no known sound format" if unknown else error.error_string.rstrip(".")
    if reason:
        raise DataError(f"{name}: not a sound that can be read ({reason})")
    return Clip(samples, rate)


def measure_duration(cell: Mapping[str, Any] | None) -> float | None:
    """Return the seconds of a cell's sound as its file declares them, without decoding it; None where it has none."""
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(cell_bytes(cell))) as file:
            return float(file.frames) / float(file.samplerate)
    except (OSError, TypeError, soundfile.LibsndfileError):
        return None


def _fault(file: SoundFile, samples: Samples) -> str:
    """Return what is wrong with a sound that libsndfile decoded without a complaint; empty where nothing is."""
    found = DECLARED.search(file.extra_info)
    declared, there = (int(found[1]), int(found[2])) if found else (0, 0)
    if there < declared < STREAMED:
        return f"it ends early: {there} of {declared} bytes are there"
    if len(samples) < file.frames:
        return f"it ends early: {len(samples)} of {file.frames} frames are there"
    if not len(samples):
        return "it holds no samples"
    return "" if np.isfinite(samples).all() else "some samples are not numbers"


def hash_clip(clip: Clip) -> str:
    """Return the sha256 of sampling rate and samples; the file format, if lossless, and equal channels do not count."""
    header = f"{clip.sampling_rate} {len(clip.samples)} ".encode()
    return hashlib.sha256(header + np.ascontiguousarray(clip.mono).tobytes()).hexdigest()


def encode_clip(clip: Clip) -> bytes:
    """Return the sound as a WAV file of 32-bit floats, which loses nothing; the same sound gives the same bytes.

    By scipy: soundfile writes the time of day into such a file.
    """
    from scipy.io import wavfile

    stream = io.BytesIO()
    wavfile.write(stream, clip.sampling_rate, np.asarray(clip.samples, dtype=np.float32))
    return stream.getvalue()


def resample(clip: Clip, sampling_rate: int) -> Samples:
    """Return the mono samples (frames,) at another rate, by a polyphase filter (scipy.signal.resample_poly).

    Its low-pass is a Kaiser window with beta 5, so that what the new rate cannot hold is left out, not folded down.
    """
    if clip.sampling_rate == sampling_rate:
        return clip.mono
    from scipy.signal import resample_poly

    common = gcd(clip.sampling_rate, sampling_rate)
    found: Samples = resample_poly(clip.mono, sampling_rate // common, clip.sampling_rate // common)
    return found.astype(np.float32, copy=False)
