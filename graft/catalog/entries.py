"""Sources and targets, and the catalogue of them."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import Field

from graft.catalog.data import Data
from graft.catalog.decisions import Evaluation, Gates, Retraining, Watch
from graft.catalog.naming import nearest
from graft.catalog.section import Section
from graft.catalog.study import Study
from graft.catalog.training import Backbone, Pretraining
from graft.errors import CatalogError


class Source(Section):
    """A dataset and a pretraining recipe, or an existing checkpoint; its product is a source checkpoint."""

    problem: str
    """What the source is trained to predict."""
    data: Data
    """The source's rows."""
    backbone: Backbone
    """The network."""
    pretraining: Pretraining = Pretraining()
    """How it is trained."""


class Target(Section):
    """A small labelled dataset, adapted from one source."""

    source: str
    """Name of the source."""
    problem: str
    """What is predicted."""
    data: Data
    """The target's rows."""
    study: Study
    """The search; `{}` takes every default."""
    evaluation: Evaluation = Evaluation()
    """What is measured beside the verdict; `{}` takes every default."""
    gates: Gates = Gates()
    """When a candidate is promoted."""
    watch: Watch = Watch()
    """How drift is found; `{}` takes every default."""
    retraining: Retraining = Retraining()
    """When a retraining trains; `{}` takes every default."""


Entry = TypeVar("Entry", bound=Section)


class Catalog(Section):
    """Every source and target of the team."""

    sources: dict[str, Source] = Field(default_factory=dict)
    """Sources by name."""
    targets: dict[str, Target] = Field(default_factory=dict)
    """Targets by name."""

    def source(self, name: str) -> Source:
        """Return the source of that name; raises CatalogError naming the nearest."""
        return _named(self.sources, name, "source")

    def target(self, name: str) -> Target:
        """Return the target of that name; raises CatalogError naming the nearest."""
        return _named(self.targets, name, "target")


def _named(entries: Mapping[str, Entry], name: str, kind: str) -> Entry:
    try:
        return entries[name]
    except KeyError:
        raise CatalogError(f"params.yaml: no {kind} '{name}'; {nearest(name, list(entries))}") from None
