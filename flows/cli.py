"""The `graft` command: names, arguments and help. What a command does is in `flows/commands`, imported when it runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from graft.errors import GraftError

app = typer.Typer(
    help="Transfer learning that a team can schedule, watch and trust.",
    epilog="Begin with graft run digits: raw data to a verdict and a registered model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
new = typer.Typer(help="Add an entry to the catalogue and put its data under DVC.", no_args_is_help=True)
models = typer.Typer(help="The registry: list, show, promote, roll back, history, verify.")
app.add_typer(new, name="new")
app.add_typer(models, name="models")

PoolType = Literal["process", "docker", "kubernetes"]
Database = Literal["postgres", "sqlite"]
Event = Literal["data.arrived", "drift.found"]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]
Reference = Annotated[str, typer.Argument(help="NAME, NAME@3, NAME@champion or NAME@challenger.")]


def main() -> None:
    """Run the command line; an error of ours is one message and an exit code, anything else a bug."""
    try:
        app()
    except GraftError as error:
        from flows.terminal import complain

        complain(error)
        sys.exit(error.exit_code)


@app.command(epilog="Example: graft run digits")
def run(target: Annotated[str, typer.Argument(help="A target of params.yaml.")], as_json: Json = False) -> None:
    """Check, pretrain, adapt, evaluate and register a target.

    What is current is skipped.
    """
    from flows.commands.run import run

    run(target, as_json)


@app.command(epilog="Examples: graft retrain and graft retrain digits pydocs")
def retrain(
    targets: Annotated[list[str] | None, typer.Argument(help="Targets; none means all.")] = None,
    as_json: Json = False,
) -> None:
    """Run every target that has become stale.

    Data, code or parameters make a target stale; one failure stops no other.
    """
    from flows.commands.run import retrain

    retrain(targets or [], as_json)


@app.command(epilog='Examples: graft layers digits-0-5 and graft layers digits --match "last 25 %" --match "block 1"')
def layers(
    name: Annotated[str, typer.Argument(help="A source, or a target for the layers of its source.")],
    match: Annotated[
        list[str] | None,
        typer.Option(help="Show what this names: '2', 'last 25 %', 'block 3', '*.layer.2.*'; repeatable."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print the layer groups of a backbone with their sizes."""
    from flows.commands.layers import layers

    layers(name, as_json, match or [])


@app.command(epilog="Examples: graft rank digits and graft rank digits --json")
def rank(target: Annotated[str, typer.Argument(help="A target of params.yaml.")], as_json: Json = False) -> None:
    """Rank the pretrained sources for a target by cheap scores.

    Nothing is trained, and test rows are not used.
    """
    from flows.commands.rank import rank

    rank(target, as_json)


@app.command(epilog='Examples: graft predict digits@champion scan.png, graft predict pydocs "Open a file." --json')
def predict(
    model: Reference,
    inputs: Annotated[
        list[str], typer.Argument(help="Image or sound files; or texts, or a .txt file with one a line.")
    ],
    question: Annotated[str | None, typer.Option(help="What is asked about the texts (question-answering).")] = None,
    out: Annotated[Path, typer.Option(help="Folder for answers that are files, such as masks.")] = Path(),
    draw: Annotated[Path | None, typer.Option(help="PNG file: the input with the answer drawn in.")] = None,
    max_tokens: Annotated[
        int | None, typer.Option(help="Tokens to write at the most (text-generation).", show_default="60")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Of what is drawn; 0 writes the likeliest token.", show_default="0.8")
    ] = None,
    top_p: Annotated[
        float | None, typer.Option(help="Share of the probability that is drawn from.", show_default="0.95")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of what is drawn.", show_default="0")] = None,
    beside: Annotated[
        str | None, typer.Option("--with", help="File to compare each input with (face-verification).")
    ] = None,
    gallery: Annotated[
        Path | None, typer.Option(help="Folder to find the most similar files in (face-verification).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask a registered model about inputs of your own.

    With several inputs --draw names a folder.
    """
    from flows.commands.predict import predict

    given = {"max_tokens": max_tokens, "temperature": temperature, "top_p": top_p, "seed": seed}
    drawing = {name: value for name, value in given.items() if value is not None}
    predict(model, inputs, question, out, draw, as_json, drawing, beside, gallery)


@app.command(epilog="Examples: graft watch digits --data incoming and graft watch digits --data incoming --json")
def watch(
    target: Annotated[str, typer.Argument(help="A target of params.yaml that has a champion.")],
    data: Annotated[
        str, typer.Option(help="Recent inputs without labels.", show_default="what the catalogue names")
    ] = "",
    as_json: Json = False,
) -> None:
    """Say whether recent inputs have drifted.

    They are held against those that the champion was made with.
    """
    from flows.commands.watch import watch

    watch(target, data, as_json)


@app.command(epilog="Examples: graft emit data.arrived and graft emit data.arrived --target digits")
def emit(
    event: Annotated[Event, typer.Argument(help="What happened.")],
    target: Annotated[str, typer.Option(help="The target that it is about.", show_default="all")] = "",
) -> None:
    """Tell the server what happened, so that it retrains.

    The server is that of PREFECT_API_URL or of a running graft up.
    """
    from flows.commands.emit import emit

    emit(event, target)


@app.command(
    epilog="Examples: graft up and, in another terminal, prefect deployment run transfer/transfer -p target=digits"
)
def up(
    port: Annotated[int, typer.Option(help="Port of the dashboard on this machine.", min=1, max=65535)] = 4200,
    team: Annotated[
        bool, typer.Option("--team", help="A team's stack: PostgreSQL, object store, login, several workers.")
    ] = False,
    workers: Annotated[int, typer.Option(help="GPU workers of the team's stack.", min=1)] = 2,
    database: Annotated[Database, typer.Option(help="Of the team's stack; sqlite does for one machine.")] = "postgres",
    store: Annotated[
        str, typer.Option(help="Address of an S3 for the team's stack.", show_default="one is started")
    ] = "",
) -> None:
    """Start server, dashboard, deployments and workers.

    Ctrl-C ends them all.
    """
    if team:
        from flows.commands.up_team import up_team

        up_team(port, workers, database, store)
        return
    from flows.commands.up import up

    up(port)


@app.command(
    epilog="Examples: graft deploy and graft deploy --pool-type kubernetes --image ghcr.io/us/graft@sha256:..."
)
def deploy(
    pool_type: Annotated[PoolType, typer.Option(help="How runs are started.")] = "process",
    image: Annotated[str, typer.Option(help="Of docker and kubernetes pools, by digest.")] = "",
) -> None:
    """Make pools, deployments, schedules, turns and automations known to the server.

    The server is that of PREFECT_API_URL or of a running graft up. Again and again, with the same result.
    """
    from flows.commands.deploy import deploy

    deploy(pool_type, image)


@new.command(
    "target", epilog="Example: graft new target flowers --data ~/flowers --source digits-0-5 --labels-per-class 20"
)
def new_target(
    name: Annotated[str, typer.Argument(help="Its name in params.yaml.")],
    data: Annotated[str, typer.Option(help="Folder, file or hub id.")],
    source: Annotated[str, typer.Option(help="The source of params.yaml to start from.")],
    problem: Annotated[str | None, typer.Option(help="Where the data does not tell.")] = None,
    labels: Annotated[int | None, typer.Option(min=2, help="Labelled rows to use, where there are no classes.")] = None,
    labels_per_class: Annotated[int | None, typer.Option(min=1, help="Labelled rows per class to use.")] = None,
    group: Annotated[str | None, typer.Option(help="Column that must not be on both sides of a split.")] = None,
    column: Annotated[list[str] | None, typer.Option(help="Which column is which, as label=queue; repeatable.")] = None,
) -> None:
    """Look at data, say what was inferred, and add a target."""
    from flows.commands.new import new_target

    new_target(name, data, source, problem, labels, labels_per_class, group, column or [])


@new.command("source", epilog="Example: graft new source leaves --data ~/leaves --backbone resnet")
def new_source(
    name: Annotated[str, typer.Argument(help="Its name in params.yaml.")],
    data: Annotated[str, typer.Option(help="Folder, file or hub id.")],
    backbone: Annotated[
        str | None,
        typer.Option(
            help="resnet, vgg11, inception_v3, resnet18, vit, convnext, segformer, bert, gpt2, wav2vec2 or ast; a "
            "folder, a hub id, or a name of timm's. By the data if not given."
        ),
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Existing checkpoint: a local folder.")] = None,
    hub: Annotated[str | None, typer.Option(help="Existing checkpoint: a hub id.")] = None,
    problem: Annotated[
        str | None, typer.Option(help="Where the data does not tell: text-generation pretrains a gpt2 on any text.")
    ] = None,
    group: Annotated[str | None, typer.Option(help="Column that must not be on both sides of a split.")] = None,
    column: Annotated[list[str] | None, typer.Option(help="Which column is which, as label=queue; repeatable.")] = None,
) -> None:
    """Look at data, say what was inferred, and add a source."""
    from flows.commands.new import new_source

    new_source(name, data, backbone, checkpoint, hub, problem, group, column or [])


@models.callback(invoke_without_command=True, epilog="Examples: graft models, graft models show digits@champion")
def list_models(context: typer.Context, as_json: Json = False) -> None:
    """The registry; without a command, every model with its versions and champion."""
    if context.invoked_subcommand is None:
        from flows.commands.models import list_models

        list_models(as_json)


@models.command(epilog="Example: graft models show digits@champion")
def show(model: Reference, as_json: Json = False) -> None:
    """Show a version: metrics, gates, digest."""
    from flows.commands.models import show

    show(model, as_json)


Reason = Annotated[str, typer.Option(help="Why; it stays in the history.")]


@models.command(epilog='Example: graft models promote digits@2 --reason "better on the new scanner"')
def promote(
    model: Reference,
    reason: Reason,
    force: Annotated[bool, typer.Option("--force", help="Overrule the verdict `hurts`.")] = False,
) -> None:
    """Make a version champion by your own decision.

    Its package must verify.
    """
    from flows.commands.models import promote

    promote(model, reason, force)


@models.command(epilog='Example: graft models rollback digits --reason "complaints since Monday"')
def rollback(name: Annotated[str, typer.Argument(help="A model.")], reason: Reason) -> None:
    """Return to the champion before the present one.

    Its package must verify.
    """
    from flows.commands.models import rollback

    rollback(name, reason)


@models.command(epilog="Example: graft models history digits")
def history(name: Annotated[str, typer.Argument(help="A model.")], as_json: Json = False) -> None:
    """Everything that happened to a model, in order."""
    from flows.commands.models import history

    history(name, as_json)


@models.command(epilog="Example: graft models verify digits@champion")
def verify(model: Reference) -> None:
    """Read a package back from the registry.

    Its files must have their digests, and its model must load and answer the golden samples as recorded.
    """
    from flows.commands.models import verify

    verify(model)


if __name__ == "__main__":
    main()
