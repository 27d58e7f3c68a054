"""The `graft` command: names, arguments and help. What a command does is in `flows/commands`, imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from flows.groups import Force, Json, Reason, Reference, models, new, remote
from graft import process
from graft.errors import GraftError

app = typer.Typer(
    help="Transfer learning that a team can schedule, watch and trust.",
    epilog="Begin with graft run digits: raw data to a verdict and a registered model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(new, name="new")
app.add_typer(models, name="models")
app.add_typer(remote, name="remote")

PoolType = Literal["process", "docker", "kubernetes"]
Database = Literal["postgres", "sqlite"]
Event = Literal["data.arrived", "drift.found"]


def main() -> None:
    """Run the command line; an error of ours or a path that is barred is one message and an exit code, else a bug."""
    process.begin()
    try:
        app()
    except (GraftError, OSError) as error:
        from flows.terminal import complain, foreseen

        said = foreseen(error)
        if said is None:
            raise
        complain(said)
        process.end(said.exit_code)
    except SystemExit as done:  # so ends every command of typer's
        if not isinstance(done.code, int):
            raise
        process.end(done.code)


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


@app.command(epilog='Example: graft promote digits@3 --reason "looked at by Ann"')
def promote(model: Reference, reason: Reason, force: Force = False) -> None:
    """Approve a version, or promote it by your own decision.

    The same as `graft models promote`. Its package must verify.
    """
    from flows.commands.models import promote

    promote(model, reason, force)


@app.command(epilog="Examples: graft up, graft up --team, graft up --team --workers 4 --database sqlite")
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
    """Make everything known to a server that runs need.

    Pools, deployments with their schedules, turns, automations.

    The server is that of PREFECT_API_URL or of a running graft up. Again and again, with the same result.
    """
    from flows.commands.deploy import deploy

    deploy(pool_type, image)


@app.command(epilog="Examples: graft doctor and graft doctor --json")
def doctor(as_json: Json = False) -> None:
    """Look at everything that runs need and say what is missing.

    Exit code 1 where something is.
    """
    from flows.commands.doctor import doctor

    doctor(as_json)


@app.command(epilog="Examples: graft serve digits@champion and graft serve digits --port 0 --max-inputs 16")
def serve(
    model: Reference,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all of this machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = 8000,
    max_megabytes: Annotated[float, typer.Option(help="Of a request's body.", min=0.001)] = 16.0,
    max_inputs: Annotated[int, typer.Option(help="Of a request.", min=1)] = 64,
    max_queue: Annotated[int, typer.Option(help="Inputs that may wait, of all requests.", min=1)] = 256,
    seconds: Annotated[float, typer.Option(help="A request may take.", min=0.1)] = 30.0,
    poll_seconds: Annotated[float, typer.Option(help="Between two looks for a new champion.", min=0.1)] = 5.0,
) -> None:
    """Answer over HTTP: POST /predict, GET /health.

    When the alias moves the new version takes over. Ctrl-C or SIGTERM ends it.
    """
    from flows.commands.serve import serve

    limits = {"body_bytes": int(max_megabytes * 1e6), "inputs": max_inputs, "queue": max_queue, "seconds": seconds}
    serve(model, host, port, limits, poll_seconds)


if __name__ == "__main__":
    main()
