"""Training state on disk: exact, in safetensors and JSON, the newest complete one wins."""

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from graft.errors import CheckpointError
from graft.manifest import verify_manifest, whole_folder
from graft.training import offsite

log = logging.getLogger(__name__)
KEPT = 2  # the newest may be damaged; then the one before it serves


@dataclass(frozen=True)
class Snapshot:
    """Everything a training run is at one step."""

    step: int
    tensors: dict[str, torch.Tensor]
    """Weights, optimizer moments and random states, flat, by `part/name`."""
    facts: dict[str, Any]
    """Plain values: curves, best loss, hash of the freeze mask."""


def save_snapshot(folder: Path, snapshot: Snapshot) -> None:
    """Write `folder/step-N` whole, then drop the oldest beyond the two that are kept; the store has a copy, too."""
    place = folder / f"step-{snapshot.step:08d}"
    with whole_folder(place) as partial:
        # clones: safetensors refuses tied weights, which share memory
        save_file(
            {name: tensor.detach().cpu().clone() for name, tensor in snapshot.tensors.items()},
            partial / "state.safetensors",
        )
        (partial / "facts.json").write_text(json.dumps(snapshot.facts))
    for old in _steps(folder)[KEPT:]:
        shutil.rmtree(old)
    offsite.keep(place)


def load_snapshot(folder: Path) -> Snapshot | None:
    """Return the newest complete snapshot, or None; a damaged one is named in the log and passed over.

    Another machine may have got further: what the store of `GRAFT_CHECKPOINTS` has of this training counts too.
    """
    here = _load(folder)
    return _load(folder) if offsite.recall(folder, None if here is None else here.step) else here


def _load(folder: Path) -> Snapshot | None:
    for path in _steps(folder):
        try:
            verify_manifest(path)
            facts = json.loads((path / "facts.json").read_text())
            return Snapshot(int(path.name.removeprefix("step-")), load_file(path / "state.safetensors"), facts)
        except CheckpointError as error:
            log.warning("passing over a damaged checkpoint: %s", " ".join(str(error).split()))
    return None


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Return the optimizer's state as flat tensors."""
    state: Mapping[int, Mapping[str, torch.Tensor]] = optimizer.state_dict()["state"]
    return {
        f"{index}/{name}": torch.as_tensor(value) for index, slots in state.items() for name, value in slots.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]) -> None:
    """Put flat tensors back; the parameter groups stay those the optimizer was made with."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        index, slot = name.split("/", 1)
        state.setdefault(int(index), {})[slot] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _steps(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"), reverse=True)
