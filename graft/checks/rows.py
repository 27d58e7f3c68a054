"""One derived row per sample: what expectations look at instead of pixels, sentences and samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from graft.checks import images, sounds
from graft.checks.boxes import describe_objects
from graft.checks.identities import describe_identities
from graft.checks.label_sets import describe_sets
from graft.checks.masks import describe_mask
from graft.checks.texts import describe_texts
from graft.checks.transcripts import describe_transcripts
from graft.errors import DataError
from graft.reading import Dataset

if TYPE_CHECKING:
    import pyarrow as pa

    from graft.problems.problem import Modality, Problem

SPLIT_ORDER = ("train", "validation", "test")


def derive(dataset: Dataset, problem: Problem, tokenizer: Path | None = None) -> pd.DataFrame:
    """Return split, file, row, label name, hash and features of every row, train first.

    The features are those of `images`, `sounds` and `texts`; what is a file also has `decodable`. `what` shows the
    row to a person.
    """
    frames = []
    for split in sorted(dataset.splits, key=SPLIT_ORDER.index):
        table = dataset.splits[split]
        frame = pd.DataFrame({"split": split, "file": table["file"].to_pylist(), "row": table["row"].to_pylist()})
        if "label" in table.column_names:
            frame["label"] = [dataset.labels[label] for label in table["label"].to_pylist()]
        if "labels" in table.column_names:
            frame = frame.assign(**describe_sets(table["labels"].to_pylist(), dataset.labels))
        if "group" in table.column_names:
            frame["group"] = table["group"].to_pylist()
        if "identity" in table.column_names:
            frame = frame.assign(**describe_identities(table["identity"].to_pylist()))
        features = pd.DataFrame(CONTENT[problem.modality](table, tokenizer))
        if "transcript" in table.column_names:
            features = features.assign(**describe_transcripts(table["transcript"].to_pylist(), features["seconds"]))
        beside = [pd.DataFrame([describe(cell) for cell in _cells(table[column])])
                  for column, describe in BESIDE.items() if column in table.column_names]  # fmt: skip
        frames.append(pd.concat([frame, features, *beside], axis="columns"))
    return pd.concat(frames, ignore_index=True)


def _images(table: pa.Table, tokenizer: Path | None) -> list[dict[str, Any]]:
    return [_look(cell, images.describe_image, images.FEATURES) for cell in _cells(table["image"])]


def _sounds(table: pa.Table, tokenizer: Path | None) -> list[dict[str, Any]]:
    return [_look(cell, sounds.describe_clip, sounds.FEATURES) for cell in _cells(table["audio"])]


def _texts(table: pa.Table, tokenizer: Path | None) -> dict[str, Sequence[Any]]:
    return describe_texts(table["text"].to_pylist(), tokenizer)


CONTENT: dict[Modality, Callable[[pa.Table, Path | None], Any]] = {
    "image": _images,
    "text": _texts,
    "audio": _sounds,
}
"""The features of each kind of input."""

BESIDE: dict[str, Callable[[Any], dict[str, Any]]] = {"mask": describe_mask, "objects": describe_objects}
"""The features of other columns than the input's, which have no fault that the reader would not have refused."""


def _cells(column: pa.ChunkedArray, size: int = 1000) -> Iterator[Any]:
    """Yield cells, a few in memory at a time, so that a large dataset is never there twice."""
    for start in range(0, len(column), size):
        yield from column.slice(start, size).to_pylist()


def _look(
    cell: Mapping[str, Any], describe: Callable[[Mapping[str, Any]], dict[str, Any]], features: Sequence[str]
) -> dict[str, Any]:
    """Return the features of a file; none where it cannot be read."""
    try:
        return {"decodable": True, **describe(cell)}
    except DataError as error:
        return {"decodable": False, **dict.fromkeys(features), "what": str(error)}
