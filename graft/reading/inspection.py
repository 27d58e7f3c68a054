"""What a dataset seems to be, for a first catalogue entry."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from graft.catalog import Data
from graft.errors import DataError
from graft.problems import PROBLEMS
from graft.reading.columns import GROUPS, NAMES, SPLIT
from graft.reading.formats import Rows
from graft.reading.layout import files_in
from graft.reading.media import FILES
from graft.reading.reader import find_columns_of, load_parts, read

# those that need more of the data come first, so that a question is not taken for a text
ANSWERED = (
    "question-answering",
    "semantic-segmentation",
    "object-detection",
    "speech-recognition",
    "multi-label-image-classification",
    "image-classification",
    "audio-classification",
    "text-classification",
)
UNLABELLED = ("masked-language-modelling", "text-generation", "contrastive-images", "masked-image-modelling")
"""What each kind of input can be pretrained on without labels, the usual one first."""
PRETRAINED = {
    "masked-language-modelling": "an encoder such as BERT",
    "text-generation": "a decoder such as GPT-2",
    "masked-image-modelling": "a vision transformer",
    "contrastive-images": "any image network",
}
UNBALANCED = 10
GOING_ON = "Texts without labels are data too, of a model that goes on with them: --problem text-generation."


@dataclass(frozen=True)
class Inspection:
    """What was inferred of a dataset, and what its owner should know."""

    problem: str
    """The problem that its columns fit."""
    columns: dict[str, str]
    """Canonical name to stored column."""
    rows: int
    """Rows of all splits that the data has."""
    splits: dict[str, int]
    """Rows of each split that the data has; `all` where it has none."""
    labels: tuple[str, ...]
    """Label names; empty where there are none."""
    notes: list[str] = field(default_factory=list)
    """Sentences on what will be done, or may need a word in the catalogue."""


def inspect(
    path: Path,
    problem: str | None = None,
    columns: Mapping[str, str] | None = None,
    group: str | None = None,
    labelled: bool = False,
    unlabelled: Sequence[str] = UNLABELLED,
) -> Inspection:
    """Return the problem and columns that a dataset fits; the other arguments decide where it does not tell.

    With `labelled` only problems that have labels are considered; else what has no labels is for the first of
    `unlabelled` that fits. The data are read as a step would read them, so that everything wrong with them is said
    here: raises DataError.
    """
    problems: list[str] = []
    parts = load_parts(Path(path), problems)
    given = dict(columns or {})
    names = [*ANSWERED, *({} if labelled else _by_columns(unlabelled)).values()]
    try:
        problem, found = _fit(parts, [problem] if problem else names, given, group, str(path))
    except (DataError, ValueError):  # rows that could not be read may be those that would have told
        if not problems:
            raise
        raise DataError(f"{path}: {len(problems)} problem(s) with the data", problems) from None
    dataset = read(Data(path=str(path), columns=given, group=group), PROBLEMS[problem])
    splits = _count(parts)
    notes = list(_notes(parts, problem, found, given, splits, labelled))
    if "label" in found:
        sizes = Counter(dataset.splits["train"]["label"].to_pylist())
        if max(sizes.values()) > UNBALANCED * min(sizes.values()):
            notes.append(
                f"the largest class has {max(sizes.values())} training rows, the smallest {min(sizes.values())}"
            )
    return Inspection(problem, found, sum(splits.values()), splits, dataset.labels, notes)


def _by_columns(names: Sequence[str]) -> dict[tuple[str, ...], str]:
    """Return the first of the problems that need the same columns: what fits one of them fits all."""
    return {PROBLEMS[name].columns: name for name in reversed(names)}


def _fit(
    parts: list[Rows], names: list[str], given: Mapping[str, str], group: str | None, place: str
) -> tuple[str, dict[str, str]]:
    """Return the first problem whose columns are there; raises the first DataError when none fits."""
    reasons = []
    for name in names:
        wanted = PROBLEMS[name].columns
        mine = {canonical: column for canonical, column in given.items() if canonical in wanted}
        if mine != given and len(names) > 1:  # what was said of the columns rules this problem out
            continue
        try:
            found = find_columns_of(parts, wanted, mine, group, place)
            return name, {canonical: column for canonical, column in found.items() if canonical in wanted}
        except DataError as error:
            reasons.append(f"as {name}: {'; '.join(error.problems)}")
    advice = GOING_ON if len(names) > 1 and all(rows.part.kind == "text" for rows in parts) else ""
    raise DataError(f"{place}: no problem fits the columns of these data", reasons, advice)


def _count(parts: list[Rows]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for rows in parts:
        if rows.part.split is None and SPLIT in rows.table.column_names:
            counts.update(str(value) for value in rows.table[SPLIT].to_pylist())
        else:
            counts[rows.part.split or "all"] += rows.table.num_rows
    return dict(counts)


def _unread(parts: list[Rows]) -> Iterator[str]:
    """Yield what lies in folders of images or sounds and is no row: a class might be missing for it."""
    for rows in (rows for rows in parts if rows.part.kind == "folders"):
        where = rows.part.name or "the folder"
        medium = next(medium for name, medium in FILES.items() if name in rows.table.column_names)
        files = list(files_in(rows.part.path))
        kinds = Counter(file.suffix.lower() or "no suffix" for file in files if not medium.is_file(file))
        if kinds:
            said = ", ".join(f"{count} with {kind}" for kind, count in kinds.most_common(5))
            yield f"{where}: {kinds.total()} file(s) are not of a known suffix and were not read: {said}"
        above = {parent for file in files for parent in file.parents}
        folders = [entry for entry in rows.part.path.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
        if "label" in rows.table.column_names and (empty := sorted(one.name for one in folders if one not in above)):
            yield f"{where}: no class is made of the empty folder(s) {', '.join(empty)}"


def _notes(
    parts: list[Rows],
    problem: str,
    found: Mapping[str, str],
    given: Mapping[str, str],
    splits: Mapping[str, int],
    labelled: bool,
) -> Iterator[str]:
    whole = PROBLEMS[problem].in_order and all(rows.part.kind == "text" for rows in parts)
    if not {"test"} & set(splits) and whole:
        where = "whole files" if len(parts) > 1 else "the end of the file"
        yield f"no test split: one is made of {where} (`test_share`)"
    elif not {"test"} & set(splits):
        yield "no test split: one is made from the training rows (`test_share`, or what `labels_per_class` leaves)"
    stored = parts[0].table.column_names
    label = found.get("label")
    if label and "label" not in given and label not in parts[0].class_names and label.lower() not in NAMES["label"]:
        yield f"'{label}' was taken for the label because its values repeat; another is named with `label=COLUMN`"
    if problem == "image-classification" and (label or "").lower() in NAMES["identity"]:
        yield f"'{label}' was taken for a label; `--problem face-verification` compares identities"
    if label in stored and label in parts[0].table[label].to_pylist():
        yield f"'{label}' is a column's name and a value of it: is the first line of the file one with names?"
    yield from _unread(parts)
    for name in stored:
        if name.lower() in GROUPS and name not in found.values():
            yield f"column '{name}' looks like a group: `group: {name}` keeps its values on one side of a split"
    if problem in UNLABELLED and not labelled:
        kind = PROBLEMS[problem].modality
        other = next(name for name in UNLABELLED if name != problem and PROBLEMS[name].modality == kind)
        what = {"text": "text", "image": "images"}[kind]
        if "label" not in stored:
            yield f"no label column found among {', '.join(stored)}: taken as {what} to pretrain on"
        else:
            yield f"labels are not looked at: taken as {what} to pretrain on"
        yield f"`--problem {other}` would pretrain {PRETRAINED[other]} instead"
