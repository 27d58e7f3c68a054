"""Events about a target: new data and drift, which retrain it, and what its gates decided. Automations hear them."""

from __future__ import annotations

from typing import Any

from httpx import HTTPError
from prefect.client.orchestration import get_client
from prefect.events import Event, emit_event
from prefect.events.worker import EventsWorker

from graft.errors import Transient

DATA_ARRIVED, DRIFT_FOUND = "graft/data.arrived", "graft/drift.found"
MODEL_DECIDED = "graft/model.decided"
DELIVERY_SECONDS = 10.0


def tell(event: str, target: str = "", **payload: object) -> None:
    """Send an event about a target, or about all where none is named, and wait until the server has it.

    The resource is `graft.target.NAME`, or `graft.targets`; the payload has the name as `target`.
    """
    emit_event(event=event, resource=_resource(target), payload={"target": target, **payload})
    EventsWorker.drain_all(timeout=DELIVERY_SECONDS)


def post(event: str, target: str = "") -> None:
    """Send the same, and know that the server has it; raises Transient where it did not take it."""
    found = Event.model_validate({"event": event, "resource": _resource(target), "payload": {"target": target}})
    try:
        with get_client(sync_client=True) as client:
            client.request("POST", "/events", json=[found.model_dump(mode="json")]).raise_for_status()
    except HTTPError as error:
        words = " ".join(str(error).split()) or type(error).__name__
        raise Transient(f"the server did not take {event}: {words}; nothing was told, try again") from error


def _resource(target: str) -> dict[str, Any]:
    about = f"graft.target.{target}" if target else "graft.targets"
    return {"prefect.resource.id": about, "prefect.resource.name": target or "all targets"}
