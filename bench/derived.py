"""Rows made of the real datasets, for the catalogues below tests/real: python -m bench.derived [NAME...].

A dataset that holds its own source and target (two kinds of microscope, six speakers) is divided; clips are joined,
passages lose their questions. What is made lies in `.graft/real/NAME`, where those catalogues look for it.
"""

import csv
import json
import random
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from scipy.ndimage import find_objects, label

from bench.cloze import ask, split_sentences
from bench.lookups import look_up
from bench.rows import REAL

MADE = Path(".graft/real")
SPEAKER = "lucas"  # of connected digits; the others say single ones
QUIET = "theo"  # the speaker whom a classifier of the other five is adapted to
SAID = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SPECK = 20  # pixels; a smaller region of a mask is no nucleus
PAUSE = 400  # samples of silence after a digit, at 8 kHz
ROUNDS = 3  # of questions about every training passage, each with other words and other sentences around
MOST_ASKED = 20  # of a passage in a round
LOOKED_UP = 8000  # rows of either kind
Rows = list[dict[str, Any]]
Files = Iterator[tuple[str, pa.Table | str]]
"""Rows, or a text, with the file that they go to."""


def make(name: str, root: Path = Path()) -> Path:
    """Return the folder of the rows made of a real dataset below `root`, made if they are not there yet."""
    folder = root / MADE / name
    if not folder.is_dir():
        unfinished = folder.with_name(f"{name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        for place, content in DERIVED[name]():
            (unfinished / place).parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                (unfinished / place).write_text(content)
            else:
                pq.write_table(content, unfinished / place)
        unfinished.rename(folder)
    return folder


def _nuclei() -> Files:
    """Yield the fluorescence images and the stained ones apart, each with its splits."""
    folder = REAL / "nuclei"
    rows = _read_csv(folder / "index.csv")
    for kind in ("fluorescence", "stained"):
        yield f"{kind}/classes.txt", "background\nnucleus\n"
        for split in ("train", "validation", "test"):
            mine = [row for row in rows if (row["kind"], row["split"]) == (kind, split)]
            cells = [{name: _cell(folder / row[name]) for name in ("image", "mask")} for row in mine]
            yield f"{kind}/{split}.parquet", pa.Table.from_pylist(cells)


def _blood_cells() -> Files:
    """Yield images of nuclei with a box around each region of their masks: also around two that touch."""
    folder = REAL / "nuclei"
    rows = _read_csv(folder / "index.csv")
    for split in ("train", "validation", "test"):
        found = []
        for row in (row for row in rows if row["split"] == split):
            boxes = [*_regions(np.asarray(Image.open(folder / row["mask"])) > 0)]
            objects = {"bbox": boxes, "category": ["nucleus"] * len(boxes)}
            found.append({"image": _cell(folder / row["image"]), "objects": objects})
        yield f"nuclei/{split}.parquet", pa.Table.from_pylist(found)


def _regions(mask: np.ndarray) -> Iterator[list[float]]:
    """Yield left, top, width and height of every region of a mask but specks."""
    numbered, _ = label(mask)
    for number, (down, across) in enumerate(find_objects(numbered), 1):
        if (numbered[down, across] == number).sum() >= SPECK:
            yield [across.start, down.start, across.stop - across.start, down.stop - down.start]


def _squad() -> Files:
    """Yield questions made of the passages of the training articles, and words to look up in them.

    Validation and test are questions of other articles.
    """
    held = _passages("validation")
    parts = {"train": (_passages("train"), ROUNDS), "validation": (held[::2], 1), "test": (held[1::2], 1)}
    for part, (passages, rounds) in parts.items():
        draws = random.Random(part)
        sentences = [sentence for passage in passages for sentence in split_sentences(passage)]
        rows = [
            row for _ in range(rounds) for passage in passages for row in ask(passage, MOST_ASKED, draws, sentences)
        ]
        if part == "train":
            rows += look_up(sentences, LOOKED_UP, draws)
        draws.shuffle(rows)
        yield f"cloze/{part}.parquet", pa.Table.from_pylist(rows)


def _passages(split: str) -> list[str]:
    articles = json.loads((REAL / "squad" / f"{split}.json").read_text())["data"]
    return [paragraph["context"] for article in articles for paragraph in article["paragraphs"]]


def _spoken_digits() -> Files:
    """Yield the digits of five speakers with their splits, and all of the sixth: 30 clips would be too small a test."""
    quiet = []
    for split in ("train", "test"):
        rows = [_clip(row, "label", "speaker") for row in _digits(split)]
        quiet += [row for row in rows if row["speaker"] == QUIET]
        yield f"five/{split}.parquet", pa.Table.from_pylist([row for row in rows if row["speaker"] != QUIET])
    yield "sixth.parquet", pa.Table.from_pylist(quiet)


def _connected_digits() -> Files:
    """Yield single digits of five speakers, and three digits in a row of the sixth."""
    others = [row for split in ("train", "test") for row in _digits(split) if row["speaker"] != SPEAKER]
    yield "single.parquet", pa.Table.from_pylist([_clip(row, "label", "speaker") for row in others])
    for split, count, seed in (("train", 240, 2), ("test", 40, 3)):
        yield f"joined/{split}.parquet", pa.Table.from_pylist(join_digits(split, {SPEAKER}, count, (3, 3), seed))


def _yes_no() -> Files:
    """Yield digits in a row of every speaker of spoken_digits, the source of yes_no."""
    speakers = {row["speaker"] for row in _digits("train")} - {QUIET}
    for split, count, seed in (("train", 900, 2), ("test", 60, 3)):
        yield f"digits/{split}.parquet", pa.Table.from_pylist(join_digits(split, speakers, count, (2, 4), seed))


def join_digits(split: str, speakers: set[str], count: int, digits: tuple[int, int], seed: int) -> Rows:
    """Return rows of `audio`, `transcript` and `speaker`: from so many to so many digits each, drawn with the seed."""
    import soundfile

    random, rows = np.random.default_rng(seed), _digits(split)
    joined: Rows = []
    for number in range(count):
        speaker = sorted(speakers)[number % len(speakers)]
        mine = [row for row in rows if row["speaker"] == speaker]
        length = int(random.integers(digits[0], digits[1] + 1)) if digits[0] < digits[1] else digits[0]
        chosen = [mine[place] for place in random.choice(len(mine), length, replace=False)]
        clips = [soundfile.read(row["path"], dtype="float32")[0] for row in chosen]
        samples = np.concatenate([part for clip in clips for part in (clip, np.zeros(PAUSE, np.float32))])
        stream = BytesIO()
        soundfile.write(stream, samples, 8000, format="WAV", subtype="PCM_16")
        text = " ".join(SAID[int(row["label"])] for row in chosen)
        joined.append({"audio": _bytes(stream.getvalue()), "transcript": text, "speaker": speaker})
    return joined


def _digits(split: str) -> list[dict[str, str]]:
    folder = REAL / "spoken_digits" / split
    return [{**row, "path": str(folder / row["file_name"])} for row in _read_csv(folder / "metadata.csv")]


def _clip(row: Mapping[str, str], *columns: str) -> dict[str, Any]:
    return {"audio": _cell(Path(row["path"])), **{column: row[column] for column in columns}}


def _cell(path: Path) -> dict[str, Any]:
    return _bytes(path.read_bytes())


def _bytes(content: bytes) -> dict[str, Any]:
    return {"bytes": content, "path": None}


def _read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


DERIVED: dict[str, Callable[[], Files]] = {
    "nuclei": _nuclei,
    "squad": _squad,
    "blood_cells": _blood_cells,
    "spoken_digits": _spoken_digits,
    "connected_digits": _connected_digits,
    "yes_no": _yes_no,
}
ORIGINS = {"squad": ("squad",), "nuclei": ("nuclei",), "blood_cells": ("nuclei",)} | dict.fromkeys(
    ("spoken_digits", "connected_digits", "yes_no"), ("spoken_digits",)
)
"""The real datasets that the rows of a name are made of."""


if __name__ == "__main__":
    for name in sys.argv[1:] or DERIVED:
        print(make(name))
