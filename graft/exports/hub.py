"""A package as a repository of the Hugging Face hub, or a folder of that form, for those who have no Graft."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from graft.errors import BadInput, HubUnavailable
from graft.registry.fold import Version
from graft.registry.package import Model, Package, check_golden, load

SAMPLES = ("golden.json", "golden/", "predictions.parquet")
"""Files of a package that hold rows of the data."""
TASKS = {
    "face-verification": "image-feature-extraction",
    "multi-label-image-classification": "image-classification",
    "semantic-segmentation": "image-segmentation",
    "speech-recognition": "automatic-speech-recognition",
    "speech-to-text": "automatic-speech-recognition",
}
"""What the hub calls a problem (huggingface.co/tasks), where it is not what we do."""
HUB_ID = re.compile(r"[\w][\w.-]*(/[\w][\w.-]*)?")


@dataclass(frozen=True)
class Pushed:
    """Where a version went."""

    place: str
    """Folder, or address of the repository."""
    files: int
    auto_model: str | None
    """The class of transformers that loads it, or None where its network is Graft's own."""


def push(package: Package, version: Version, to: str, public: bool = False) -> Pushed:
    """Write a version into a folder or upload it to a hub id, once it has loaded and answered its golden samples.

    A folder is what begins with `.`, `/` or `~`, or is there. Rows of the data (golden samples, predictions) and
    identities of the training rows stay behind. Raises BadInput for a folder that has something in it, and
    HubUnavailable where the hub cannot be reached or lets nobody in.
    """
    folder = _folder(to)
    if folder is not None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder}: {'not empty' if folder.is_dir() else 'a file'}", advice="Name a new folder.")
    if folder is None and not HUB_ID.fullmatch(to):
        raise BadInput(
            f"{to!r}: neither a hub id nor a folder", advice="A hub id is OWNER/NAME; begin a folder with ./, / or ~."
        )
    model = load(package)
    check_golden(package, model)
    loads_with = None if type(model.network).__module__.startswith("graft.") else model.problem.auto_model
    with TemporaryDirectory(prefix="graft-push-") as temporary:
        made = Path(temporary) / "model"
        for name in (name for name in package.files if not name.startswith(SAMPLES)):
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(package.folder / name, made / name)
        _without_rows(made / "graft.json")
        _rewrite_card(made / "README.md", version, model, loads_with)
        count = sum(path.is_file() for path in made.rglob("*"))
        if folder is None:
            return Pushed(_upload(made, to, version, public), count, loads_with)
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(made, folder, dirs_exist_ok=True)
    return Pushed(str(folder), count, loads_with)


def _folder(to: str) -> Path | None:
    path = Path(to).expanduser()
    return path if to.startswith((".", "/", "~")) or (to and path.exists()) else None


def _without_rows(path: Path) -> None:
    facts = json.loads(path.read_text())
    for key in ("train_hashes", "met_hashes"):
        facts.pop(key, None)
    path.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n")


def _rewrite_card(path: Path, version: Version, model: Model, loads_with: str | None) -> None:
    """Give the card the hub's words for what the model does, and say where it comes from and what loads it."""
    from huggingface_hub import ModelCard

    card = ModelCard(path.read_text(encoding="utf-8"), ignore_metadata_errors=True)
    task = TASKS.get(model.problem.name, model.problem.name)
    data: Any = card.data
    data.pipeline_tag = task
    data.library_name = "transformers" if loads_with else "graft"
    data.tags = [*dict.fromkeys([*(data.tags or []), "graft"])]
    for result in data.eval_results or []:
        result.task_type = task
    loading = (
        f"`transformers.{loads_with}.from_pretrained` loads it."
        if loads_with
        else f"Its network ({type(model.network).__name__}) is Graft's own: transformers alone does not load it."
    )
    card.text += (
        f"\n\n## Where it comes from\n\nVersion `{version.name}`, package `{version.digest}`. {loading} "
        "Golden samples and predictions, which are rows of the data, are not part of it.\n"
    )
    path.write_text(str(card), encoding="utf-8")


def _upload(folder: Path, hub_id: str, version: Version, public: bool) -> str:
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError

    api: Any = huggingface_hub.HfApi()
    # an error of its HTTP client, whichever that is; OSError: no token, no connection; ValueError: no such name
    broken: tuple[type[Exception], ...] = (*HfHubHTTPError.__bases__, ValueError)
    try:
        place = api.create_repo(hub_id, private=not public, exist_ok=True).repo_id
        api.upload_folder(folder_path=folder, repo_id=place, commit_message=f"{version.name}, {version.digest[:12]}")
    except broken as error:
        raise HubUnavailable(
            f"{hub_id}: the hub did not take it",
            [" ".join(str(error).split())[:300]],
            "Say who you are with `hf auth login` or HF_TOKEN (a token that may write), check the id and the network, "
            f"or write a folder: --to ./{hub_id.rpartition('/')[2]}",
        ) from error
    return f"{api.endpoint}/{place}"
