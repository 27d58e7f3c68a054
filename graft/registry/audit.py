"""Every version of every model read back from the store: what verifies, and what is wrong with the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from graft.errors import BadInput
from graft.registry.registry import Registry


@dataclass(frozen=True)
class Finding:
    """What became of one version, or of a model whose events cannot be read: it verifies where there is no fault."""

    reference: str
    files: int = 0
    """Files that have their digests."""
    golden: int = 0
    """Golden samples that are predicted as recorded."""
    faults: tuple[str, ...] = ()


def audit(registry: Registry) -> Iterator[Finding]:
    """Verify every registered package, one after another; a fault of one stops no other."""
    for model in registry.names():
        try:
            state = registry.state(model)
        except BadInput as error:
            yield Finding(model, faults=_said(error))
            continue
        for version in state.versions:
            try:
                found = registry.verify(version.name)
            except BadInput as error:
                yield Finding(version.name, faults=_said(error))
            else:
                yield Finding(version.name, found.files, found.golden)


def _said(error: BadInput) -> tuple[str, ...]:
    return error.problems or (error.headline,)
