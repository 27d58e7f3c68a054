"""The findings as one offline page."""

from collections.abc import Mapping
from typing import Any


def render(summary: Mapping[str, Any]) -> str:
    """Return a self-contained HTML page of a check's summary."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("graft.checks"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    return environment.get_template("check.html.j2").render(summary=summary)


def _number(value: float | None) -> str:
    """Return a number with as many places as a person reads."""
    return "none" if value is None else f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}"
