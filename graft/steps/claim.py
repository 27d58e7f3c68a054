"""Take a target's model over for the run that begins: what earlier runs still publish of it is refused."""

from __future__ import annotations

from graft.catalog import Catalog
from graft.registry import open_registry


def run(name: str, catalog: Catalog) -> None:
    """Print the number that `publish` wants in `GRAFT_CLAIM`; raises CatalogError for a target that is not there."""
    catalog.target(name)
    print(open_registry().claim(name, "steps").claim, flush=True)
