"""How a report shows one input: a text as it is, an image as a thumbnail, a clip as a spectrogram and to listen to."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from graft.report import style

if TYPE_CHECKING:
    import numpy.typing as npt
    from PIL.Image import Image

    from graft.problems.problem import Modality, Problem
    from graft.reading import Clip

THUMBNAIL = 160  # pixels of the longer side at the most
DRAWN = 400  # of one in which something is drawn, so that words in it can be read
SENTENCE = 400  # characters
HEARD = 5.0  # seconds of a clip at the most: a page of twelve such stays below 2 MB
LOUD = 0.7  # the peak of what is heard, of full scale: a quiet clip is to be understood, its level is written
RANGE = 70.0  # decibels below the loudest that are drawn
WINDOW = 0.025  # seconds, of which a spectrum is made: as speech networks have it


def show_text(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the text, cut where it is long, below the question that is asked about it, if one is."""
    text = str(row["text"])
    shown = text if len(text) <= SENTENCE else f"{text[:SENTENCE]} …"
    return {"text": f"{row['question']} — {shown}" if row.get("question") else shown}


def show_image(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a small picture."""
    from graft.reading import convert_image, open_image

    return {"image": picture_uri(convert_image(open_image(dict(row["image"])), "RGB"), THUMBNAIL)}


def show_answer(problem: Problem, row: Mapping[str, Any], answer: npt.NDArray[np.float32]) -> dict[str, Any]:
    """Return an input with what was answered drawn in, where the problem draws answers; else the input alone."""
    picture = problem.draw(row, answer)
    if picture is None:
        return SHOWN[problem.modality](row)
    picture.thumbnail((DRAWN, DRAWN))
    stream = io.BytesIO()
    picture.save(stream, format="PNG")
    return {"image": _uri("image/png", _smaller(stream.getvalue()))}


def picture_uri(image: Image, side: int) -> str:
    """Return an image of mode RGB, of at most so many pixels in height and width, as the URI of a PNG."""
    image.thumbnail((side, side))
    stream = io.BytesIO()
    image.save(stream, format="PNG")
    return _uri("image/png", stream.getvalue())


def show_clip(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a spectrogram with the waveform above it, and the beginning of the clip as 16-bit WAV, mono and loud."""
    from graft.reading import open_clip

    clip = open_clip(row["audio"])
    return {"image": _uri("image/png", draw_clip(clip)), "sound": _uri("audio/wav", _audible(clip))}


def draw_clip(clip: Clip) -> bytes:
    """Return a PNG: the waveform with its peak level, below it the power of each frequency in dB below the loudest."""
    peak = float(np.abs(clip.mono).max())
    with style.canvas(2.6, 1.95) as figure:
        wave, power = figure.subplots(2, 1, sharex=True, height_ratios=(1, 3.2))
        figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02, hspace=0.0)
        times = np.arange(len(clip.mono)) / clip.sampling_rate
        wave.plot(times, clip.mono, color=style.TRANSFER, linewidth=0.5)
        wave.set_ylim(-1.1 * max(peak, 1e-6), 1.1 * max(peak, 1e-6))
        wave.set_yticks([])
        level = f"peak {20 * np.log10(peak):.0f} dB".replace("-", "−") if peak else "silence"
        wave.set_title(level, loc="right", fontsize=7, fontweight="normal", color=style.MUTED, pad=1)
        style.bare(wave, "left", "bottom")
        decibels, middle, hertz = spectrogram(clip)
        power.pcolormesh(middle, hertz / 1000, decibels, cmap="magma", vmin=-RANGE, vmax=0, shading="nearest")
        power.set_xlim(0, clip.seconds)
        power.set_ylabel("kHz", fontsize=8, labelpad=2)
        power.tick_params(labelsize=7.5, length=2)
        power.set_xlabel("seconds", fontsize=8, labelpad=1)
        return _smaller(style.png(figure))


def spectrogram(clip: Clip) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return decibels below the loudest (frequencies, times), the times in seconds and the frequencies in Hz."""
    from scipy.signal import ShortTimeFFT
    from scipy.signal.windows import hann

    samples = np.asarray(clip.mono, dtype=np.float64)
    length = max(16, round(WINDOW * clip.sampling_rate))
    samples = np.pad(samples, (0, max(0, length - len(samples))))
    hop = max(1, len(samples) // 400, length // 8)  # no more columns than pixels
    transform = ShortTimeFFT(hann(length, sym=False), hop, clip.sampling_rate, mfft=2 ** (length - 1).bit_length())
    power = transform.spectrogram(samples)
    decibels = 10 * np.log10(np.maximum(power / max(power.max(), 1e-20), 1e-12))
    return decibels, np.asarray(transform.t(len(samples))), np.asarray(transform.f)


def _audible(clip: Clip) -> bytes:
    import soundfile

    stream = io.BytesIO()
    kept = clip.mono[: round(HEARD * clip.sampling_rate)]
    loud = kept * (LOUD / max(float(np.abs(kept).max()), 1e-6))
    soundfile.write(stream, loud, clip.sampling_rate, format="WAV", subtype="PCM_16")
    return stream.getvalue()


def _smaller(picture: bytes) -> bytes:
    """Return a PNG in 128 colours, which are enough for one colour scale: a third of the size."""
    from PIL import Image

    stream = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as image:
        image.convert("RGB").quantize(128).save(stream, "PNG")
    return stream.getvalue()


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


SHOWN: Mapping[Modality, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "text": show_text,
    "image": show_image,
    "audio": show_clip,
}
"""What `Mistake` holds of an input, by its kind."""
