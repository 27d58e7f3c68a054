"""Run a suite with Great Expectations: two validations, one over the rows and one over the facts."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graft.checks.rule import Rule
from graft.errors import GraftError

if TYPE_CHECKING:
    import pandas as pd

SEVERITIES = {"error": "critical", "warning": "warning"}  # ours to Great Expectations'


@dataclass(frozen=True)
class Outcome:
    """What one expectation found."""

    rule: Rule
    success: bool
    observed: float | None
    """The fact, or the extreme value on the side of the rule's bound; None where there is no value."""
    offending: tuple[int, ...] = field(default=())
    """Positions of the rows that break a rule on rows."""


def validate(rules: Sequence[Rule], rows: pd.DataFrame, facts: pd.DataFrame) -> list[Outcome]:
    """Return an outcome for each rule, in order; raises GraftError when an expectation itself breaks."""
    context = _context()
    import great_expectations as gx

    found: dict[str, Any] = {}
    for name, frame in (("rows", rows), ("facts", facts)):
        suite = gx.ExpectationSuite(name=name)
        for rule in rules:
            if rule.table == name:
                suite.add_expectation(_expectation(rule))
        if suite.expectations:
            asset = context.data_sources.add_pandas(name).add_dataframe_asset(name)
            batch = asset.add_batch_definition_whole_dataframe(name).get_batch({"dataframe": frame})
            result = batch.validate(suite, result_format="COMPLETE")
            found |= {entry.expectation_config.meta["rule"]: entry for entry in result.results}
    frames = {"rows": rows, "facts": facts}
    return [_outcome(rule, found[rule.name], frames[rule.table]) for rule in rules]


def _context() -> Any:
    """Return a context in memory that writes no file, shows no bar and tells nobody."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read at import
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it imports sre_constants
        import great_expectations as gx
        from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults
    stores = InMemoryStoreBackendDefaults(init_temp_docs_sites=False)
    config = DataContextConfig(store_backend_defaults=stores, analytics_enabled=False)
    context = gx.get_context(mode="ephemeral", project_config=config)
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    return context


def _expectation(rule: Rule) -> Any:
    import great_expectations.expectations as gxe

    return gxe.ExpectColumnValuesToBeBetween(
        column=rule.column,
        min_value=rule.low,
        max_value=rule.high,
        strict_min=rule.above,
        severity=SEVERITIES[rule.severity],
        meta={"rule": rule.name},
    )


def _outcome(rule: Rule, entry: Any, frame: pd.DataFrame) -> Outcome:
    if trouble := list(_exceptions(entry.exception_info)):
        raise GraftError(f"the check '{rule.name}' is broken, which says nothing about the data: {'; '.join(trouble)}")
    values = frame[rule.column].dropna()
    breaks = entry.result.get("unexpected_index_list") or []
    observed = None
    if len(values):  # the end of the values that comes nearest to a bound, or passes it
        low = rule.high is None or (rule.low is not None and values.min() < rule.low)
        observed = round(float(values.min() if low else values.max()), 6)
    return Outcome(rule, bool(entry.success), observed, tuple(int(place) for place in breaks))


def _exceptions(information: dict[str, Any]) -> Iterable[str]:
    """Yield messages of raised exceptions, which come flat or one for each metric."""
    for entry in [information, *information.values()]:
        if isinstance(entry, dict) and entry.get("raised_exception"):
            yield str(entry.get("exception_message"))
