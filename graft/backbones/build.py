"""Networks from a configuration, a local checkpoint or a hub id, with the head of a problem."""

from __future__ import annotations

import copy
import errno
import json
from collections.abc import Collection, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.backbones.carrying import Carried
from graft.backbones.framing import fill, frame
from graft.backbones.groups import layer_groups
from graft.backbones.rules import find_misfits, find_misfits_of_timm
from graft.backbones.wrapped import WRAPPED, own_weights, tidy
from graft.catalog import nearest
from graft.errors import CatalogError, CheckpointError
from graft.problems.networks import find_misfit

if TYPE_CHECKING:
    from graft.problems import Problem

STEADY = {"apply_spec_augment": False, "layerdrop": 0.0, "encoder_layerdrop": 0.0, "decoder_layerdrop": 0.0}
"""What speech networks do at random while they train, and is off here: SpecAugment draws from numpy's global state,
which no checkpoint holds, and LayerDrop leaves out layers that are frozen and may be played back."""
HEADS = {
    "AutoModelForImageEmbedding": "graft.backbones.embedding",
    "AutoModelForMaskedPatches": "graft.backbones.masked",
    "AutoModelForProjection": "graft.backbones.projected",
}
"""The modules of the heads that are Graft's own; every other one is transformers'."""


def read_config(folder: Path) -> dict[str, Any]:
    """Return the configuration of a Hugging Face folder with every default; raises CheckpointError for none."""
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"{folder}: not a model folder; it has no config.json")
    _make_known()
    try:
        return dict(_read_config(folder, {}).to_dict())
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{folder}: its config.json is not one that transformers knows", [" ".join(str(error).split())[:300]]
        ) from error


def build(problem: Problem, config: Mapping[str, Any], labels: tuple[str, ...], seed: int) -> Any:
    """Return a model of random weights; raises CatalogError where the configuration is not one transformers knows."""
    import transformers

    options = dict(config)
    if misfit := find_misfit(problem.auto_model, config):
        raise CatalogError(f"backbone.config: {misfit}")
    kind = options.pop("model_type")
    _make_known()
    _require_known(config)
    try:
        return construct(problem, transformers.AutoConfig.for_model(kind, **options), labels, seed)
    except (ValueError, TypeError, AttributeError, KeyError, RuntimeError, AssertionError) as error:
        keys = "those of the model's transformers configuration class"
        if kind == WRAPPED:
            keys = "architecture and model_args, whose own keys are the arguments of timm's network"
        raise CatalogError(
            f"backbone.config: transformers cannot build a '{kind}' for {problem.name} from it",
            [" ".join(str(error).split())[:300]],
            f"The keys are {keys}.",
        ) from error


def load(
    folder: Path,
    problem: Problem,
    labels: tuple[str, ...] | None = None,
    seed: int = 0,
    head: Mapping[str, Any] | None = None,
) -> Any:
    """Return the model of a local Hugging Face folder: see `load_listed`."""
    return load_listed(folder, problem, labels, seed, head)[0]


def load_listed(
    folder: Path,
    problem: Problem,
    labels: tuple[str, ...] | None = None,
    seed: int = 0,
    head: Mapping[str, Any] | None = None,
) -> tuple[Any, Carried]:
    """Return the model of a local Hugging Face folder, and what of the folder it has.

    Without `labels` the stored head is kept, and every weight must be there. With `labels` the head is made
    anew from `seed` and everything below it carried over; where the problem keeps heads, only what is missing of it
    is made anew. `head` is what else the configuration then says (see `Problem.head`). Raises CheckpointError when
    the folder is missing, damaged, or holds another architecture than the problem needs.
    """
    import transformers

    _require(folder, problem, adapts=labels is not None)
    _make_known()
    transformers.logging.set_verbosity_error()  # its report of missing weights is read below, and judged
    transformers.logging.disable_progress_bar()  # a bar per file is noise in a log
    options: dict[str, Any] = {"ignore_mismatched_sizes": True} if labels is not None else {}
    asked = {} if labels is None else {**({"num_labels": len(labels)} if labels else {}), **(head or {})}
    if labels is not None and problem.frames and find_misfit(problem.auto_model, read_config(folder)):
        model = construct(problem, frame(folder, _read_config(folder, {}), problem), labels, seed)
        return model, Carried.of(model, fill(model, folder), new_head=True)
    try:
        config = _fitting(_read_config(folder, asked), problem)
        config.update(dict(head or {}))  # transformers passes over a key that this kind of configuration does not know
        model, report = _auto_model(problem).from_pretrained(
            folder,
            config=config,
            **options,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            dtype="float32",
        )
    except CheckpointError:
        raise
    except Exception as error:  # whatever a damaged file makes transformers raise, the folder is to blame
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EMFILE):
            raise
        raise CheckpointError(
            f"{folder}: cannot be loaded as {problem.auto_model}",
            [" ".join(str(error).split())[:400]],
            f"Expected a model for {problem.name} with config.json and model.safetensors that belong together.",
        ) from error
    _check_report(folder, model, report, new_head=labels is not None)
    _steady(model.config)
    carried = Carried.of(model, report, new_head=labels is not None and not problem.keeps_head)
    if labels is None:
        return model, carried
    if problem.keeps_head:
        _fill(model, report["missing_keys"], renew(model, problem, labels, seed))
    return renew_head(model, problem, labels, seed), carried


def renew(model: Any, problem: Problem, labels: tuple[str, ...], seed: int) -> Any:
    """Return a model like the given one with every weight random: what transfer is compared with."""
    fresh = construct(problem, copy.deepcopy(model.config), labels, seed)
    if problem.generates:  # how it is asked is not in its configuration
        fresh.generation_config = copy.deepcopy(model.generation_config)
    return fresh


def renew_head(model: Any, problem: Problem, labels: tuple[str, ...], seed: int) -> Any:
    """Return a model whose head is random and whose every other weight is the given model's.

    Where the problem keeps heads, the head is the given model's, too.
    """
    fresh = renew(model, problem, labels, seed)
    head = layer_groups(fresh)[-1]
    weights, old = fresh.state_dict(), model.state_dict()
    new = {name for name in weights if head.owns(name) and not problem.keeps_head}
    fresh.load_state_dict({name: value if name in new else old[name] for name, value in weights.items()})
    return fresh


def _fill(model: Any, missing: Collection[str], fresh: Any) -> None:
    """Give a model those weights of another that its checkpoint did not have, in place: none that are tied to known."""
    import torch

    own = dict(fresh.named_parameters())
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in missing:
                parameter.copy_(own[name])


def save(model: Any, processor: Any, folder: Path) -> None:
    """Write a Hugging Face folder: safetensors, configuration, processor."""
    import transformers

    transformers.logging.disable_progress_bar()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def construct(problem: Problem, config: Any, labels: tuple[str, ...], seed: int) -> Any:
    """Return a network of a transformers configuration, every weight random, that tells these labels apart."""
    import torch

    _make_known()
    config = _fitting(tidy(config), problem)
    if labels:
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: index for index, label in enumerate(labels)}
    config.problem_type = problem.problem_type  # of its own head: a source may have been of another kind
    _steady(config)
    with torch.random.fork_rng(), own_weights(config):
        torch.manual_seed(seed)
        return _auto_model(problem).from_config(config, trust_remote_code=False).float()


def _auto_model(problem: Problem) -> Any:
    """Return the class that puts the problem's head on a backbone."""
    home = HEADS.get(problem.auto_model, "transformers")
    return getattr(import_module(home), problem.auto_model)


def _fitting(config: Any, problem: Problem) -> Any:
    """Return a configuration without what belongs to a head of Graft's own that this problem does not have."""
    from graft.backbones.masked import without_decoder
    from graft.backbones.projected import without_projection

    if problem.auto_model != "AutoModelForMaskedPatches":
        config = without_decoder(config)
    return config if problem.auto_model == "AutoModelForProjection" else without_projection(config)


def _steady(config: Any) -> None:
    for key, value in STEADY.items():
        if hasattr(config, key):
            setattr(config, key, value)


def _make_known() -> None:
    """Let transformers know the networks that are Graft's own: see `all_boundaries`, `fcos` and `embedding`."""
    import graft.backbones.all_boundaries
    import graft.backbones.embedding
    import graft.backbones.fcos  # noqa: F401


def _read_config(folder: Path, options: Mapping[str, Any]) -> Any:
    """Return a folder's configuration with other values where `options` has any, such as the number of classes."""
    import transformers

    config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False, **options)
    if config.model_type == WRAPPED:
        tidy(config)
        if misfits := list(find_misfits_of_timm(vars(config))):
            raise CheckpointError(f"{folder / 'config.json'}: no network can be made of it", misfits)
    return config


def _require_known(config: Mapping[str, Any]) -> None:
    """Raise CatalogError for what is wrong at first sight, and for a name that timm does not know."""
    if config["model_type"] != WRAPPED:
        return
    problems = list(find_misfits(config))
    if not problems:
        import timm

        if not timm.is_model(name := config["architecture"]):
            problems = [f"timm {timm.__version__} has no architecture '{name}'; {nearest(name, timm.list_models())}"]
    if problems:
        raise CatalogError("backbone.config: no network can be made of it", problems)


def _require(folder: Path, problem: Problem, adapts: bool) -> None:
    """Refuse a folder that holds no model, or one below which the problem's head makes no sense."""
    if not (folder / "config.json").is_file():
        there = "the folder does not exist" if not folder.exists() else "it has no config.json"
        raise CheckpointError(
            f"{folder}: not a model folder; {there}",
            advice="Expected a Hugging Face folder with config.json, model.safetensors and the processor's files.",
        )
    try:
        config = json.loads((folder / "config.json").read_text())
    except ValueError:  # transformers will say what is wrong with it
        return
    misfit = find_misfit(problem.auto_model, config) if "model_type" in config else None
    if misfit and not (problem.frames and adapts):  # what frames it says itself where it cannot
        raise CheckpointError(f"{folder}: {misfit}")


def _check_report(folder: Path, model: Any, report: Mapping[str, Any], new_head: bool) -> None:
    """Refuse weights that do not fill the backbone: transformers would fill the gaps with random numbers."""
    backbone = layer_groups(model)[:-1] if new_head else layer_groups(model)
    missing = [name for name in report["missing_keys"] if any(group.owns(name) for group in backbone)]
    odd = [name for name, *_ in report["mismatched_keys"] if any(group.owns(name) for group in backbone)]
    if missing or odd:
        problems = [f"no weights for {name}" for name in sorted(missing)]
        problems += [f"another shape for {name}" for name in sorted(odd)]
        raise CheckpointError(
            f"{folder}: its weights are not those of a {type(model).__name__}",
            [*problems[:10], *([f"and {len(problems) - 10} more"] if len(problems) > 10 else [])],
            "The checkpoint is of another architecture than its config.json says.",
        )
