"""The groups of the `graft` command: `new`, `models`, `remote`. Names, arguments and help, as in `flows/cli.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

new = typer.Typer(help="Add an entry to the catalogue and put its data under DVC.", no_args_is_help=True)
models = typer.Typer(help="The registry: list, show, promote, roll back, history, verify.")
remote = typer.Typer(help="The DVC remote, where results are shared: set it, check it.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]
Reference = Annotated[str, typer.Argument(help="NAME, NAME@3, NAME@champion or NAME@challenger.")]
Reason = Annotated[str, typer.Option(help="Why; it stays in the history.")]
Pack = Annotated[
    bool | None,
    typer.Option(
        "--pack/--no-pack", help="Put a folder's files into tar shards; if not given, from 500 small ones on."
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Overrule the verdict `hurts`.")]


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
    pack: Pack = None,
) -> None:
    """Look at data, say what was inferred, and add a target."""
    from flows.commands.new import new_target

    new_target(name, data, source, problem, labels, labels_per_class, group, column or [], pack)


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
    pack: Pack = None,
) -> None:
    """Look at data, say what was inferred, and add a source."""
    from flows.commands.new import new_source

    new_source(name, data, backbone, checkpoint, hub, problem, group, column or [], pack)


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


@models.command("promote", epilog='Example: graft models promote digits@2 --reason "better on the new scanner"')
def promote_by_hand(model: Reference, reason: Reason, force: Force = False) -> None:
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


@models.command(epilog="Examples: graft models verify digits@champion and, for every version, graft models verify")
def verify(
    model: Annotated[
        str | None, typer.Argument(help="NAME, NAME@3, NAME@champion or NAME@challenger; all where none is given.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Read packages back from the registry.

    Their files must have their digests, and each model must load and answer the golden samples as recorded.
    """
    from flows.commands.models import verify

    verify(model, as_json)


@models.command(epilog="Examples: graft models push digits@3 --to ./digits and graft models push digits --to us/digits")
def push(
    model: Reference,
    to: Annotated[str, typer.Option(help="Hub id; or a folder, which begins with ./, / or ~.")],
    public: Annotated[bool, typer.Option("--public", help="A new repository is for everybody to see.")] = False,
) -> None:
    """Give a version to the Hugging Face hub, or a folder.

    Rows of the data stay behind.
    """
    from flows.commands.models import push

    push(model, to, public)


@models.command(epilog="Example: graft models export digits@champion --onnx digits.onnx")
def export(model: Reference, onnx: Annotated[Path, typer.Option(help="File to write.")]) -> None:
    """Write a version's network to an ONNX file.

    It is kept if it answers the golden samples as recorded.
    """
    from flows.commands.models import export

    export(model, onnx)


@models.command(epilog="Examples: graft models tag digits@3 and graft models tag digits@3 --stage prod --create")
def tag(
    model: Reference,
    stage: Annotated[
        list[str] | None, typer.Option(help="Stage to assign; repeatable. Its aliases if not given.")
    ] = None,
    commit: Annotated[str, typer.Option(help="Commit that the version was made of.")] = "HEAD",
    create: Annotated[bool, typer.Option("--create", help="Create the tags, and do not only print them.")] = False,
) -> None:
    """Print the git tags of a version, as GTO reads them."""
    from flows.commands.models import tag

    tag(model, stage or [], commit, create)


@remote.command(epilog="Examples: graft remote add /mnt/team/dvc and graft remote add s3://team/dvc")
def add(
    url: Annotated[str, typer.Argument(help="Folder outside of the checkout, or s3://BUCKET/PREFIX.")],
    name: Annotated[str, typer.Option(help="Its name in DVC's configuration.")] = "team",
) -> None:
    """Make a folder or a bucket the default DVC remote, with verify.

    Runs push there what they make.
    """
    from flows.commands.remote import add

    add(url, name)


@remote.command(epilog="Example: graft remote check --no-mend")
def check(
    mend: Annotated[bool, typer.Option(help="Write again what is damaged there and whole here.")] = True,
    as_json: Json = False,
) -> None:
    """Compare every object of results and data with the remote.

    What is missing or damaged there is named.
    """
    from flows.commands.remote import look

    look(mend, as_json)
