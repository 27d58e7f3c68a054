"""Connected digits, made of ../shared/data/spoken_digits: clips of one speaker, one after another."""

import csv
from pathlib import Path

import numpy as np
import soundfile

from tests.sounds import wav

DIGITS = Path("../shared/data/spoken_digits")
SAID = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def read_digits(split: str) -> list[dict[str, str]]:
    """Return the rows of metadata.csv with the path of each clip."""
    folder = DIGITS / split
    with (folder / "metadata.csv").open() as stream:
        return [{**row, "path": str((folder / row["file_name"]).resolve())} for row in csv.DictReader(stream)]


def join_digits(split: str, speakers: set[str], count: int, digits: int, seed: int) -> list[dict[str, object]]:
    """Return rows of `audio`, `transcript` and `speaker`: so many digits each, at 8 kHz, drawn with the seed."""
    random, rows = np.random.default_rng(seed), read_digits(split)
    joined: list[dict[str, object]] = []
    for number in range(count):
        speaker = sorted(speakers)[number % len(speakers)]
        mine = [row for row in rows if row["speaker"] == speaker]
        chosen = [mine[place] for place in random.choice(len(mine), digits, replace=False)]
        clips = [soundfile.read(row["path"], dtype="float32")[0] for row in chosen]
        samples = np.concatenate([part for clip in clips for part in (clip, np.zeros(400, np.float32))])
        text = " ".join(SAID[int(row["label"])] for row in chosen)
        joined.append({"audio": {"bytes": wav(samples, 8000), "path": None}, "transcript": text, "speaker": speaker})
    return joined
