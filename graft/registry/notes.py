"""What was done to inputs before a model saw them, where its owner should know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from graft.problems.problem import Modality


def cut_texts(table: pa.Table, tokenizer: Any) -> list[str]:
    """Return for each text how much of it the model reads, where that is not all."""
    most = tokenizer.model_max_length
    counts = [len(ids) for ids in tokenizer(table["text"].to_pylist(), truncation=False, verbose=False)["input_ids"]]
    return [f"cut: {most} of {count} tokens were read" if count > most else "" for count in counts]


def changed_clips(table: pa.Table, extractor: Any) -> list[str]:
    """Return for each clip how much of it the model reads, and whether it was resampled."""
    from graft.problems.waveforms import kept_seconds
    from graft.reading import MEDIA, Clip

    most, rate = kept_seconds(extractor), extractor.sampling_rate

    def note(clip: Clip) -> str:
        cut = [f"cut: {most:g} of {clip.seconds:.1f} s were read"] if clip.seconds > most else []
        resampled = [f"resampled from {clip.sampling_rate} to {rate} Hz"] if clip.sampling_rate != rate else []
        return "; ".join([*cut, *resampled])

    return MEDIA["audio"].of_each(table["audio"].to_pylist(), note)


NOTES: dict[Modality, Callable[[pa.Table, Any], Sequence[str]]] = {"text": cut_texts, "audio": changed_clips}
"""Kinds of input that a model may not see as they were given."""
