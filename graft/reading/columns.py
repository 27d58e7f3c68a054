"""Which stored column is which canonical one: by what the catalogue says, else by type, else by name."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa

from graft.errors import DataError
from graft.reading.media import FILES, Medium

PATHS = ("file_name", "filename", "filepath", "file", "path")
# In the order of preference; a column called as the canonical one always wins.
NAMES = {
    "image": ("image", "img", "picture", "photo", "image_path", *PATHS),
    "audio": ("audio", "sound", "clip", "recording", "speech", "wav", "audio_path", *PATHS),
    "text": (
        "text",
        "sentence",
        "review",
        "content",
        "document",
        "body",
        "comment",
        "tweet",
        "message",
        "utterance",
        "context",
        "passage",
        "paragraph",
    ),
    "mask": ("mask", "masks", "mask_path", "segmentation", "segmentation_mask", "annotation", "annotations"),
    "objects": ("objects", "annotations", "bboxes", "boxes"),
    "transcript": ("transcript", "transcription", "text", "sentence", "normalized_text", "utterance", "words"),
    "labels": ("labels", "findings", "tags", "classes", "categories"),
    "identity": ("identity", "identity_id", "person", "person_id", "subject", "subject_id", "face_id"),
    "label": ("label", "labels", "class", "target", "category", "sentiment", "emotion", "intent", "topic", "diagnosis"),
}
SPLIT = "split"
GROUPS = frozenset(
    f"{word}{end}"
    for word in ("account", "author", "client", "customer", "group", "module", "patient", "speaker", "subject", "user")
    for end in ("", "_id")
)
"""Usual names of columns that say where a row comes from; they are neither label nor text unless the catalogue says."""
MANY = 1000  # more distinct values than this are no classes


Finder = Callable[[pa.Table, set[str], set[str]], str]


class NotFound(Exception):
    """A canonical column cannot be told from the others; the message says why."""


def find_columns(
    table: pa.Table, wanted: Sequence[str], given: Mapping[str, str], group: str | None, named: Iterable[str] = ()
) -> dict[str, str]:
    """Return canonical name to stored name; raises DataError listing every column that is missing or ambiguous.

    `named` are columns whose integers have class names, which makes them labels.
    """
    found: dict[str, str] = {}
    problems = [
        f"columns.{canonical}: not a column of this problem, which has {', '.join(wanted)}"
        for canonical in given
        if canonical not in wanted
    ]
    finders: dict[str, Finder] = {name: partial(_find_file, medium) for name, medium in FILES.items()}
    finders |= {"label": _find_label, "labels": _find_labels, "text": _find_text, "mask": _find_mask}
    finders["identity"] = _find_identity
    for canonical in sorted(wanted):  # files and label before text, which takes what is left
        taken = {*found.values(), *given.values(), *([group] if group else []), SPLIT}
        try:
            if canonical in given:
                found[canonical] = _present(table, given[canonical], f"columns.{canonical}")
            else:
                found[canonical] = finders.get(canonical, partial(_find_named, canonical))(table, taken, set(named))
        except NotFound as missing:
            problems.append(str(missing))
    if group is not None:
        try:
            found["group"] = _present(table, group, "data.group")
        except NotFound as missing:
            problems.append(str(missing))
    if problems:
        raise DataError("", problems)
    return found


def is_file_type(kind: pa.DataType) -> bool:
    """Say whether a type is an encoded file: bytes, or a struct of bytes and path as `datasets` stores it."""
    if pa.types.is_struct(kind):
        return {kind.field(place).name for place in range(kind.num_fields)} >= {"bytes"}
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def is_text_type(kind: pa.DataType) -> bool:
    """Say whether a type is a string of any width."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _column_type(table: pa.Table, name: str) -> pa.DataType:
    return table.schema.field(name).type


def _present(table: pa.Table, name: str, place: str) -> str:
    if name not in table.column_names:
        raise NotFound(f"{place}: no column '{name}'; {_listing(table)}")
    return name


def _listing(table: pa.Table) -> str:
    return f"the columns are {', '.join(table.column_names) or 'none'}"


def _choose(table: pa.Table, canonical: str, candidates: list[str], advice: str) -> str:
    """Return the only candidate, or the only one with a usual name."""
    if len(candidates) == 1:
        return candidates[0]
    lowered: dict[str, str] = {name.lower(): name for name in candidates}
    if canonical in lowered:
        return lowered[canonical]
    usual = [lowered[name] for name in NAMES.get(canonical, ()) if name in lowered]
    if len(usual) == 1:
        return usual[0]
    if usual or candidates:
        found = f"several columns may be the {canonical}: {', '.join(usual or candidates)}"
    else:
        found = f"no column for the {canonical}; {_listing(table)}"
    raise NotFound(f"{found}; {advice}")


def _advice(canonical: str) -> str:
    return f"name it with `columns: {{{canonical}: ...}}`"


def _find_file(medium: Medium, table: pa.Table, taken: set[str], named: set[str]) -> str:
    free = [field for field in table.schema if field.name not in taken]
    stored = [field.name for field in free if is_file_type(field.type)]
    typed: list[str] = [name for name in stored if _medium_of(table[name]) in (None, medium)]
    texts = [field.name for field in free if is_text_type(field.type)]
    paths: list[str] = [name for name in texts if _holds_paths(table[name], medium)]
    found = typed or paths
    inputs = [name for name in found if name.lower() not in NAMES["mask"]]  # what one is answered with is no input
    return _choose(table, medium.column, inputs or found, _advice(medium.column))


def _find_mask(table: pa.Table, taken: set[str], named: set[str]) -> str:
    """Return the column of a usual name that holds images: two columns of images alone do not tell a mask."""
    free = [field for field in table.schema if field.name not in taken and field.name.lower() in NAMES["mask"]]
    images = FILES["image"]
    masks: list[str] = [
        field.name
        for field in free
        if (is_file_type(field.type) and _medium_of(table[field.name]) in (None, images))
        or (is_text_type(field.type) and _holds_paths(table[field.name], images))
    ]
    return _choose(table, "mask", masks, _advice("mask"))


def _medium_of(column: pa.ChunkedArray) -> Medium | None:
    """Return the medium of the first stored files, as their names or first bytes tell it; None where neither does."""
    for value in column.slice(0, 20).to_pylist():
        name, content = (value.get("path"), value["bytes"]) if isinstance(value, dict) else (None, value)
        for medium in FILES.values():
            if (name and medium.is_file(Path(name))) or (content and medium.begins and medium.begins(content)):
                return medium
    return None


def _holds_paths(column: pa.ChunkedArray, *media: Medium) -> bool:
    """Say whether the first values are names of files of one of these media."""
    values = [Path(value) for value in column.slice(0, 20).to_pylist() if value]
    return bool(values) and any(all(medium.is_file(value) for value in values) for medium in media)


def _find_label(table: pa.Table, taken: set[str], named: set[str]) -> str:
    free: list[str] = [field.name for field in table.schema if field.name not in taken]
    lowered = {name.lower(): name for name in free}
    if "label" in lowered:
        return lowered["label"]
    if len(candidates := [name for name in free if name in named]) == 1:
        return candidates[0]
    usual = [lowered[name] for name in NAMES["label"] if name in lowered]
    if usual:
        return _choose(table, "label", usual, _advice("label"))
    others = [name for name in free if _may_be_classes(table, name)]
    # One repeating column beside the input can only be the label; of several, none is guessed.
    return _choose(table, "label", others if len(others) == 1 else [], _advice("label"))


def _find_labels(table: pa.Table, taken: set[str], named: set[str]) -> str:
    """Return the column of a usual name that holds several labels: lists, or texts with `|` or `;` between names."""
    usual = [name for name in table.column_names if name not in taken and name.lower() in NAMES["labels"]]
    return _choose(table, "labels", [name for name in usual if _holds_sets(table[name])], _advice("labels"))


def _holds_sets(column: pa.ChunkedArray) -> bool:
    if not is_text_type(column.type):
        return bool(pa.types.is_list(column.type) or pa.types.is_large_list(column.type))
    return any(sign in value for value in column.to_pylist() if value for sign in "|;")


def _may_be_classes(table: pa.Table, name: str) -> bool:
    kind = _column_type(table, name)
    if name.lower() in GROUPS or not (is_text_type(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        return False
    if is_text_type(kind) and _holds_paths(table[name], *FILES.values()):
        return False
    distinct: int = len(table[name].unique())
    return 2 <= distinct <= min(MANY, len(table) // 2)


def _find_text(table: pa.Table, taken: set[str], named: set[str]) -> str:
    texts = [field.name for field in table.schema if field.name not in taken and is_text_type(field.type)]
    usual = [name for name in texts if name.lower() in NAMES["text"]]
    likely = [name for name in texts if name.lower() not in GROUPS and _holds_words(table[name])]
    return _choose(table, "text", usual or likely, _advice("text"))


def _find_identity(table: pa.Table, taken: set[str], named: set[str]) -> str:
    """Return the column of a usual name, else what would be the label: a folder for each identity gives that."""
    try:
        return _find_named("identity", table, taken, named)
    except NotFound as missing:
        lowered = {name.lower(): name for name in table.column_names if name not in taken}
        if "label" not in lowered or "several" in str(missing):
            raise
        return str(lowered["label"])


def _find_named(canonical: str, table: pa.Table, taken: set[str], named: set[str]) -> str:
    """Return the column of a problem's own that has a usual name; what kind it is the problem itself knows."""
    usual = {canonical, *NAMES.get(canonical, ())}
    called = [name for name in table.column_names if name not in taken and name.lower() in usual]
    return _choose(table, canonical, called, _advice(canonical))


def _holds_words(column: pa.ChunkedArray) -> bool:
    return any(" " in value.strip() for value in column.slice(0, 20).to_pylist() if value)
