"""The tables of the documentation that the code can write itself; `python -m tests.docs.tables` renews them."""

import inspect
import re
import types
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from graft import catalog
from graft.catalog import Checks, Section
from graft.checks.suites import rules
from graft.corruptions import FAMILIES
from graft.problems import PROBLEMS
from graft.settings import Settings
from graft.strategies import STRATEGIES
from graft.transferability import SCORES

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
MARKED = re.compile(r"<!-- table: ([\w-]+) -->\n(.*?)<!-- end -->", re.DOTALL)
SECTIONS = ("Source", "Target", "Data", "Checks", "Backbone", "Pretraining", "Study", "Evaluation", "Shift", "Gates")
SECTIONS += ("Watch", "Retraining")
WORDS = {int: "whole number", float: "number", str: "text", bool: "true or false", Path: "path", dict: "mapping"}
SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def section(model: type[Section]) -> str:
    """Return the keys of a part of the catalogue, with what the model says of each."""
    fields = model.model_fields.items()
    rows = [(f"`{key}`", field.description or "", allowed(field), default(field)) for key, field in fields]
    return table(("key", "meaning", "allowed", "default"), rows)


def environment() -> str:
    """Return the environment variables with their meaning."""
    fields = Settings.model_fields.items()
    said = re.findall(r'"""(.+?)"""', (ROOT / "graft/settings.py").read_text().split("env_prefix")[1])
    rows = zip(fields, said[: len(fields)], strict=True)
    return table(
        ("variable", "meaning", "default"),
        [(f"`GRAFT_{key.upper()}`", meaning, default(field)) for (key, field), meaning in rows],
    )


def allowed(field: FieldInfo) -> str:
    """Return what a value may be."""
    bounds = [f"{sign} {bound}" for name, sign in SIGNS.items() if (bound := _bound(field, name)) is not None]
    least = _bound(field, "min_length")
    return ", ".join([kind(field.annotation), *bounds, *([f"at least {least}"] if least else [])])


def kind(annotation: Any) -> str:
    """Return a type in the words of params.yaml."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__.lower()}](#{annotation.__name__.lower()})"
    origin, inside = get_origin(annotation), [part for part in get_args(annotation) if part is not type(None)]
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inside)
    if origin in (Union, types.UnionType):
        return " or ".join(kind(part) for part in inside)
    if origin is tuple:
        return f"list of {kind(inside[0])}"
    if origin is dict and issubclass(inside[1], BaseModel):
        return f"mapping of names to {kind(inside[1])}"
    return WORDS[origin or annotation]


def default(field: FieldInfo) -> str:
    """Return a default as one would write it in params.yaml."""
    value = field.get_default(call_default_factory=True)
    if field.is_required():
        return "required"
    if isinstance(value, Section):
        return "every default"
    return "none" if value is None else f"`{_written(value)}`"


def _written(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_written, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _bound(field: FieldInfo, name: str) -> Any:
    return next((getattr(rule, name) for rule in field.metadata if hasattr(rule, name)), None)


def strategies() -> str:
    """Return every strategy with where it is from."""
    rows = [(f"`{one.name}`", one.title, one.citation) for one in STRATEGIES.values()]
    return table(("strategy", "what trains", "source"), rows)


def scores() -> str:
    """Return every transferability score with its range, what it lacks a value for, and where it is from."""
    rows = [(f"`{one.name}`", one.title, one.values, one.undefined or "", one.citation) for one in SCORES.values()]
    return table(("score", "what it is", "values", "undefined for", "source"), rows)


def corruptions() -> str:
    """Return every corruption with what it does."""
    rows = [
        (f"`{name}`", modality, inspect.getdoc(corruption) or "")
        for modality, family in FAMILIES.items()
        for name, corruption in family.members.items()
    ]
    return table(("corruption", "input", "what it does"), rows)


def problems() -> str:
    """Return every problem with its columns and headline metric."""
    rows = [
        (f"`{one.name}`", ", ".join(f"`{name}`" for name in one.columns), ", ".join(one.metrics) or one.metric)
        for one in PROBLEMS.values()
    ]
    return table(("problem", "columns", "metric"), rows)


def expectations() -> str:
    """Return what is expected of rows and datasets, with the default thresholds."""
    seen: dict[str, tuple[str, ...]] = {}
    everything = _Everything()
    suites = {modality: rules(modality, Checks(), everything, everything) for modality in FAMILIES}
    named = Counter(rule.name for suite in suites.values() for rule in suite)
    for modality, suite in suites.items():
        for rule in suite:
            everywhere = named[rule.name] == len(suites)
            key = rule.name if everywhere else f"{modality} {rule.name}"
            inputs = "any" if everywhere else modality
            seen[key] = (f"`{rule.name}`", rule.title, inputs, rule.severity, rule.threshold)
    rows = sorted(seen.values(), key=lambda row: (row[3], row[2]))
    return table(("name", "expected", "input", "severity", "default"), rows)


class _Everything(frozenset[str]):
    """Has every column and every fact, so that no expectation is left out."""

    def __contains__(self, name: object) -> bool:
        return True


TABLES: dict[str, Callable[[], str]] = {
    **{name: (lambda name=name: section(getattr(catalog, name))) for name in SECTIONS},
    "environment": environment,
    "strategies": strategies,
    "corruptions": corruptions,
    "problems": problems,
    "scores": scores,
    "expectations": expectations,
}


def renewed(text: str) -> str:
    """Return a page with every marked table as the code has it now."""
    return MARKED.sub(lambda found: f"<!-- table: {found[1]} -->\n{TABLES[found[1]]()}<!-- end -->", text)


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(renewed(page.read_text()))
