"""Layer groups: a network cut into an ordered list of stem, block 1 .. block n, head.

The blocks are found in the network (see `blocks`); what runs before the first is the stem, what runs after the
last is the head. Modules run in the order in which they are registered, but for the few in `PLACES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

from graft.backbones.blocks import Trunk, find_trunk
from graft.backbones.body import find_body
from graft.backbones.stacks import find_stacks
from graft.backbones.unfolding import find_backbone, unfold, unfolds
from graft.errors import CatalogError

if TYPE_CHECKING:
    from torch import nn

Place = Literal["stem", "block", "head"]


def _always(config: Any) -> bool:
    return True


def _norm_last(config: Any) -> bool:
    return bool(getattr(config, "do_stable_layer_norm", False))


PLACES: tuple[tuple[str, Callable[[Any], bool], Place], ...] = (
    # wav2vec 2.0, HuBERT, WavLM register the encoder's norm before the layers; the large ones run it after them
    ("*encoder.layer_norm", _norm_last, "head"),
    # positions that every block reads, registered after the blocks
    ("*rotary_emb*", _always, "stem"),
    # DeBERTa's table of relative positions and its norm, likewise
    ("*encoder.rel_embeddings", _always, "stem"),
    ("*encoder.LayerNorm", _always, "stem"),
    # YOLOS brings its positions to the size of the image in a module that is registered after the blocks
    ("*encoder.interpolation", _always, "stem"),
    # the two wide layers of VGG are pretrained, and most of its weights: a block below the classifier
    ("*pre_logits", _always, "block"),
    # Inception's second classifier, registered among the blocks
    ("*AuxLogits", _always, "head"),
)
"""Path pattern, condition on the configuration, place: what the order of registration tells wrong."""


@dataclass(frozen=True)
class LayerGroup:
    """Neighbouring modules that train or stay frozen together."""

    name: str
    prefixes: tuple[str, ...]
    """Module paths, or names of parameters and buffers that no module below holds; in order of execution."""
    parameters: int
    """Number of weights."""
    weights: tuple[str, ...] = ()
    """Names of its parameters, which patterns are compared with."""

    def owns(self, name: str) -> bool:
        """Say whether a parameter, buffer or module of that name belongs to this group."""
        return any(name == prefix or name.startswith(f"{prefix}.") for prefix in self.prefixes)


def is_shared(path: str) -> bool:
    """Say whether every block reads what a module of the stem returns, beside what the blocks hand on: positions."""
    return any(fnmatchcase(path, pattern) for pattern, _, place in PLACES if place == "stem")


def layer_groups(model: Any) -> tuple[LayerGroup, ...]:
    """Return the ordered layer groups of a model, bare or with a head.

    Each parameter and buffer is in exactly one. A network of Graft's own says itself what its groups are (see
    `all_boundaries`). Raises CatalogError for a network that has no ordered blocks.
    """
    if own := getattr(model, "own_layer_groups", None):
        groups: tuple[LayerGroup, ...] = own()
        return groups
    base, prefix = find_body(model)
    sizes = {name: weight.numel() for name, weight in model.named_parameters()}  # once: a walk takes milliseconds
    if stacked := find_stacks(model, base, prefix):
        return tuple(LayerGroup(name, tuple(paths), *_weigh(sizes, paths)) for name, paths in stacked)
    trunk = find_backbone(base) if unfolds(model) else find_trunk(base)
    if trunk is None:
        raise CatalogError(
            f"{type(model).__name__}: no ordered blocks were found to cut into layer groups",
            advice="A backbone holds a ModuleList, a Sequential, or several children of one class that run in order.",
        )
    places = _places(model, prefix, trunk, sizes)
    places = unfold(model, places) if unfolds(model) else places
    return tuple(LayerGroup(name, tuple(paths), *_weigh(sizes, paths)) for name, paths in places)


def _places(model: nn.Module, prefix: str, trunk: Trunk, sizes: Mapping[str, int]) -> Iterator[tuple[str, list[str]]]:
    """Yield the groups' names and paths; without anything before the blocks, the first of them is the stem."""
    path = _join(prefix, trunk.path)
    before, after = _around(model, prefix, path)
    before += [_join(path, name) for name in trunk.before]
    after = [*(_join(path, name) for name in trunk.after), *after]
    blocks = [[_join(path, name) for name in block] for block in trunk.blocks]
    before, blocks, after = _corrected(getattr(model, "config", None), before, blocks, after)
    if not _weigh(sizes, before)[0] and len(blocks) > 1:
        before, blocks = before + blocks[0], blocks[1:]
    yield "stem", before
    yield from ((f"block {number}", block) for number, block in enumerate(blocks, start=1))
    yield "head", after


def _around(model: nn.Module, base: str, trunk: str) -> tuple[list[str], list[str]]:
    """Return the paths of what is registered around the trunk's module, as high up as possible.

    Parameters and buffers of the modules on the way are read by them early (mask and class tokens), those of
    the model around the base late (weights of a sum over layers).
    """
    before: list[str] = []
    outer: list[list[str]] = []
    module, path = model, ""
    for part in chain(trunk.split(".") if trunk else (), [None]):
        own = [_join(path, name) for name, _ in _own(module)]
        in_base = not base or path == base or path.startswith(f"{base}.")
        before.extend(own if in_base else ())
        later = [] if in_base else own
        if part is not None:
            names = [name for name, _ in module.named_children()]
            at = names.index(part)
            before.extend(_join(path, name) for name in names[:at])
            later = [_join(path, name) for name in names[at + 1 :]] + later
            module, path = module.get_submodule(part), _join(path, part)
        outer.append(later)
    return before, [path for later in reversed(outer) for path in later]  # the innermost neighbours run first


def _own(module: nn.Module) -> Iterator[tuple[str, Any]]:
    yield from module.named_parameters(recurse=False)
    yield from module.named_buffers(recurse=False)


def _corrected(
    config: Any, before: list[str], blocks: list[list[str]], after: list[str]
) -> tuple[list[str], list[list[str]], list[str]]:
    """Move what the table places elsewhere."""
    rules = [(pattern, place) for pattern, condition, place in PLACES if condition(config)]
    moved = {
        path: place for path in chain(before, *blocks, after) for pattern, place in rules if fnmatchcase(path, pattern)
    }
    kept = [[path for path in block if path not in moved] for block in blocks]
    stem = [path for path in before if moved.get(path, "stem") == "stem"]
    head = [path for path in after if moved.get(path, "head") == "head"]
    everywhere = list(chain(before, *blocks, after))
    stem += [path for path in everywhere if moved.get(path) == "stem" and path not in stem]
    early = [path for path in everywhere if moved.get(path) == "head" and path not in head]
    own = [[path] for path in everywhere if moved.get(path) == "block"]
    return stem, [block for block in kept if block] + own, early + head


def _weigh(sizes: Mapping[str, int], prefixes: Iterable[str]) -> tuple[int, tuple[str, ...]]:
    group = LayerGroup("", tuple(prefixes), 0)
    names = tuple(name for name in sizes if group.owns(name))
    return sum(sizes[name] for name in names), names


def _join(path: str, name: str) -> str:
    return ".".join(part for part in (path, name) if part)
