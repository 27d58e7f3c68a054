"""One part of a dataset as an Arrow table, with every problem of its file noted."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet

from graft.reading.annotations import is_coco, read_coco, read_voc
from graft.reading.layout import PAIRED, Part, files_in, medium_of
from graft.reading.media import FILES, Medium
from graft.reading.nested import spell

_SQUAD = re.compile(r'\s*\{\s*("version"\s*:\s*"[^"]*"\s*,\s*)?"data"\s*:\s*\[')
"""How a file in the form of SQuAD begins."""
_COCO = re.compile(r'"annotations"\s*:\s*\[')
LISTED = 20  # rows named of one problem; the rest are counted


@dataclass(frozen=True)
class Rows:
    """The rows of one part as they are stored."""

    part: Part
    table: pa.Table
    files: list[str]
    """File of each row, relative to the dataset."""
    numbers: list[int]
    """Row in its file, from 1; 0 for a file that is one input."""
    class_names: dict[str, list[str]] = field(default_factory=dict)
    """Names of the integers in a column, where the file tells them."""
    mixed: dict[str, str] = field(default_factory=dict)
    """Columns whose values are of several types, with what was found."""


def load(part: Part, problems: list[str]) -> Rows | None:
    """Return the rows of a part that can be read, or None where none can; what is wrong goes to `problems`."""
    try:
        return LOADERS[part.kind](part, problems)
    except (pa.ArrowException, OSError, ValueError, KeyError, RecursionError) as error:
        problems.append(f"{part.name}: cannot be read as {part.kind} ({' '.join(str(error).split())})")
        return None


def _from_table(part: Part, table: pa.Table, **facts: Any) -> Rows:
    count = table.num_rows
    return Rows(part, table, [part.name] * count, list(range(1, count + 1)), **facts)


def _load_parquet(part: Part, problems: list[str]) -> Rows:
    table = pa.parquet.ParquetFile(part.path).read()
    for place, column in enumerate(table.schema):
        if pa.types.is_dictionary(column.type):  # as pandas writes categories
            table = table.set_column(place, column.name, table[place].cast(column.type.value_type))
    features = _features(table.schema.metadata or {})
    return _from_table(part, spell(table, features), class_names=_named_features(features))


def _features(metadata: dict[bytes, bytes]) -> dict[str, Any]:
    """Return the features that `datasets` writes beside a schema, which name classes."""
    try:
        return dict(json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"])
    except (KeyError, TypeError, ValueError):
        return {}


def _named_features(features: dict[str, Any]) -> dict[str, list[str]]:
    return {
        name: feature["names"]
        for name, feature in features.items()
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and feature.get("names")
    }


def _load_saved(part: Part, problems: list[str]) -> Rows:
    """Read the Arrow streams that `datasets.Dataset.save_to_disk` writes, without the seconds its import costs."""
    state = json.loads((part.path / "state.json").read_text())
    features = json.loads((part.path / "dataset_info.json").read_text()).get("features") or {}
    tables = []
    for entry in state["_data_files"]:
        with pa.OSFile(str(part.path / entry["filename"])) as stream:
            tables.append(pa.ipc.open_stream(stream).read_all())
    table = pa.concat_tables(tables)
    return _from_table(part, spell(table, features), class_names=_named_features(features))


def _decode(path: Path, name: str, problems: list[str]) -> str | None:
    """Return the text of a file without its byte order mark, or None when it is not UTF-8."""
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        found = f"byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8"
        problems.append(f"{name}, line {line}, offset {error.start}: {found}")
        return None


def _load_csv(part: Part, problems: list[str]) -> Rows | None:
    text = _decode(part.path, part.name, problems)
    if text is None:
        return None
    if "\n" not in text:  # as old Macs end lines, and some spreadsheets still do
        text = text.replace("\r", "\n")
    text = text.lstrip("\r\n")
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count) if part.path.suffix.lower() != ".tsv" else "\t"
    header = next(csv.reader(io.StringIO(text), delimiter=delimiter), [])
    repeated = [name for name, count in Counter(header).items() if count > 1]
    if not header or repeated:
        found = f"the header has {', '.join(map(repr, repeated))} more than once" if repeated else "the file is empty"
        problems.append(f"{part.name}: {found}")
        return None
    if any(not name.strip() for name in header):  # an index that pandas wrote; it has to be called something
        header = [name if name.strip() else f"column {place}" for place, name in enumerate(header, 1)]
    table, skipped = _parse_csv(part.name, text, delimiter, header, problems)
    rows = [row for row in range(1, table.num_rows + len(skipped) + 1) if row not in skipped]
    return Rows(part, table, [part.name] * table.num_rows, rows)


def _parse_csv(
    name: str, text: str, delimiter: str, header: list[str], problems: list[str]
) -> tuple[pa.Table, set[int]]:
    """Return every column as strings, as inference would turn '007' into 7, and the rows that are left out."""
    broken: list[str] = []
    skipped: set[int] = set()

    def note(row: Any) -> str:
        skipped.add(row.number - 1)  # the header is the first
        broken.append(f"{name}, line {row.number}: {row.actual_columns} values, the header has {row.expected_columns}")
        return "skip"

    table = pa.csv.read_csv(
        io.BytesIO(text.encode()),
        read_options=pa.csv.ReadOptions(use_threads=False, column_names=header, skip_rows_after_names=1),
        parse_options=pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=note),
        convert_options=pa.csv.ConvertOptions(
            column_types=dict.fromkeys(header, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    problems.extend(shorten(broken))
    return table, skipped


def _load_json(part: Part, problems: list[str]) -> Rows | None:
    text = _decode(part.path, part.name, problems)
    if text is None:
        return None
    if (coco := _coco(text)) is not None:
        faults: list[str] = []
        table, places = read_coco(coco, part.path, part.name, faults)
        problems.extend(shorten(faults))
        return Rows(part, table, [part.name] * len(places), places)
    records: list[dict[str, Any]] = []
    numbers: list[int] = []
    broken = []
    for number, record in _records(text):
        if isinstance(record, dict):
            records.append(record)
            numbers.append(number)
        else:
            reason = record if isinstance(record, ValueError) else f"found {type(record).__name__}"
            broken.append(f"{part.name}, line {number}: expected one JSON object ({reason})")
    problems.extend(shorten(broken))
    columns: dict[str, pa.Array] = {}
    mixed = {}
    for column in dict.fromkeys(key for record in records for key in record):
        values = [record.get(column) for record in records]
        kinds = Counter(type(value).__name__ for value in values if value is not None)
        if len(kinds) > 1:
            mixed[column] = ", ".join(f"{kind} in {count} row(s)" for kind, count in kinds.most_common())
            values = [value if value is None else json.dumps(value) for value in values]
        try:
            columns[column] = pa.array(values)
        except (pa.ArrowException, OverflowError) as error:  # lists of several types, numbers of more than 64 bits
            mixed[column] = " ".join(str(error).split())
            columns[column] = pa.array([value if value is None else json.dumps(value) for value in values])
    return Rows(part, pa.table(columns), [part.name] * len(records), numbers, mixed=mixed)


def _coco(text: str) -> dict[str, Any] | None:
    """Return the document of a file in COCO's format, which is one object; None for any other."""
    if not _COCO.search(text):
        return None
    try:
        found = json.loads(text)
    except ValueError:  # lines of objects, or something broken that is told below
        return None
    return found if is_coco(found) else None


def _records(text: str) -> Iterator[tuple[int, Any]]:
    if text.lstrip().startswith("["):  # one array of objects
        yield from enumerate(json.loads(text), 1)
        return
    if _SQUAD.match(text):
        yield from enumerate(_questions(json.loads(text)), 1)
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except ValueError as error:
                yield number, error


def _load_text(part: Part, problems: list[str]) -> Rows | None:
    """Return `text`, a row for each paragraph: what stands between blank lines. Its number is its first line's."""
    text = _decode(part.path, part.name, problems)
    if text is None:
        return None
    if (null := text.find("\0")) >= 0:
        problems.append(f"{part.name}, line {text.count(chr(10), 0, null) + 1}: holds a null byte, so it is no text")
        return None
    paragraphs: list[list[str]] = []
    numbers: list[int] = []
    inside = False
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        if line.strip() and not inside:
            paragraphs.append([])
            numbers.append(number)
        inside = bool(line.strip())
        if inside:
            paragraphs[-1].append(line.rstrip())
    if not paragraphs:
        found = "it holds blank lines only" if text else "the file is empty"
        problems.append(f"{part.name}: {found}; expected paragraphs with a blank line between them")
        return None
    column = pa.array(["\n".join(lines) for lines in paragraphs], type=pa.string())
    return Rows(part, pa.table({"text": column}), [part.name] * len(paragraphs), numbers)


def _load_folders(part: Part, problems: list[str]) -> Rows:
    """Return the inputs (paths) in the column of their medium, and `label`, the class folder that each lies in.

    A file beside the class folders has none; where there are no class folders there is no such column.
    """
    medium = medium_of(part.path)
    assert medium is not None  # the layout found it
    found = sorted(files_in(part.path))
    files = [file for file in found if medium.is_file(file)]
    inside = [file.relative_to(part.path) for file in files]
    prefix = f"{part.name}/" if part.name else ""
    beside = part.path.parent  # a path in a table counts from where the table lies, and so here
    cells = pa.array([{"bytes": None, "path": str(file.relative_to(beside))} for file in files], type=medium.type)
    labels = pa.array([file.parts[0] if len(file.parts) > 1 else None for file in inside], type=pa.string())
    names = [f"{prefix}{file.as_posix()}" for file in inside]
    if labels.null_count < len(labels):
        problems.extend(shorten(_classes_unread(prefix, part.path, found, set(labels.to_pylist()), medium)))
    columns = {medium.column: cells, **({"label": labels} if labels.null_count < len(labels) else {})}
    return Rows(part, pa.table(columns), names, [0] * len(files))


def _classes_unread(prefix: str, root: Path, files: list[Path], read: set[str | None], medium: Medium) -> list[str]:
    """Return the class folders that hold files, and none that could be read: a class would quietly be missing."""
    unread: dict[str, Counter[str]] = {}
    for file in files:
        first, *rest = file.relative_to(root).parts
        if rest and first not in read:
            unread.setdefault(first, Counter())[file.suffix.lower() or "no suffix"] += 1
    return [
        f"{prefix}{name}: none of its {kinds.total()} file(s) is {medium.noun} of a known suffix ({', '.join(kinds)});"
        f" expected {', '.join(sorted(medium.suffixes))}"
        for name, kinds in sorted(unread.items())
    ]


def _load_pairs(part: Part, problems: list[str]) -> Rows:
    """Return `image` and `mask` (paths) of files that have one name in images/ and in masks/ but for the suffix."""
    prefix = f"{part.name}/" if part.name else ""
    found = []
    for name in PAIRED:
        folder = part.path / name
        files = [file for file in sorted(folder.rglob("*")) if FILES["image"].is_file(file) and file.is_file()]
        found.append({file.relative_to(folder).with_suffix("").as_posix(): file for file in files})
        problems.extend(_same_stems(prefix, part.path, files, found[-1]))
    images, masks = found
    alone = [f"{prefix}images/{images[stem].name}: no mask of that name" for stem in images if stem not in masks]
    alone += [f"{prefix}masks/{masks[stem].name}: no image of that name" for stem in masks if stem not in images]
    problems.extend(shorten(alone))
    stems = [stem for stem in images if stem in masks]
    beside = part.path.parent
    columns = {
        column: pa.array([{"bytes": None, "path": str(files[stem].relative_to(beside))} for stem in stems],
                         type=FILES[column].type)
        for column, files in (("image", images), ("mask", masks))
    }  # fmt: skip
    names = [f"{prefix}{images[stem].relative_to(part.path).as_posix()}" for stem in stems]
    return Rows(part, pa.table(columns), names, [0] * len(stems))


def _load_voc(part: Part, problems: list[str]) -> Rows:
    """Return `image` and `objects` of the annotation files of a Pascal VOC dataset, each of which is of one image."""
    faults: list[str] = []
    table, files = read_voc(part.path, faults)
    problems.extend(shorten([f"{part.name}: {fault}" if part.name else fault for fault in faults]))
    return Rows(part, table, [f"{file.parent.name}/{file.name}" for file in files], [0] * len(files))


def _same_stems(prefix: str, root: Path, files: list[Path], kept: dict[str, Path]) -> list[str]:
    """Return the files that another one of the same name hides: `a.jpg` beside `a.png`."""
    hidden = [file.relative_to(root) for file in files if file not in kept.values()]
    return shorten([f"{prefix}{file}: another file has that name, with another suffix" for file in hidden])


def _questions(squad: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a row for each question of a file as SQuAD has it: articles of paragraphs of questions."""
    try:
        for article in squad["data"]:
            for paragraph in article["paragraphs"]:
                for question in paragraph["qas"]:
                    yield {
                        "id": str(question.get("id", "")),
                        "title": article.get("title", ""),
                        "context": paragraph["context"],
                        "question": question["question"],
                        "answers": question.get("answers", []),
                    }
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(
            f"not as SQuAD has it, data > paragraphs > context, qas > question, answers: {error}"
        ) from None


def shorten(problems: list[str]) -> list[str]:
    """Return the first problems of one sort and how many more there are."""
    more = len(problems) - LISTED
    return problems if more <= 0 else [*problems[:LISTED], f"... and {more} more like these"]


LOADERS = {
    "parquet": _load_parquet,
    "csv": _load_csv,
    "json": _load_json,
    "folders": _load_folders,
    "pairs": _load_pairs,
    "saved": _load_saved,
    "voc": _load_voc,
    "text": _load_text,
}
