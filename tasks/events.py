"""Events about a target: new data and drift, which retrain it, and what its gates decided. Automations hear them."""

from __future__ import annotations

from prefect.events import emit_event
from prefect.events.worker import EventsWorker

DATA_ARRIVED, DRIFT_FOUND = "graft/data.arrived", "graft/drift.found"
MODEL_DECIDED = "graft/model.decided"
DELIVERY_SECONDS = 10.0


def tell(event: str, target: str = "", **payload: object) -> None:
    """Send an event about a target, or about all where none is named, and wait until the server has it.

    The resource is `graft.target.NAME`, or `graft.targets`; the payload has the name as `target`.
    """
    about = f"graft.target.{target}" if target else "graft.targets"
    resource = {"prefect.resource.id": about, "prefect.resource.name": target or "all targets"}
    emit_event(event=event, resource=resource, payload={"target": target, **payload})
    EventsWorker.drain_all(timeout=DELIVERY_SECONDS)
