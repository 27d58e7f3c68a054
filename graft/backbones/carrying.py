"""What a network has from a checkpoint, what was made anew, and what of the checkpoint it has no place for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from graft.backbones.groups import layer_groups

FEW = 4  # tensors below one module that are named each


@dataclass(frozen=True)
class Carried:
    """Names of tensors; those made anew and left behind are shortened to modules where there are many."""

    over: int
    """Tensors of the checkpoint that the network has now."""
    anew: tuple[str, ...]
    """Tensors of the network that are random, its head's above all, whether the checkpoint had them or not."""
    left: tuple[str, ...]
    """Tensors of the checkpoint that the network has no place for."""

    @classmethod
    def of(cls, model: Any, report: Mapping[str, Any], new_head: bool) -> Carried:
        """Return what transformers reports of a loading, and that the head is made anew where it is."""
        head, weights = layer_groups(model)[-1], model.state_dict()
        anew = {name for name in weights if new_head and head.owns(name)} | {*report["missing_keys"]}
        anew |= {name for name, *_ in report["mismatched_keys"]}
        inside = str(model.base_model_prefix)
        return cls(len(weights.keys() - anew), shorten(anew, inside), shorten(report["unexpected_keys"], inside))

    def describe(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {"carried_over": self.over, "made_anew": list(self.anew), "left_behind": list(self.left)}

    def __str__(self) -> str:
        anew, left = (", ".join(names) or "nothing" for names in (self.anew, self.left))
        return f"carried over: {self.over} tensors; made anew: {anew}; left behind: {left}"


def shorten(names: Iterable[str], inside: str = "") -> tuple[str, ...]:
    """Return names in order; of more than four below one module only that and how many they are, as `decoder.* (24)`.

    The module is one at the top, or one in the module `inside`, where all that is below the head lies.
    """
    below: dict[str, list[str]] = {}
    for name in sorted(names):
        parts = name.split(".")
        below.setdefault(".".join(parts[: 1 + (parts[0] == inside)]), []).append(name)
    found: list[str] = []
    for module, members in below.items():
        found += members if len(members) <= FEW else [f"{module}.* ({len(members)})"]
    return tuple(found)
