"""graft new target, graft new source: an entry in the catalogue and its data under DVC, both or neither."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode

from flows.commands.starters import HUB_ID, STARTERS, choose
from graft.catalog import NAME, Catalog, load, nearest
from graft.errors import BadInput, CatalogError, DataError
from graft.manifest import beside, write_whole
from graft.problems import PROBLEMS
from graft.problems.networks import find_misfit
from graft.reading import Inspection, fetch_hub, inspect
from graft.reading.inspection import UNLABELLED
from graft.reading.packing import survey, write_shards
from graft.settings import settings
from tasks.children import environment
from tasks.pipeline import DVC, produced, tracking_file

Kind = Literal["sources", "targets"]
COLUMNS = list(dict.fromkeys(name for problem in PROBLEMS.values() for name in problem.columns))


def new_target(
    name: str,
    data: str,
    source: str,
    problem: str | None,
    labels: int | None,
    labels_per_class: int | None,
    group: str | None,
    columns: Sequence[str],
    pack: bool | None = None,
) -> None:
    """Add a target to params.yaml; raises BadInput and leaves everything as it was when that cannot be."""
    catalog = _ready("targets", name)
    origin = catalog.source(source).problem
    with brought(name, data, pack) as path:
        found = inspect(path, _known(problem), _columns(columns), group, labelled=True)
        if problem is None and _goes_on(origin, found.problem):
            found = inspect(path, origin, _columns(columns), group, labelled=True)
        _refuse_one_label(found, data)
        section = _data(path, found, group)
        if labels_per_class is not None:
            section["labels_per_class"] = labels_per_class
        if labels is not None:
            section["labels"] = labels
        entry = {"source": source, "problem": found.problem, "data": section, "study": {}}
        _add("targets", name, entry, path)
    _tell("target", name, path, found)
    print(f"next: graft run {name}")


def _goes_on(origin: str, found: str) -> bool:
    """Say whether data fit the source's own problem as well as another, and would lose its head there for nothing."""
    one, other = PROBLEMS.get(origin), PROBLEMS[found]
    return one is not None and one.keeps_head and one.columns == other.columns and one is not other


def new_source(
    name: str,
    data: str,
    backbone: str | None,
    checkpoint: Path | None,
    hub: str | None,
    problem: str | None,
    group: str | None,
    columns: Sequence[str],
    pack: bool | None = None,
) -> None:
    """Add a source to params.yaml; raises BadInput and leaves everything as it was when that cannot be."""
    if sum(given is not None for given in (backbone, checkpoint, hub)) > 1:
        raise BadInput("give one of --backbone, --checkpoint and --hub, not several")
    _ready("sources", name)
    with brought(name, data, pack) as path:
        found = inspect(path, _known(problem), _columns(columns), group, unlabelled=_pretrained_by(backbone))
        _refuse_one_label(found, data)
        network = _network(found.problem, backbone, checkpoint, hub)
        entry = {"problem": found.problem, "data": _data(path, found, group), **network}
        _add("sources", name, entry, path)
    _tell("source", name, path, found)
    print("  written")
    print("\n".join(_lines_of(name, entry)(4)))
    print(f"next: graft layers {name}; graft new target TARGET --data PATH --source {name}")


def _pretrained_by(backbone: str | None) -> list[str]:
    """Return what can teach a network without labels: an encoder its hidden tokens, a decoder the next ones.

    What few networks can learn comes before what most can. Where nothing is known of the network, what is usual.
    """
    if backbone not in STARTERS:
        return [*UNLABELLED]
    config = STARTERS[backbone].config
    return [name for name in reversed(UNLABELLED) if not find_misfit(PROBLEMS[name].auto_model, config)]


def _known(problem: str | None) -> str | None:
    if problem is not None and problem not in PROBLEMS:
        raise BadInput(f"--problem {problem}: unknown problem; {nearest(problem, list(PROBLEMS))}")
    return problem


def _columns(given: Sequence[str]) -> dict[str, str]:
    """Return canonical name to stored name of `label=queue` and the like."""
    if wrong := [word for word in given if not re.fullmatch(rf"({'|'.join(COLUMNS)})=.+", word)]:
        expected = f"{', '.join(f'{name}=' for name in COLUMNS[:-1])} or {COLUMNS[-1]}="
        raise BadInput(f"--column {wrong[0]}: expected {expected} and a column, such as label=queue")
    return dict(word.split("=", 1) for word in given)


def _ready(kind: Kind, name: str) -> Catalog:
    catalog = load()
    if name in getattr(catalog, kind):
        raise CatalogError(f"params.yaml: {kind}.{name} is there already", advice="Choose another name, or edit it.")
    if not NAME.fullmatch(name):
        wanted = "lower-case letters, digits, '-' and '_', 100 characters at the most, such as 'flowers-2'"
        raise CatalogError(f"'{name}': a name is {wanted}")
    return catalog


@contextmanager
def brought(name: str, data: str, pack: bool | None = None) -> Iterator[Path]:
    """Yield the data's path in this checkout: where it lies, or copied or fetched to data/NAME; undone on an error.

    A folder is packed where `pack` says so, or where it is None and the folder holds many small files.
    """
    given = _given(data)
    root = Path.cwd()
    if root.is_relative_to(given.resolve()):
        raise DataError(f"{data or given}: holds this checkout itself", advice="Name the folder or file of the data.")
    if pack and (given.is_file() or (HUB_ID.fullmatch(data) and not given.exists())):
        raise BadInput(f"--pack: {data} is a {'file' if given.is_file() else 'hub id'}; expected a folder of files")
    if pack and given.resolve().is_relative_to(root):
        raise BadInput(f"--pack: {data} lies in this checkout, where data stay as they are")
    if given.exists() and given.resolve().is_relative_to(root):
        yield given.resolve().relative_to(root)
        return
    path = Path("data") / (name + (given.suffix if given.is_file() else ""))
    if path.exists():
        raise DataError(f"{path}: is there already", advice=f"Move it away, or name it: --data {path}")
    if not given.exists() and not HUB_ID.fullmatch(data):
        raise DataError(f"{data}: no such file or folder", advice="Expected a path, or a hub id such as owner/name.")
    try:
        if given.is_dir():
            _bring_folder(given, path, pack)
        elif given.is_file():
            path.parent.mkdir(exist_ok=True)
            shutil.copyfile(given, path)
        else:
            fetch_hub(data, path)
        yield path
    except DataError as error:  # the copy is taken back: what is to be mended is what was given
        _take_back(path)
        said = [one.replace(path.as_posix(), data) for one in (error.headline, *error.problems)]
        raise DataError(said[0], said[1:], error.advice) from None
    except BaseException:
        _take_back(path)
        raise


def _take_back(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
    with suppress(FileNotFoundError, NotADirectoryError):
        path.unlink()


def _given(data: str) -> Path:
    """Return the path that was named; raises DataError for one that no file can have."""
    try:
        path = Path(data).expanduser()
        path.resolve().exists()
    except (OSError, RuntimeError, ValueError) as error:  # too long, of a user there is not, with a null byte
        reason = getattr(error, "strerror", None) or str(error).rstrip(".")
        raise DataError(f"{data[:80]}: no path of a file or folder ({reason})") from None
    return path


def _bring_folder(given: Path, path: Path, pack: bool | None) -> None:
    """Copy a folder, packed or as it is; it is there whole or not at all, whenever the process ends."""
    files, packed = survey(given, pack)
    with beside(path) as partial:
        if not packed:
            shutil.copytree(given, partial, dirs_exist_ok=True)
        elif shards := write_shards(files, partial):
            packable = sum(file.packable for file in files)
            print(f"packed {packable} files into {shards} shard{'s' * (shards > 1)}; --no-pack leaves them as they are")


def _refuse_one_label(found: Inspection, data: str) -> None:
    """Raise DataError for a class alone, as a folder around the class folders seems to be one."""
    if "label" in found.columns and len(found.labels) == 1:
        inside = Path(data) / found.labels[0]
        wrapped = f" The class folders may lie one folder deeper: --data {inside}" if inside.is_dir() else ""
        raise DataError(
            f"{data}: all {found.rows} rows have one label, '{found.labels[0]}'",
            advice=f"To tell classes apart takes two at the least.{wrapped}",
        )


def _data(path: Path, found: Inspection, group: str | None) -> dict[str, Any]:
    section: dict[str, Any] = {"path": path.as_posix()}
    if renamed := {name: column for name, column in found.columns.items() if name != column}:
        section["columns"] = renamed
    if group is not None:
        section["group"] = group
    return section


def _network(problem: str, backbone: str | None, checkpoint: Path | None, hub: str | None) -> dict[str, Any]:
    """Return the entry's `backbone`, and `pretraining` where the network wants another than the default."""
    if checkpoint is not None:
        return {"backbone": {"checkpoint": checkpoint.as_posix()}}
    if hub is not None:
        return {"backbone": {"hub": hub}}
    return choose(backbone, PROBLEMS[problem])


def _add(kind: Kind, name: str, entry: Mapping[str, Any], path: Path) -> None:
    """Validate the catalogue with the entry, put the data under DVC, then write the catalogue."""
    text = _with_entry(settings().params.read_text(), kind, name, entry)
    _validate(text)
    if tracking_file(path.as_posix()) is None and not produced(path.as_posix()):
        _track(path)
    write_whole(settings().params, text)


def _with_entry(text: str, kind: Kind, name: str, entry: Mapping[str, Any]) -> str:
    """Return the catalogue's text with an entry at the end of its section and every other line as it was.

    Raises CatalogError where the file is written so that no entry can be added to it without changing another.
    """
    for width in (120, 2**20):  # to fold a long line takes spaces from a name that has two in a row
        with suppress(YAMLError):
            added = _inserted(text if text.endswith("\n") else f"{text}\n", kind, _lines_of(name, entry, width))
            if _holds_both(text, added, kind, name, entry):
                return added
    raise CatalogError(
        f"{settings().params}: no entry can be added under `{kind}:`, which is not written as a block",
        advice=f"Write `{kind}:` on a line of its own and every name below it on an indented line of its own.",
    )


def _holds_both(before: str, after: str, kind: Kind, name: str, entry: Mapping[str, Any]) -> bool:
    """Say whether a catalogue's text holds what it held, and the new entry, and nothing else."""
    held, holds = (YAML(typ="safe").load(text) for text in (before, after))
    return bool(holds == {**held, kind: {**(held.get(kind) or {}), name: entry}})


def _inserted(text: str, kind: Kind, written: Callable[[int], list[str]]) -> str:
    """Return the text with lines at the end of a section; `written` makes them for so many spaces before each."""
    lines = text.splitlines()
    root = YAML().compose(text)
    section = next(((key, value) for key, value in root.value if key.value == kind), None)
    if section is None:
        lines += [f"{kind}:"]
        place, indent = len(lines), 2
    elif not isinstance(section[1], MappingNode) or not section[1].value:  # nothing in it: `targets:`, `targets: {}`
        place, indent = section[0].start_mark.line + 1, 2
        lines[place - 1] = f"{kind}:"
    else:
        place, indent = section[1].end_mark.line, section[1].start_mark.column
        while not lines[place - 1].strip() or lines[place - 1].startswith("#"):
            place -= 1
    return "\n".join([*lines[:place], *written(indent), *lines[place:]]) + "\n"


def _lines_of(name: str, entry: Mapping[str, Any], width: int = 120) -> Callable[[int], list[str]]:
    """Return what makes the lines of an entry, so many characters wide, for so many spaces before each."""
    yaml, stream = YAML(), io.StringIO()
    yaml.width = width
    yaml.dump({name: _plain(entry)}, stream)
    return lambda indent: [" " * indent + line.rstrip() for line in stream.getvalue().split("\n")[:-1]]


def _plain(entry: Mapping[str, Any]) -> CommentedMap:
    """Return the entry as a person would write it: sections as blocks, a network's configuration on one line."""
    written = CommentedMap()
    for key, value in entry.items():
        written[key] = _plain(value) if isinstance(value, Mapping) else value
        if key in ("config", "columns", "pretraining", "study"):
            written[key].fa.set_flow_style()
    return written


def _validate(text: str) -> None:
    with TemporaryDirectory() as folder:
        trial = Path(folder) / settings().params.name
        trial.write_text(text)
        try:
            load(trial)
        except CatalogError as error:
            headline = f"{settings().params}: the new entry does not fit"
            raise CatalogError(headline, error.problems, error.advice) from None


def _track(path: Path) -> None:
    """Put data under DVC; raises BadInput with DVC's own reason, and takes back what it began."""
    ignore, file = path.parent / ".gitignore", path.with_name(f"{path.name}.dvc")
    before = ignore.read_text() if ignore.is_file() else None
    command = [*DVC, "--wait-for-lock", "add", path.as_posix()]
    result = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    if result.returncode:
        file.unlink(missing_ok=True)
        if before is not None:
            ignore.write_text(before)
        said = [line.removeprefix("ERROR: ") for line in result.stderr.splitlines() if line.strip()]
        empty = any("foreach" in line for line in said)
        advice = "A section with nothing in it is written `sources: {}` or `targets: {}`." if empty else ""
        raise BadInput(f"{path}: DVC cannot track it", said[-5:], advice)


def _tell(kind: str, name: str, path: Path, found: Inspection) -> None:
    parts = ", ".join(f"{split} {rows}" for split, rows in found.splits.items())
    print(f"added {kind} {name} to {settings().params}; its data is {path}")
    print(f"  problem  {found.problem}")
    print(f"  rows     {found.rows} ({parts})")
    if found.labels:
        print(f"  labels   {', '.join(found.labels[:12])}{' ...' if len(found.labels) > 12 else ''}")
    for column, meant in found.columns.items():
        print(f"  column   {meant!r} is the {column}")
    for note in found.notes:
        print(f"  note     {note}")
