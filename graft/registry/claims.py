"""Fencing: a run that was declared dead and comes back cannot publish over the run that took its place.

Each run takes a number when it begins; the newest number holds, and whoever says something under an older one is
refused (fencing tokens: Kleppmann 2016, "How to do distributed locking"). There is no lock that a dead run could
go on holding, and no clock that two machines would have to agree on.
"""

from graft.errors import Fenced
from graft.registry.events import ByRun, Claimed, Event, signature
from graft.registry.fold import State


def claimed(state: State, run: str) -> Claimed:
    """Return the event by which a run takes the model over, whoever has it now."""
    before = f"takes over from '{state.claim.run}'" if state.claim else "the first run"
    return Claimed(model=state.model, claim=state.next_claim, run=run, reason=before, **signature())


def fence(state: State, event: Event) -> None:
    """Raise Fenced for what a run is about to say although another has taken the model over since its claim."""
    if isinstance(event, ByRun) and event.claim is not None:
        require_newest(state, event.claim)


def require_newest(state: State, claim: int) -> None:
    """Raise Fenced when another run has taken the model over since the claim."""
    newest = state.claim
    if newest is not None and newest.number > claim:
        raise Fenced(
            f"{state.model}: run '{newest.run}' took over at {newest.when:%Y-%m-%d %H:%M:%S} UTC ({newest.who}, claim "
            f"{newest.number}); this run holds claim {claim} and may not publish any more",
            advice=f"Leave it to that run. To publish what is in packages/{state.model} after all, and so take over in "
            f"turn: `python -m graft.steps publish {state.model}`.",
        )


def require_given(state: State, claim: int) -> None:
    """Raise Fenced for a claim that is not the newest, or that this registry never gave."""
    require_newest(state, claim)
    if claim >= state.next_claim:
        raise Fenced(
            f"{state.model}: claim {claim} was never given in this registry; the newest is {state.next_claim - 1}",
            advice="Claim and publish with the same GRAFT_REGISTRY.",
        )
