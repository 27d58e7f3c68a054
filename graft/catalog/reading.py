"""Read params.yaml: every problem of it at once, in the words of the file."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from graft.catalog.entries import Catalog
from graft.catalog.naming import nearest
from graft.catalog.section import Section
from graft.errors import CatalogError


def load(path: Path | None = None) -> Catalog:
    """Read and validate the catalogue; raises CatalogError listing every problem at once.

    Names of problems and strategies and references between entries are checked too, so that nothing
    starts on a catalogue that cannot finish.
    """
    from graft.settings import settings

    path = path or settings().params
    raw = _parse(path)
    try:
        catalog = Catalog.model_validate(raw)
    except ValidationError as error:
        problems = [_explain(dict(problem)) for problem in error.errors() if not _follows(dict(problem))]
        raise CatalogError(f"{path}: {len(problems)} problem(s)", problems, "See docs/catalogue.md.") from None
    # By name: what a step imports is what DVC watches, and a new strategy is no reason to pretrain again.
    if problems := list(import_module("graft.consistency").find_inconsistencies(catalog)):
        raise CatalogError(f"{path}: {len(problems)} problem(s)", problems, "See docs/catalogue.md.")
    return catalog


def _parse(path: Path) -> dict[str, Any]:
    try:
        raw = YAML(typ="safe").load(path.read_text())
    except FileNotFoundError:
        raise CatalogError(
            f"{path}: there is no catalogue here",
            advice="Run graft in the folder that holds params.yaml, or set GRAFT_PARAMS.",
        ) from None
    except OSError as error:
        raise CatalogError(f"{path}: cannot be read ({error.strerror})") from None
    except (YAMLError, UnicodeDecodeError) as error:
        said = " ".join(str(error).split()).replace('in "<unicode string>", ', "at ")
        raise CatalogError(f"{path}: not readable as YAML: {said}") from None
    if not isinstance(raw, dict):
        raise CatalogError(f"{path}: expected the keys sources and targets, found {type(raw).__name__}")
    return {key: value if value is not None else {} for key, value in raw.items()}


def _follows(problem: dict[str, Any]) -> bool:
    """Say whether a list is too short only because its entries, each of which is told of, could not be read."""
    return problem["type"] == "too_short" and bool(problem["input"])


def _explain(problem: dict[str, Any]) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    match problem["type"]:
        case "extra_forbidden":
            key = str(problem["loc"][-1])
            section = _section_at(problem["loc"][:-1])
            elsewhere = [name for name, field in section.model_fields.items() if key in _keys(field.annotation)]
            if elsewhere:
                return f"{place}: unknown key here; it belongs under '{elsewhere[0]}:'"
            return f"{place}: unknown key; {nearest(key, list(section.model_fields))}"
        case "missing" if problem["loc"][-1] == "study":
            return f"{place}: missing; write `study: {{}}` to take every default"
        case "missing":
            return f"{place}: missing"
        case "model_type" if problem["loc"][-1] == "data":
            return (
                f"{place}: expected a mapping, found {problem['input']!r}; write `data: {{path: {problem['input']}}}`"
            )
        case _ if problem["loc"][-1] == "[key]":
            return f"{place.removesuffix('.[key]')}: a name is text, found {problem['input']!r}; write it in quotes"
        case "tuple_type":
            return f"{place}: expected a list, such as [{problem['input']}], found {problem['input']!r}"
        case "dict_type" | "model_type":
            return f"{place}: expected a mapping, found {problem['input']!r}"
        case "too_short":
            return f"{place}: expected at least {problem['ctx']['min_length']} in the list, found none"
        case _:
            return f"{place}: {problem['msg'].removeprefix('Value error, ')}, found {problem['input']!r}"


def _section_at(location: tuple[str | int, ...]) -> type[Section]:
    """Return the model that validates the mapping at a location of the catalogue."""
    section: type[Section] = Catalog
    keys = [location[0], *location[2:]] if location else []  # what the user named it says nothing about its model
    for key in keys:
        field = section.model_fields.get(str(key))
        section = next(_models(field.annotation), section) if field else section
    return section


def _models(annotation: Any) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _keys(annotation: Any) -> set[str]:
    return {key for model in _models(annotation) for key in model.model_fields}
