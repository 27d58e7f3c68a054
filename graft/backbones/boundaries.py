"""What leaves each layer group on its way up, heard while a network runs, and pooled to one vector a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from graft.backbones.groups import LayerGroup, is_shared

if TYPE_CHECKING:
    import torch


@contextmanager
def hear_boundaries(model: Any, groups: Sequence[LayerGroup]) -> Iterator[dict[str, torch.Tensor]]:
    """Yield a dictionary that gets, by the group's name, what leaves each of some groups in a forward pass.

    Of all modules of a group the last to end is the one whose output leaves it. A group that returns no tensor is not
    in it.
    """
    latest: dict[str, torch.Tensor] = {}

    def keep(group: str, output: Any) -> None:
        if (tensor := _first_tensor(output)) is not None:
            latest[group] = tensor

    with ExitStack() as stack:
        for path, module in model.named_modules():
            heard = path and not is_shared(path)
            owner = next((group.name for group in groups if group.owns(path)), None) if heard else None
            if owner is not None:
                handle = module.register_forward_hook(lambda _, __, output, name=owner: keep(name, output))
                stack.callback(handle.remove)
        yield latest


def pool(output: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Return one float32 vector a row, (rows, dimensions).

    Maps are averaged over space, sequences over their real tokens; where a network's sequences have no attention
    mask, over all positions.
    """
    output = output.float()
    if output.ndim == 4:
        return output.mean(dim=(2, 3))
    if output.ndim != 3:
        return output.flatten(1)
    if mask is None or mask.shape != output.shape[:2]:
        return output.mean(dim=1)
    real = mask[:, :, None].to(output)
    return (output * real).sum(dim=1) / real.sum(dim=1).clamp(min=1)


def _first_tensor(output: Any) -> torch.Tensor | None:
    """Return the hidden states of what a module returns, which come first in tuples and output classes."""
    import torch

    if isinstance(output, torch.Tensor):
        return output
    if isinstance(output, Mapping):
        output = tuple(output.values())
    return next((part for part in output if isinstance(part, torch.Tensor)), None) if output else None
