"""Clips as a network takes them: resampled, normalised by its feature extractor, padded to a width of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graft.problems.examples import Examples
from graft.problems.problem import Batch

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from graft.catalog import Pretraining

SECONDS = (0.25, 0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30)
"""What clips are padded to. Few, so that a bucket holds rows enough; round, because many datasets are cut to these."""
MOST_SECONDS = 30.0
"""Kept of a clip by a feature extractor that says nothing of it: attention grows with the square."""
MOST_HERTZ = 16_000
"""Speech has little above 8 kHz, and published networks are trained at this rate."""
SHORTEST = 400
"""Samples: one window of the log-mel extractors, and what wav2vec 2.0 needs for one frame."""
HOP = 160
"""Samples between two frames of the log-mel extractors."""
FITTED = 500
"""Rows that the mean and deviation of spectrograms are taken from."""


def make_extractor(table: pa.Table, config: Mapping[str, Any], recipe: Pretraining) -> Any:
    """Return the feature extractor that a network of this configuration takes, fitted on the training rows."""
    made = EXTRACTORS.get(config["model_type"], _waveforms)(table, config, recipe.sampling_rate or _usual_rate(table))
    made.clip_seconds = recipe.clip_seconds
    return made


def encode_clips(
    table: pa.Table, extractor: Any, whole: bool = False, keep: Callable[[np.ndarray], np.ndarray] | None = None
) -> Examples:
    """Return what the extractor makes of the column `audio`, mono and at its rate; and labels.

    Clips are cut at the extractor's seconds, but not with `whole`. `keep` says what is kept of each.

    Raises DataError for a clip that cannot be read.
    """
    import numpy as np

    from graft.reading import MEDIA, Clip

    name, rate = extractor.model_input_names[0], extractor.sampling_rate

    def extract(clip: Clip) -> np.ndarray:
        samples = _samples(clip, extractor, whole)
        values: np.ndarray = extractor(samples, sampling_rate=rate, return_tensors="np")[name][0]
        values = values.astype(np.float32, copy=False)
        return values if keep is None else keep(values)

    features = MEDIA["audio"].of_each(table["audio"].to_pylist(), extract)
    labels = np.asarray(table["label"], dtype=np.int64) if "label" in table.column_names else None
    return Examples(features, labels, choose_seconds(features, rate))


def choose_seconds(features: Sequence[np.ndarray], rate: int) -> np.ndarray:
    """Return the width of each row (rows,): samples of the next of `SECONDS`, or the numbers of its frames.

    It depends on the row alone. A network with a group norm over the waveform (wav2vec 2.0 base) takes no mask and
    sees the padding, so another width would be another answer.
    """
    import numpy as np

    grid = np.array([round(seconds * rate) for seconds in SECONDS])
    lengths = np.array([len(row) for row in features], dtype=np.int64)
    if any(row.ndim > 1 for row in features[:1]):
        return np.full(len(features), features[0].size, dtype=np.int64)
    places = np.searchsorted(grid, lengths)
    widths: np.ndarray = np.where(places < len(grid), grid[np.minimum(places, len(grid) - 1)], lengths)
    return widths


def pad_clips(examples: Examples, rows: Sequence[int], extractor: Any) -> Batch:
    """Return the model's inputs: (rows, width) with a mask where the extractor gives one, or (rows, frames, bins)."""
    import numpy as np
    import torch

    name = extractor.model_input_names[0]
    clips = [examples.features[row] for row in rows]
    if clips[0].ndim > 1:
        return {name: torch.from_numpy(examples.stack(rows))}
    lengths = np.array([len(clip) for clip in clips])[:, None]
    width = lengths.max() if examples.widths is None else examples.widths[list(rows)].max()
    filled = np.arange(width) < lengths
    values = np.full(filled.shape, extractor.padding_value, dtype=np.float32)
    values[filled] = np.concatenate(clips)
    batch = {name: torch.from_numpy(values)}
    if extractor.return_attention_mask:
        batch["attention_mask"] = torch.from_numpy(filled.astype(np.int64))
    return batch


def kept_seconds(extractor: Any) -> float:
    """Return how many seconds of a clip an extractor's network reads."""
    most = float(getattr(extractor, "clip_seconds", MOST_SECONDS))
    frames = getattr(extractor, "max_length", None)  # of a spectrogram, which is cut there too
    return most if frames is None else min(most, ((frames - 1) * HOP + SHORTEST) / extractor.sampling_rate)


def _samples(clip: Any, extractor: Any, whole: bool) -> np.ndarray:
    import numpy as np

    from graft.reading import resample

    rate = extractor.sampling_rate
    samples = resample(clip, rate)
    kept = samples if whole else samples[: round(kept_seconds(extractor) * rate)]
    return np.pad(kept, (0, max(0, SHORTEST - len(kept))))


def _usual_rate(table: pa.Table) -> int:
    """Return the commonest sampling rate of some rows, but no more than published networks use."""
    from graft.reading import MEDIA

    cells = table["audio"].slice(0, FITTED).to_pylist()
    rates: Counter[int] = Counter(MEDIA["audio"].of_each(cells, lambda clip: clip.sampling_rate))
    return min(MOST_HERTZ, max(rates, key=lambda rate: (rates[rate], rate)))


def _waveforms(table: pa.Table, config: Mapping[str, Any], rate: int) -> Any:
    """Return an extractor that brings each clip to mean 0 and deviation 1; the mask is for networks that use one."""
    from transformers import Wav2Vec2FeatureExtractor

    masked = config.get("feat_extract_norm", "group") == "layer"
    return Wav2Vec2FeatureExtractor(sampling_rate=rate, do_normalize=True, return_attention_mask=masked)


def _spectrograms(table: pa.Table, config: Mapping[str, Any], rate: int) -> Any:
    """Return an extractor of log-mel frames, normalised by the training rows (Gong et al. 2021, section 3.1)."""
    import numpy as np
    from transformers import ASTFeatureExtractor

    sizes = {key: config[key] for key in ("num_mel_bins", "max_length") if key in config}
    raw = ASTFeatureExtractor(sampling_rate=rate, do_normalize=False, **sizes)
    frames = np.stack(list(encode_clips(table.slice(0, FITTED), raw).features))
    mean, spread = float(frames.mean()), float(frames.std())
    # what transformers divides by is twice what it calls std
    return ASTFeatureExtractor(sampling_rate=rate, mean=round(mean, 6), std=round(max(spread, 1e-3), 6), **sizes)


EXTRACTORS: dict[str, Callable[[Any, Mapping[str, Any], int], Any]] = {"audio-spectrogram-transformer": _spectrograms}
"""Networks that read something else than the waveform."""
