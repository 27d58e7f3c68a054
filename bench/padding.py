"""Useful tokens per second of a forward pass: padded to the longest of the batch, or to a fixed length."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from bench.harness import Comparison, Runner
from bench.loaded import MAX_TOKENS, SEED, Loaded
from bench.results import Guard
from graft.backbones import build
from graft.problems.problem import Batch
from graft.training.device import make_accelerator

AIM = 3.5  # the lower end of what batches grouped by length are reported to give
TOLERANCE = 1e-4  # of a logit in float32: over another number of columns a sum is rounded differently
SMALL = {"hidden_size": 96, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 192}


def make_network(loaded: Loaded) -> Any:
    """Return a BERT of random weights for these texts, of the size that the device is for."""
    # on a GPU that of bert-base, which is transformers' default
    size = {} if make_accelerator().device.type == "cuda" else SMALL
    tokens = {"vocab_size": len(loaded.processor), "pad_token_id": loaded.processor.pad_token_id}
    config = {"model_type": "bert", "max_position_embeddings": MAX_TOKENS, **size, **tokens}
    return build(loaded.problem, config, tuple(map(str, range(loaded.classes))), SEED)


def compare(loaded: Loaded, network: Any) -> Comparison:
    """Return our batches against padded ones, through the same network."""
    loaded = loaded.grouped()
    device, order = make_accelerator().device, list(loaded.order())
    network.to(device).eval()
    lengths = [len(text) for text in loaded.examples.features]
    ours = [_moved(batch, device) for batch in loaded.batches()]
    longest = max(lengths)
    padded = {width: [_padded(loaded, places, width, device) for places in order] for width in (MAX_TOKENS, longest)}
    useful, places = sum(lengths), sum(batch["input_ids"].numel() for batch in ours)
    mean = useful / len(lengths)
    idle, theirs = 1 - useful / places, 1 - mean / MAX_TOKENS
    notes = {
        "tokens of a text": f"{mean:.1f} on average, {longest} at most",
        "padding": f"{100 * idle:.0f} % of our batches, {100 * theirs:.0f} % of those of {MAX_TOKENS} tokens",
        "ceiling": f"{MAX_TOKENS / mean:.2f} times, {MAX_TOKENS} tokens divided by the average",
    }
    return Comparison(
        title="Useful tokens of a forward pass",
        data=f"{loaded.name}, through a BERT of {network.num_parameters() / 1e6:.1f} million weights",
        work=useful,
        unit="tokens",
        ours=Runner("graft, batched by length", lambda: _pass(network, ours)),
        peers=(
            Runner(f"padded to {MAX_TOKENS}", lambda: _pass(network, padded[MAX_TOKENS]), AIM),
            Runner(f"padded to {longest}, the longest of all", lambda: _pass(network, padded[longest])),
        ),
        guard=lambda _: guard_logits(network, ours, padded.values()),
        notes=lambda _: notes,
    )


def guard_logits(network: Any, ours: Sequence[Batch], others: Iterable[Sequence[Batch]]) -> Guard:
    """Return whether the same rows get the same logits in float32, however they are padded."""
    with torch.no_grad():
        mine = torch.cat([_logits(network, batch) for batch in ours])
        theirs = [torch.cat([_logits(network, batch) for batch in batches]) for batches in others]
    largest = max(float((mine - other).abs().max()) for other in theirs)
    found = f"{largest:.1e} (limit {TOLERANCE:.0e})"
    return Guard(name="largest difference of a logit", found=found, holds=largest <= TOLERANCE)


@torch.no_grad()
def _pass(network: Any, batches: Iterable[Batch]) -> None:
    with make_accelerator().autocast():
        for batch in batches:
            _logits(network, batch)


def _logits(network: Any, batch: Batch) -> torch.Tensor:
    logits: torch.Tensor = network(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    return logits


def _padded(loaded: Loaded, places: Sequence[int], width: int, device: torch.device) -> Batch:
    ids = [loaded.examples.features[place].tolist() for place in places]
    batch = loaded.processor.pad({"input_ids": ids}, padding="max_length", max_length=width, return_tensors="pt")
    return _moved(batch, device)


def _moved(batch: Mapping[str, torch.Tensor], device: torch.device) -> Batch:
    return {name: tensor.to(device) for name, tensor in batch.items()}
