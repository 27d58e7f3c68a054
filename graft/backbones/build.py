"""Networks from a configuration, a local checkpoint or a hub id, with the head of a problem."""

from __future__ import annotations

import copy
import errno
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.backbones.groups import layer_groups
from graft.backbones.rules import find_misfits, find_misfits_of_timm
from graft.backbones.wrapped import WRAPPED, own_weights, tidy
from graft.catalog import Backbone, nearest
from graft.errors import CatalogError, CheckpointError, HubUnavailable
from graft.problems.networks import find_misfit

if TYPE_CHECKING:
    from graft.problems import Problem
    from graft.problems.problem import Modality

log = logging.getLogger(__name__)
STEADY = {"apply_spec_augment": False, "layerdrop": 0.0}
"""What speech networks do at random while they train, and is off here: SpecAugment draws from numpy's global state,
which no checkpoint holds, and LayerDrop leaves out layers that are frozen and may be played back."""
PROCESSORS: dict[Modality, tuple[str, dict[str, Any]]] = {
    # torchvision and PIL resize differently, and serving must see training's pixels
    "image": ("AutoImageProcessor", {"backend": "pil"}),
    "text": ("AutoTokenizer", {"trust_remote_code": False}),
    "audio": ("AutoFeatureExtractor", {"trust_remote_code": False}),
}
"""The transformers class that loads the processor of each kind of input, and how."""


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
    """Return the model of a local Hugging Face folder.

    Without `labels` the stored head is kept, and every weight must be there. With `labels` the head is made
    anew from `seed` and everything below it carried over; `head` is what else the configuration then says (see
    `Problem.head`). Raises CheckpointError when the folder is missing,
    damaged, or holds another architecture than the problem needs.
    """
    import transformers

    _require(folder, problem)
    _make_known()
    transformers.logging.set_verbosity_error()  # its report of missing weights is read below, and judged
    transformers.logging.disable_progress_bar()  # a bar per file is noise in a log
    options: dict[str, Any] = {"ignore_mismatched_sizes": True} if labels is not None else {}
    asked = {} if labels is None else {**({"num_labels": len(labels)} if labels else {}), **(head or {})}
    try:
        config = _read_config(folder, asked)
        model, report = getattr(transformers, problem.auto_model).from_pretrained(
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
    return model if labels is None else renew_head(model, problem, labels, seed)


def renew(model: Any, problem: Problem, labels: tuple[str, ...], seed: int) -> Any:
    """Return a model like the given one with every weight random: what transfer is compared with."""
    return construct(problem, copy.deepcopy(model.config), labels, seed)


def renew_head(model: Any, problem: Problem, labels: tuple[str, ...], seed: int) -> Any:
    """Return a model whose head is random and whose every other weight is the given model's."""
    fresh = renew(model, problem, labels, seed)
    head = layer_groups(fresh)[-1]
    weights, old = fresh.state_dict(), model.state_dict()
    fresh.load_state_dict({name: value if head.owns(name) else old[name] for name, value in weights.items()})
    return fresh


def fetch(backbone: Backbone) -> Path:
    """Return the local folder of a checkpoint or hub id; raises HubUnavailable where the hub cannot be reached."""
    if backbone.checkpoint is not None:
        return Path(backbone.checkpoint)
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError

    # an error of its HTTP client, whichever that is, and OSError: a connection that breaks in a file is only the first
    broken: tuple[type[Exception], ...] = (*HfHubHTTPError.__bases__, ValueError)
    patterns = ["*.json", "*.safetensors", "*.txt", "*.model"]
    try:
        return Path(
            huggingface_hub.snapshot_download(str(backbone.hub), revision=backbone.revision, allow_patterns=patterns)
        )
    except broken as error:
        raise HubUnavailable(
            f"backbone.hub '{backbone.hub}': not in the local cache and the hub did not answer",
            [" ".join(str(error).split())[:300]],
            "Connect once to fetch it, copy its folder here and write `checkpoint: FOLDER`, or check the id.",
        ) from error


def save(model: Any, processor: Any, folder: Path) -> None:
    """Write a Hugging Face folder: safetensors, configuration, processor."""
    import transformers

    transformers.logging.disable_progress_bar()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def load_processor(folder: Path, problem: Problem) -> Any:
    """Return the image processor, tokenizer or feature extractor of a folder."""
    import transformers

    kind, options = PROCESSORS[problem.modality]
    if problem.auto_processor is not None and (folder / "tokenizer_config.json").is_file():
        kind = problem.auto_processor
    try:
        return getattr(transformers, kind).from_pretrained(folder, local_files_only=True, **options)
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{folder}: holds no processor for {problem.modality}", [" ".join(str(error).split())[:300]]
        ) from error


def transplant(adapted: Any, source: Any) -> None:
    """Put the adapted layers under the source's own head, in place; a weight they do not have stays the source's.

    The head is the last layer group: a normalisation above the blocks is part of it, wherever the network keeps it.
    """
    weights, base = adapted.base_model.state_dict(), source.base_model
    head = layer_groups(source)[-1]
    prefix = "" if base is source else f"{source.base_model_prefix}."
    base.load_state_dict(
        {name: own if head.owns(prefix + name) else weights.get(name, own) for name, own in base.state_dict().items()}
    )


def construct(problem: Problem, config: Any, labels: tuple[str, ...], seed: int) -> Any:
    """Return a network of a transformers configuration, every weight random, that tells these labels apart."""
    import torch
    import transformers

    _make_known()
    tidy(config)
    if labels:
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: index for index, label in enumerate(labels)}
    _steady(config)
    with torch.random.fork_rng(), own_weights(config):
        torch.manual_seed(seed)
        return getattr(transformers, problem.auto_model).from_config(config, trust_remote_code=False).float()


def _steady(config: Any) -> None:
    for key, value in STEADY.items():
        if hasattr(config, key):
            setattr(config, key, value)


def _make_known() -> None:
    """Let transformers know the networks that are Graft's own: see `all_boundaries`."""
    import graft.backbones.all_boundaries  # noqa: F401


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


def _require(folder: Path, problem: Problem) -> None:
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
    if "model_type" in config and (misfit := find_misfit(problem.auto_model, config)):
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
    log.debug("%s: carried over %d weights below the head", folder, sum(group.parameters for group in backbone))
