"""Any strategy, begun from the champion in place of the source: its head is not new, and learns as the layers below."""

from collections.abc import Callable
from dataclasses import replace

from graft.strategies.strategy import Strategy

CITATION = "Ash and Adams 2020, On Warm-Starting Neural Network Training"
PREFIX = "champion:"


def from_champion(name: str, find: Callable[[str], Strategy]) -> Strategy:
    """Return the strategy `champion:NAME`, where `find` returns the one that NAME means.

    Raises KeyError for a name that is no such strategy, and for one that cannot begin there: `scratch` begins from
    nothing, and a head that reads every boundary is no champion's.
    """
    plan = find(name.removeprefix(PREFIX))
    if not name.startswith(PREFIX) or plan.begins != "source" or plan.phases[0].reads == "all":
        raise KeyError(name)
    phases = tuple(replace(phase, head=1.0) for phase in plan.phases)
    title = f"from the champion in place of the source: {plan.title}"
    return replace(plan, name=name, title=title, citation=CITATION, phases=phases, begins="champion")
