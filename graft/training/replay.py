"""Frozen modules hear and play: what they return is recorded, and played back in their place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from graft.backbones import LayerGroup
from graft.training.trees import Rebuild, Unreadable, split_tree


@dataclass(frozen=True)
class Call:
    """One call of a module in a forward pass: the network's blocks that are called twice are two."""

    group: int
    """Index of the layer group."""
    path: str
    number: int


@dataclass(frozen=True)
class Heard:
    """A call and what it returned."""

    call: Call
    tensors: tuple[torch.Tensor, ...] = ()
    rebuild: Rebuild | None = None
    """Puts such tensors together; None where the output was not asked for or cannot be taken apart."""
    trouble: str = ""
    """Why it cannot be taken apart."""


@contextmanager
def hear(model: nn.Module, groups: Sequence[LayerGroup], below: int) -> Iterator[list[Heard]]:
    """Yield a list that fills, in order, with the outermost calls of the groups' modules during one forward pass.

    Outermost: a list that is never called itself is heard through its members. Of the groups below number `below` the
    outputs are copied, for what runs next may write into them.
    """
    heard: list[Heard] = []
    counts, depth = Counter[str](), [0]

    def enter(module: nn.Module, args: Any) -> None:
        depth[0] += 1

    def leave(group: int, path: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            depth[0] -= 1
            if not depth[0]:
                call = Call(group, path, counts[path])
                counts[path] += 1
                heard.append(_copy(call, output) if group < below else Heard(call))

        return hook

    with ExitStack() as stack:
        for path, module in model.named_modules():
            owner = next((number for number, group in enumerate(groups) if group.owns(path)), None)
            if owner is not None:
                stack.callback(module.register_forward_pre_hook(enter).remove)
                stack.callback(module.register_forward_hook(leave(owner, path)).remove)
        yield heard


@contextmanager
def listen(model: nn.Module, calls: Collection[Call], take: Callable[[Heard], None]) -> Iterator[None]:
    """Hand over the outputs of some calls during one forward pass, each before the next module runs."""
    counts = Counter[str]()
    wanted = {(call.path, call.number): call for call in calls}

    def hook(path: str) -> Callable[[nn.Module, Any, Any], None]:
        def heard(module: nn.Module, args: Any, output: Any) -> None:
            if (call := wanted.get((path, counts[path]))) is not None:
                take(_copy(call, output, copy=False))
            counts[path] += 1

        return heard

    with ExitStack() as stack:
        for path in dict.fromkeys(call.path for call in calls):
            stack.callback(model.get_submodule(path).register_forward_hook(hook(path)).remove)
        yield


@contextmanager
def stand_in(model: nn.Module, players: Mapping[str, Callable[[], Any]]) -> Iterator[None]:
    """Let a function answer for each of some modules; the model is as it was afterwards, whatever happens.

    Only the instance's `forward` is covered, so weights, modes, attributes and hooks stay where they are and
    a state_dict taken meanwhile is whole.
    """
    with ExitStack() as stack:
        for path, play in players.items():
            module = model.get_submodule(path)
            before = module.__dict__.get("forward")
            module.forward = _Cover(play, before)
            stack.callback(_uncover, module, before)
        yield


@contextmanager
def uncovered(model: nn.Module) -> Iterator[None]:
    """Let modules that a function answers for (see `stand_in`) run themselves, for a batch that was not recorded."""
    covered = [(module, cover) for module in model.modules() if isinstance(cover := module.forward, _Cover)]
    for module, cover in covered:
        _uncover(module, cover.before)
    try:
        yield
    finally:
        for module, cover in covered:
            module.__dict__["forward"] = cover


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Put the model into evaluation mode without gradients; every module's mode is as it was afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def _copy(call: Call, output: Any, copy: bool = True) -> Heard:
    try:
        leaves, rebuild = split_tree(output)
    except Unreadable as error:
        return Heard(call, trouble=str(error))
    return Heard(call, tuple(leaf.detach().clone() if copy else leaf.detach() for leaf in leaves), rebuild)


@dataclass(frozen=True)
class _Cover:
    """A function that answers in place of a module's forward, whatever it is called with."""

    play: Callable[[], Any]
    before: Any
    """The instance's own forward that it covers, or None."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.play()


def _uncover(module: nn.Module, before: Any) -> None:
    if before is None:
        del module.__dict__["forward"]
    else:
        module.__dict__["forward"] = before
