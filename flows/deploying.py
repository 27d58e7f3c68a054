"""What a server has to know: pools, deployments with their schedules, turns, automations; each time the same."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, RunDeployment, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from ruamel.yaml import YAML

from flows.pools import GPU, LIGHT, Kind, template
from flows.serving import PREFECT
from graft.catalog import load
from graft.errors import BadInput, GraftError
from graft.settings import settings
from tasks.children import environment
from tasks.events import DATA_ARRIVED, DRIFT_FOUND, MODEL_DECIDED
from tasks.turns import make_limit, turn_of_stage, turn_of_target

HEARTBEAT = timedelta(seconds=90)  # three beats
# The target that an event names in its payload becomes the retraining's parameter; an event without one is about all.
NAMED = "{{ [event.payload.target] | tojson if event.payload.target else '[]' }}"
TARGETS = {"__prefect_kind": "json", "value": {"__prefect_kind": "jinja", "template": NAMED}}


def deploy_all(say: Callable[[str], None], kind: Kind = "process", image: str = "") -> None:
    """Make or renew everything on the server that Prefect's settings name."""
    with get_client(sync_client=True) as client:
        for pool in (GPU, LIGHT):
            make_pool(client, pool, kind, image)
    say(f"pools        {GPU}, {LIGHT} ({kind})")
    names = deploy()
    say(f"deployments  {', '.join(names)}")
    catalog = load()
    turns = [turn_of_target(name) for name in catalog.targets]
    turns += [str(turn_of_stage(f"{step}@{name}")) for step in ("check-source", "pretrain") for name in catalog.sources]
    for name in turns:
        make_limit(name)
    say(f"turns        {len(turns)}, one run at a time for each target and each source")
    with get_client(sync_client=True) as client:
        told = notifications(client, settings().notify) if settings().notify else []
        made = [make_automation(client, automation) for automation in [*automations(client), *told]]
        for name in () if told else (DECISIONS_TOLD, FAILURES_TOLD):
            drop_automation(client, name)
    say(f"automations  {', '.join(made)}")


def make_pool(client: SyncPrefectClient, name: str, kind: Kind, image: str) -> None:
    """Make a pool or renew its template; raises GraftError where it is of another kind."""
    from prefect.exceptions import ObjectNotFound

    wanted = template(kind, name, image, client.read_worker_metadata())
    try:
        there = client.read_work_pool(name)
    except ObjectNotFound:
        client.create_work_pool(WorkPoolCreate(name=name, type=kind, base_job_template=wanted))
        return
    if there.type != kind:
        raise GraftError(
            f"the server's pool '{name}' is of kind {there.type}, not {kind}. Its workers would be lost: "
            f"`prefect work-pool delete {name}` first, if that is meant."
        )
    client.update_work_pool(name, WorkPoolUpdate(base_job_template=wanted))


def deploy() -> list[str]:
    """Make everything in prefect.yaml known to the server and return the names of the deployments."""
    here = environment() | {"PWD": str(Path.cwd())}  # prefect.yaml names it, and a shell's may be another
    result = subprocess.run([*PREFECT, "deploy", "--all"], env=here, capture_output=True, text=True, check=False)
    if result.returncode:
        raise GraftError(f"`prefect deploy --all` failed:\n{result.stdout}{result.stderr}")
    content = YAML(typ="safe").load(Path("prefect.yaml").read_text())
    return [str(one["name"]) for one in content["deployments"]]


def automations(client: SyncPrefectClient) -> list[AutomationCore]:
    """Return what the server is to do by itself."""
    retrain = client.read_deployment_by_name("retrain/retrain").id
    return [
        AutomationCore(
            name="graft: a run without a heartbeat has crashed",
            description="Its machine or its process died; the reconciler starts it again.",
            trigger=EventTrigger(
                posture=Posture.Proactive,
                match=ResourceSpecification.model_validate({"prefect.resource.id": "prefect.flow-run.*"}),
                match_related=OURS,
                after={"prefect.flow-run.heartbeat"},
                expect={"prefect.flow-run.heartbeat", *(f"prefect.flow-run.{state}" for state in ENDS)},
                for_each={"prefect.resource.id"},
                threshold=1,
                within=HEARTBEAT,
            ),
            actions=[ChangeFlowRunState(state=StateType.CRASHED, message=f"no heartbeat for {HEARTBEAT.seconds} s")],
        ),
        *(
            AutomationCore(
                name=f"graft: {what} starts a retraining",
                description=f"An event {event}, {whence}. An event may be lost; the nightly schedule catches up.",
                trigger=EventTrigger(posture=Posture.Reactive, expect={event}, threshold=1),
                actions=[RunDeployment(source="selected", deployment_id=retrain, parameters={"targets": TARGETS})],
            )
            for what, event, whence in (
                ("new data", DATA_ARRIVED, "by `graft emit` or by HTTP"),
                ("drift", DRIFT_FOUND, "by the flow `watch`"),
            )
        ),
    ]


OURS = ResourceSpecification.model_validate(
    {"prefect.resource.id": "prefect.tag.graft", "prefect.resource.role": "tag"}
)
DECISIONS_TOLD, FAILURES_TOLD = "graft: decisions and drift are told", "graft: failures are told"
ENDS = ("Completed", "Failed", "Cancelled", "Crashed", "Joined", "Skipped")
ENDS += ("Paused", "Suspended", "AwaitingRetry", "Cancelling")


def notifications(client: SyncPrefectClient, name: str) -> list[AutomationCore]:
    """Return what tells people, by a block of Prefect named as TYPE/NAME; raises BadInput where it is not there."""
    from prefect.exceptions import ObjectNotFound

    kind, _, called = name.partition("/")
    try:
        block = client.read_block_document_by_name(called, kind).id
    except ObjectNotFound:
        raise BadInput(
            f"GRAFT_NOTIFY={name}: the server knows no such block",
            advice="Make one in the dashboard (Blocks: Slack, mail, webhook) and name it as TYPE/NAME, such as "
            "slack-webhook/team; `prefect block ls` lists them.",
        ) from None
    return [
        AutomationCore(
            name=DECISIONS_TOLD,
            trigger=EventTrigger(posture=Posture.Reactive, expect={MODEL_DECIDED, DRIFT_FOUND}, threshold=1),
            actions=[SendNotification(block_document_id=block, subject="Graft", body="{{ event.payload.sentence }}")],
        ),
        AutomationCore(
            name=FAILURES_TOLD,
            trigger=EventTrigger(
                posture=Posture.Reactive,
                match_related=OURS,
                expect={"prefect.flow-run.Failed", "prefect.flow-run.Crashed"},
                threshold=1,
            ),
            actions=[
                SendNotification(
                    block_document_id=block, subject="Graft", body="{{ flow_run.name }}: {{ flow_run.state.message }}"
                )
            ],
        ),
    ]


def drop_automation(client: SyncPrefectClient, name: str) -> None:
    """Remove the automations of a name."""
    for there in client.read_automations_by_name(name):
        client.delete_automation(there.id)


def make_automation(client: SyncPrefectClient, automation: AutomationCore) -> str:
    """Make an automation or renew the one of that name, and return its name."""
    there = client.read_automations_by_name(automation.name)
    for extra in there[1:]:
        client.delete_automation(extra.id)
    if there:
        client.update_automation(there[0].id, automation)
    else:
        client.create_automation(automation)
    return automation.name.removeprefix("graft: ")
