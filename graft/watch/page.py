"""The finding as one offline page, and where it is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.errors import RegistryError
from graft.manifest import write_whole
from graft.watch.watch import Watched, watch

if TYPE_CHECKING:
    from graft.catalog import Catalog
    from graft.registry import Registry
    from graft.storage import Store

FOLDER = Path("watches")


def render(found: Watched) -> str:
    """Return a self-contained HTML page of a finding."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("graft.watch"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("watch.html.j2").render(found=found, rows=found.table(), scale=_scale)


def keep(found: Watched, store: Store) -> Path:
    """Write page and finding here and to the registry's store; return the page here."""
    page, content = render(found), json.dumps(found.content(), indent=2) + "\n"
    folder = FOLDER / found.target
    write_whole(folder / "watch.html", page)
    write_whole(folder / "watch.json", content)
    key = f"watches/{found.target}/{found.when.replace(':', '').removesuffix('+0000')}"
    store.put(f"{key}.html", page.encode())
    store.put(f"{key}.json", content.encode())
    return folder / "watch.html"


def watch_and_keep(name: str, catalog: Catalog, registry: Registry, data: str | None) -> tuple[Watched, Path]:
    """Watch a target, keep what was found, and return it with its page here; raises what `watch` raises."""
    found = watch(name, catalog, registry, data)
    return found, keep(found, registry.store)


def last_finding(target: str, store: Store) -> dict[str, Any] | None:
    """Return the newest finding about a target that is kept in a store; None where there is none."""
    keys = [key for key in store.list(f"watches/{target}") if key.endswith(".json")]
    if not keys:
        return None
    newest = max(keys)
    try:
        return dict(json.loads(store.get(newest)))
    except ValueError:
        raise RegistryError(
            f"{newest}: not readable as JSON", advice="Remove the object; `graft watch` again."
        ) from None


def _scale(value: float, low: float, high: float) -> float:
    """Return where a value lies between two others, in per cent."""
    return round(100 * min(max((value - low) / (high - low), 0.0), 1.0), 1)
