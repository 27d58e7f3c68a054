"""What a retraining should bring and cost, before anything is trained, and the choice that follows."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from graft.evaluation.bootstrap import Interval
from graft.problems import PROBLEMS
from graft.reading import read, row_hashes
from graft.retraining.records import past_gains, read_records
from graft.retraining.state import TRAINED, State, compare_states
from graft.watch.page import last_finding

if TYPE_CHECKING:
    from graft.catalog import Catalog, Retraining, Target
    from graft.registry import Registry
    from graft.registry.fold import Version

Choice = Literal["train", "skip", "ask", "evaluate"]
LAST = 5  # earlier retrainings whose gains are looked at


@dataclass(frozen=True)
class Labels:
    """Labelled rows of the last study and of now."""

    then: int
    now: int
    new: int
    """Those of now that the last study was not trained on."""


@dataclass(frozen=True)
class Estimate:
    """What is expected of a retraining, in the headline metric's own unit; gains are positive where it is better."""

    target: str
    when: str
    metric: str
    last: str | None = None
    """The version that the last study made; None before the first."""
    last_when: str | None = None
    changed: tuple[str, ...] = ()
    """Parts of the state that differ from the last study's; empty where that is not known."""
    labels: Labels | None = None
    gain: Interval | None = None
    """None where nothing foretells it."""
    gain_from: str = "nothing foretells the gain"
    drift: str | None = None
    """What the last watching found, where it found drift after the last study."""
    seconds: float | None = None
    flops: float | None = None
    money: float | None = None
    min_gain: float = 0.0
    choice: Choice = "train"
    reason: str = ""
    before: float | None = field(default=None, repr=False)
    """The metric of the last version."""
    state: State = field(default_factory=dict, repr=False)
    """What the target was made of when this was said."""

    def content(self) -> dict[str, Any]:
        """Return the estimate as plain data, without the state."""
        return {key: value for key, value in asdict(self).items() if key != "state"}


def estimate(name: str, catalog: Catalog, registry: Registry, state: State, by_hand: bool = False) -> Estimate:
    """Return what a retraining of a target should bring and cost, and whether to train.

    The gain is that of the last study's label curve at the number of labels of now, between the ends of its interval;
    where labels tell nothing, what the last retrainings gained. The cost is that of the last study. `by_hand` trains
    whatever is expected. Raises DataError for rows that cannot be read.
    """
    target, now = catalog.target(name), datetime.now(UTC).isoformat(timespec="seconds")
    margin = target.study.margin if target.retraining.min_gain is None else target.retraining.min_gain
    metric = target.study.metric or PROBLEMS[target.problem].metric
    found = Estimate(name, now, metric, min_gain=margin, state=state)
    version = last_version(name, registry)
    if version is None:
        return _choose(found, target.retraining, by_hand)
    metrics, records = version.metrics, read_records(name, registry.store)
    labels = count_labels(target, version, registry)
    gain, told = foretell(metrics, labels, past_gains(records, found.metric))
    found = replace(
        found,
        last=version.name,
        last_when=version.when.isoformat(timespec="seconds"),
        changed=compare_states(records[-1]["state"], state) if records else (),
        labels=labels,
        gain=gain,
        gain_from=told,
        drift=find_drift(name, version, registry),
        seconds=metrics.get("seconds"),
        flops=metrics.get("flops"),
        money=metrics.get("money"),
        before=metrics.get("transfer") if metrics.get("metric") == found.metric else None,
    )
    return _choose(found, target.retraining, by_hand)


def last_version(name: str, registry: Registry) -> Version | None:
    """Return the version that was registered last; None before the first."""
    state = next((state for state in registry.models() if state.model == name), None)
    return state.versions[-1] if state and state.versions else None


def count_labels(target: Target, version: Version, registry: Registry) -> Labels:
    """Return how many labelled rows there were and are."""
    problem = PROBLEMS[target.problem]
    facts = json.loads(registry.store.get(f"{version.package}/graft.json"))
    then = set(facts["train_hashes"])
    now = row_hashes(read(target.data, problem).splits["train"], problem)
    return Labels(len(facts["train_hashes"]), len(now), sum(key not in then for key in now))


def foretell(metrics: Mapping[str, Any], labels: Labels, gains: Sequence[float]) -> tuple[Interval | None, str]:
    """Return the gain that is to be expected, and what says so.

    Between once and twice the labels the gain grows as their logarithm, as the flattest power law's does; farther than
    twice as many the curve is not believed.
    """
    doubling = metrics.get("label_doubling")
    if labels.now > labels.then and doubling is not None:
        share = min(math.log2(labels.now / labels.then), 1.0)
        ends = [share * metrics[f"label_doubling{end}"] for end in ("", "_low", "_high")]
        return Interval(*ends), f"the label curve, from {labels.then} to {labels.now} labels"
    if labels.now == labels.then and labels.new:
        told = f"{labels.new} other rows but no more labels: the budget of {labels.now} is the same"
        return Interval(0.0, 0.0, 0.0), told
    if gains:
        last = gains[-LAST:]
        told = f"the last {len(last)} retrainings" if len(last) > 1 else "the last retraining alone"
        return Interval(sum(last) / len(last), min(last), max(last)), told
    return None, "nothing foretells the gain"


def find_drift(name: str, version: Version, registry: Registry) -> str | None:
    """Return what the last watching said, where it found drift after a version was registered.

    One that looked at this very version came after it, whatever the clocks of two machines say.
    """
    found = last_finding(name, registry.store)
    if not found or not found["drift"]:
        return None
    if found.get("champion") != version.name and datetime.fromisoformat(found["when"]) < version.when:
        return None
    return str(found["sentence"])


def _choose(found: Estimate, asked: Retraining, by_hand: bool) -> Estimate:
    choice, reason = _reasoned(found, asked)
    if by_hand and choice in ("skip", "ask"):
        return replace(found, choice="train", reason=f"asked for by hand; left to itself: {choice}, {reason}")
    return replace(found, choice=choice, reason=reason)


def _reasoned(found: Estimate, asked: Retraining) -> tuple[Choice, str]:
    if found.changed and not set(found.changed) & set(TRAINED):
        return "evaluate", "no model depends on what has changed, so nothing is trained again"
    if asked.choice == "ask":
        return "ask", "its `retraining.choice` is `ask`"
    if asked.choice == "train":
        return "train", "its `retraining.choice` is `train`"
    if found.last is None:
        return "train", "it is the first study of this target"
    if others := [part for part in found.changed if part != "data"]:
        return "train", f"somebody changed more than the data ({', '.join(others)})"
    if found.drift and found.labels and found.labels.new:
        return "train", f"the inputs have drifted and {found.labels.new} label(s) are new"
    if found.gain is None:
        return "train", found.gain_from
    if found.gain.value >= found.min_gain:
        return "train", "the expected gain is at least retraining.min_gain"
    return "skip", f"the expected gain is below retraining.min_gain, by {found.gain_from}"
