"""Which files a dataset is made of, and which split each belongs to."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from graft.errors import DataError
from graft.reading.annotations import LISTS, voc_files
from graft.reading.media import FILES, Medium
from graft.reading.packed import look_into

Kind = Literal["parquet", "csv", "json", "folders", "pairs", "saved", "text", "voc"]
KINDS: dict[str, Kind] = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
}
TEXTS: dict[str, Kind] = {".txt": "text"}
SPLITS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
# train.csv, train-00000-of-00003.parquet, train_2.jsonl; not train_pairs.csv, which is something else
SPLIT_NAME = re.compile(rf"({'|'.join(SPLITS)})([-_.]?\d+(-of-\d+)?)?", re.IGNORECASE)
NOT_ROWS = frozenset({"manifest.json", "dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"})
LIKE_SPLIT = re.compile(rf"({'|'.join(SPLITS)})[-_. ].*", re.IGNORECASE)
"""Folders such as train_images and test_images: splits by another name, and hardly classes."""
LEFT_BEHIND = frozenset({"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"})
"""Folders that systems leave in others, with pictures of their own in some."""
HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")
FORMATS = (
    "parquet, CSV, JSON lines, folders of images or audio by class, or without classes where there are no labels, "
    "folders images/ and masks/, COCO json with its images, Pascal VOC (Annotations/*.xml), a saved `datasets` "
    "directory, or plain text (.txt)"
)
PAIR_LIST = re.compile(rf"({'|'.join(SPLITS)})_pairs", re.IGNORECASE)
"""Beside rows, a list of pairs of them is not rows itself."""
PAIRED = ("images", "masks")
"""Two folders of these names hold images and their masks, of the same names but for the suffix."""


@dataclass(frozen=True)
class Part:
    """A file of rows, a folder of classes or pairs, or a saved split; `split` is None where the layout names none."""

    path: Path
    kind: Kind
    split: str | None
    name: str
    """Where it is, relative to the dataset: the provenance of its rows."""


def split_of(name: str) -> str | None:
    """Return the split that a file stem or folder name stands for."""
    match = SPLIT_NAME.fullmatch(name)
    return SPLITS[match[1].lower()] if match else None


def discover(path: Path) -> list[Part]:
    """Return the parts of a dataset in a fixed order; raises DataError when there is nothing to read."""
    path = look_into(path)
    try:
        there = path.exists()
    except OSError:  # a name that no file can have
        there = False
    if not there:
        raise DataError(f"{path}: no such file or folder", advice=_advice(path))
    if path.is_file():
        if (kind := {**KINDS, **TEXTS}.get(path.suffix.lower())) is None:
            raise DataError(f"{path}: '{path.suffix}' is not a format of rows", advice=f"Expected {FORMATS}.")
        return [Part(path, kind, None, path.name)]
    if not path.is_dir():
        raise DataError(f"{path}: neither a file nor a folder", advice=f"Expected {FORMATS}.")
    # plain text comes last: beside rows or images it is a note, such as a licence or a list of classes
    parts = (
        _saved(path)
        or _coco(path)
        or _voc(path)
        or _rows(path)
        or _pairs(path)
        or _class_folders(path)
        or _flat(path)
        or _files(path, TEXTS)
        or _files(path, KINDS)
    )
    if not parts:
        found = sorted(entry.name for entry in path.iterdir())[:5]
        holds = f"it holds {', '.join(found)}" if found else "the folder is empty"
        raise DataError(f"{path}: no data found, {holds}", advice=f"Expected {FORMATS}.")
    _refuse_strays(path, parts)
    return parts


def _advice(path: Path) -> str:
    if HUB_ID.fullmatch(path.as_posix()) and not path.parent.exists():
        return f"If '{path.as_posix()}' is a hub id, fetch it once with `graft new`, which stores it as a local folder."
    return "Give the path from the folder of params.yaml; if DVC keeps the data, `dvc pull` or `dvc repro` brings it."


def _saved(path: Path) -> list[Part]:
    if (path / "state.json").is_file() and (path / "dataset_info.json").is_file():
        return [Part(path, "saved", None, path.name)]
    if not (path / "dataset_dict.json").is_file():
        return []
    names = json.loads((path / "dataset_dict.json").read_text())["splits"]
    return [Part(path / name, "saved", split_of(name), name) for name in names]


def _visible(path: Path) -> list[Path]:
    return sorted(entry for entry in path.iterdir() if not entry.name.startswith((".", "_")))


def _files(path: Path, kinds: Mapping[str, Kind]) -> list[Part]:
    """Return files of some kinds at the top, in split folders, or in `data/` as the hub has it."""
    parts = []
    for entry in _visible(path):
        inside = _visible(entry) if entry.is_dir() and (split_of(entry.name) or entry.name == "data") else [entry]
        for file in inside:
            kind = kinds.get(file.suffix.lower())
            if kind and file.is_file() and file.name not in NOT_ROWS:
                split = split_of(file.stem) or (split_of(entry.name) if entry.is_dir() else None)
                parts.append(Part(file, kind, split, file.relative_to(path).as_posix()))
    return parts


def _rows(path: Path) -> list[Part]:
    """Return files of rows, without lists of pairs of them."""
    return [part for part in _files(path, KINDS) if not PAIR_LIST.fullmatch(part.path.stem)]


def _pairs(path: Path) -> list[Part]:
    """Return the folders that hold images/ and masks/: the dataset itself, or its splits."""
    if _is_paired(path):
        return [Part(path, "pairs", None, "")]
    splits = [entry for entry in _visible(path) if split_of(entry.name) and _is_paired(entry)]
    return [Part(entry, "pairs", split_of(entry.name), entry.name) for entry in splits]


def _is_paired(folder: Path) -> bool:
    return all((folder / name).is_dir() for name in PAIRED)


def _coco(path: Path) -> list[Part]:
    """Return COCO's files where they do not lie at the top: in annotations/, or beside the images of each split."""
    folder = path / "annotations"
    files = sorted(folder.glob("instances_*.json")) or sorted(folder.glob("*.json"))
    found = [Part(file, "json", split_of(file.stem.removeprefix("instances_")), f"annotations/{file.name}")
             for file in files]  # fmt: skip
    for home in [path, *(entry for entry in _visible(path) if entry.is_dir())]:
        if (file := home / "_annotations.coco.json").is_file():
            found.append(Part(file, "json", split_of(home.name), file.relative_to(path).as_posix()))
    return found


def _voc(path: Path) -> list[Part]:
    """Return the lists of ImageSets/Main that name splits, or the folders of annotations: the dataset or its splits."""
    if (path / "Annotations").is_dir():
        lists = sorted((path / LISTS).glob("*.txt"))
        named = [Part(file, "voc", split, file.relative_to(path).as_posix())
                 for file in lists if (split := split_of(file.stem))]  # fmt: skip
        return named or [Part(path, "voc", None, "")]
    splits = [entry for entry in _visible(path) if entry.is_dir() and split_of(entry.name) and voc_files(entry)]
    if splits:
        return [Part(entry, "voc", split_of(entry.name), entry.name) for entry in splits]
    return [Part(path, "voc", None, "")] if voc_files(path) else []


def _class_folders(path: Path) -> list[Part]:
    folders = [entry for entry in _visible(path) if entry.is_dir() and medium_of(entry) is not None]
    if not folders:
        return []
    splits = {split_of(folder.name) for folder in folders}
    meant = {match[1].lower() for folder in folders if (match := LIKE_SPLIT.fullmatch(folder.name))}
    # a class may be called train, but hardly another one test; and what else lies there is then no class either
    if None not in splits or {"train"} < splits - {None} or (len(meant) > 1 and len(meant) == len(folders)):
        return [Part(folder, "folders", split_of(folder.name), folder.name) for folder in folders]
    return [Part(path, "folders", None, "")]


def _flat(path: Path) -> list[Part]:
    """Return a folder that holds images or audio itself, and more of them than texts."""
    medium, files = medium_of(path), _visible(path)
    inputs = sum(FILES[medium.column].is_file(file) for file in files) if medium else 0
    texts = sum(file.suffix.lower() in TEXTS for file in files)
    return [Part(path, "folders", None, "")] if inputs > texts else []


def files_in(folder: Path, above: frozenset[str] = frozenset()) -> Iterator[Path]:
    """Yield the files of a folder at any depth, links followed, but for what systems and programs hide there."""
    here = os.path.realpath(folder)
    for path in folder.iterdir() if here not in above else ():
        if path.name.startswith(".") or path.name in LEFT_BEHIND:
            continue
        if path.is_dir():
            yield from files_in(path, above | {here})
        elif path.is_file():
            yield path


def medium_of(folder: Path) -> Medium | None:
    """Return the medium of most files of a folder, at any depth; None where it holds no image and no sound."""
    files = list(files_in(folder))
    counts = {name: sum(medium.is_file(file) for file in files) for name, medium in FILES.items()}
    most = max(counts, key=counts.__getitem__)
    return FILES[most] if counts[most] else None


def _refuse_strays(path: Path, parts: Iterable[Part]) -> None:
    parts = list(parts)
    strays = [part.name for part in parts if part.split is None]
    folders = len(parts) > 1 and all(part.kind == "folders" for part in parts)
    if strays and (len(strays) < len(parts) or folders):
        raise DataError(
            f"{path}: some parts name their split and some do not",
            [f"{name}: neither train, validation nor test" for name in strays],
            "Rename or move them, or point `data.path` at one file.",
        )
