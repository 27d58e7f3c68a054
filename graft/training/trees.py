"""What a module returns, taken apart into tensors and put together again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

Rebuild = Callable[[Sequence[torch.Tensor]], Any]
PLAIN = (type(None), bool, int, float, str)


class Unreadable(TypeError):
    """A module returned something else than tensors in tuples, lists, mappings or dataclasses."""


def split_tree(tree: Any) -> tuple[list[torch.Tensor], Rebuild]:
    """Return the distinct tensors of an output and the function that puts such tensors in their places.

    Raises Unreadable for objects that hold state of their own, such as a cache of keys and values.
    """
    leaves: list[torch.Tensor] = []
    return leaves, _split(tree, leaves)


def _split(tree: Any, leaves: list[torch.Tensor]) -> Rebuild:
    if isinstance(tree, torch.Tensor):
        index = next((i for i, leaf in enumerate(leaves) if leaf is tree), len(leaves))
        if index == len(leaves):
            leaves.append(tree)
        return lambda tensors: tensors[index]
    if isinstance(tree, PLAIN):
        return lambda tensors: tree
    kind = type(tree)
    if isinstance(tree, tuple | list):
        parts = [_split(part, leaves) for part in tree]
        made: Callable[..., Any] = (lambda items: kind(*items)) if hasattr(kind, "_fields") else kind
        return lambda tensors: made([part(tensors) for part in parts])
    fields = _fields(tree)
    if fields is None:
        raise Unreadable(f"a {kind.__module__}.{kind.__qualname__}")
    named = {name: _split(value, leaves) for name, value in fields.items()}
    if not dataclasses.is_dataclass(tree):
        return lambda tensors: kind({name: part(tensors) for name, part in named.items()})
    return lambda tensors: kind(**{name: part(tensors) for name, part in named.items()})


def _fields(tree: Any) -> dict[str, Any] | None:
    """Return the named parts of a dataclass (transformers' outputs are) or of a mapping."""
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        return {field.name: getattr(tree, field.name) for field in dataclasses.fields(tree)}
    return dict(tree) if isinstance(tree, Mapping) else None


@dataclass(frozen=True)
class Form:
    """One tensor of an output: what is needed to store it by row and to give it back as it was.

    The order of the axes in memory is kept too: kernels choose their way by it, and another way has other last bits.
    """

    shape: tuple[int, ...]
    """Without the axis of rows, where there is one; axes in order of memory."""
    dtype: torch.dtype
    order: tuple[int, ...]
    """Axes from the slowest in memory to the fastest."""
    constant: torch.Tensor | None = None
    """The tensor itself where it has no axis of rows: positions, tables shared by all rows."""

    @classmethod
    def of(cls, tensor: torch.Tensor, rows: int) -> Form:
        """Return the form of a tensor that a batch of `rows` rows gave."""
        if tensor.ndim == 0 or tensor.shape[0] != rows:
            return cls(tuple(tensor.shape), tensor.dtype, (), tensor.detach().clone())
        strides = tensor.stride()
        order = tuple(sorted(range(tensor.ndim), key=lambda axis: (-strides[axis], axis)))
        return cls(tuple(tensor.shape[axis] for axis in order if axis), tensor.dtype, order)

    def to_rows(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the tensor with rows first and the other axes in order of memory."""
        return tensor.detach().permute(self.order).movedim(self.order.index(0), 0)

    def from_rows(self, stored: torch.Tensor) -> torch.Tensor:
        """Return stored rows as a tensor with the axes, and the order in memory, that the module gave."""
        inverse = sorted(range(len(self.order)), key=self.order.__getitem__)
        return stored.movedim(0, self.order.index(0)).contiguous().permute(inverse)

    def blank(self, rows: int, device: torch.device, writable: bool) -> torch.Tensor:
        """Return zeros of that form; one number shown many times, unless the model writes into them."""
        if self.constant is not None:
            return self.constant.to(device)
        sizes = list(self.shape)
        sizes.insert(self.order.index(0), rows)
        inverse = sorted(range(len(self.order)), key=self.order.__getitem__)
        if writable:
            return torch.zeros(sizes, dtype=self.dtype, device=device).permute(inverse)
        return torch.zeros((), dtype=self.dtype, device=device).expand(sizes).permute(inverse)
