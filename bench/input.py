"""What reaches the training loop: samples per second, and useful tokens per second of a forward pass."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count, zip_longest
from typing import Any

import datasets
import torch
from torch.utils.data import DataLoader
from transformers import DataCollatorWithPadding

from bench import padding
from bench.harness import Comparison, Runner
from bench.loaded import BATCH, MAX_TOKENS, Loaded, load_images, load_texts
from bench.results import Guard
from graft.problems.problem import Batch
from graft.training.device import make_accelerator, use_threads

TITLE = "The input path"
METHOD = f"""\
*Into the loop*: an epoch as batches of {BATCH}, moved to the device that trains. Both sides hold rows that went through
their processor. Ours draws the order and makes each batch with `problem.collate`, as the loop does. The peer is torch's
`DataLoader` over the same rows in `datasets`, with the order given. Its pixels are kept flat, which `datasets` reads
seven times as fast as its `Array3D`, then stacked and normalised; its texts are padded by transformers'
`DataCollatorWithPadding`, which prefers plain lists. The aim is ten times; a bare memory map was reported at 64 times.

*Useful tokens*: one epoch of a BERT's forward pass over batches that lie ready on the device. Ours are
batched by length, as studies and pretraining do. The first peer pads to {MAX_TOKENS} tokens, as transformers'
`run_glue.py` does by default, the second to the longest text of all. Padding is not counted. The aim is the lower end
of what batches grouped by length are reported to give."""

AIM = 10.0

Peer = tuple[datasets.Dataset, Callable[[list[Any]], Batch]]
"""A peer's rows, and what makes a batch of some."""


def comparisons(quick: bool) -> Iterator[Comparison]:
    """Yield images and texts into the loop, then the forward pass."""
    most = 256 if quick else 10_000
    texts = load_texts(most)
    network = padding.make_network(texts)
    use_threads(network)  # as the loop would
    workers = 0 if quick else min(4, len(os.sched_getaffinity(0)))
    images = load_images(most)
    yield _into_the_loop("Images into the loop", images, {"torch format": _image_peer(images)}, workers)
    torch_format = _text_peer(texts)
    peers = {"torch format": torch_format, "plain lists": (torch_format[0].with_format(None), torch_format[1])}
    yield _into_the_loop("Texts into the loop", texts, peers, workers)
    yield padding.compare(texts if make_accelerator().device.type == "cuda" else texts.first(1024), network)


def _into_the_loop(title: str, loaded: Loaded, peers: Mapping[str, Peer], workers: int) -> Comparison:
    device, epochs = make_accelerator().device, count()
    loaders = _loaders(peers, list(loaded.order()), workers, on_gpu=device.type == "cuda")
    return Comparison(
        title=title,
        data=loaded.name,
        work=len(loaded.examples),
        unit="samples",
        ours=Runner("graft", lambda: _consume(loaded.batches(next(epochs)), device)),  # a new order each time
        peers=tuple(Runner(name, partial(_consume, loader, device), AIM) for name, loader in loaders.items()),
        guard=lambda _: guard_batches(loaded.batches(), *loaders.values()),
    )


def _loaders(
    peers: Mapping[str, Peer], order: list[list[int]], workers: int, on_gpu: bool
) -> dict[str, DataLoader[Any]]:
    """Return a loader for each peer, and one with workers for the first."""
    loaders = {
        f"DataLoader, {name}": DataLoader(table, batch_sampler=order, collate_fn=collate)
        for name, (table, collate) in peers.items()
    }
    if workers:
        name, (table, collate) = next(iter(peers.items()))
        loaders[f"DataLoader, {name}, {workers} workers"] = DataLoader(
            table, batch_sampler=order, collate_fn=collate, num_workers=workers, persistent_workers=True,
            pin_memory=on_gpu, multiprocessing_context="spawn" if on_gpu else None,
        )  # fmt: skip
    return loaders


def guard_batches(ours: Iterable[Batch], *peers: Iterable[Batch]) -> Guard:
    """Return whether all batches have the same names, and under each a tensor of the same type and content."""
    same = [
        all(_equal(batch, other) for other in others) for batch, *others in zip_longest(ours, *peers, fillvalue=Batch())
    ]
    return Guard(name="batches equal tensor by tensor", found=f"{sum(same)} of {len(same)}", holds=all(same))


def _equal(ours: Batch, peer: Mapping[str, torch.Tensor]) -> bool:
    return set(ours) == set(peer) and all(
        ours[name].dtype == peer[name].dtype and torch.equal(ours[name], peer[name]) for name in ours
    )


def _consume(batches: Iterable[Mapping[str, torch.Tensor]], device: torch.device) -> None:
    for batch in batches:
        for tensor in batch.values():
            tensor.to(device)


def _image_peer(loaded: Loaded) -> Peer:
    pixels = loaded.examples.stack(range(len(loaded.examples)))
    flat = pixels.reshape(len(pixels), -1)
    kind = datasets.List(datasets.Value("uint8"), length=flat.shape[1])
    features = datasets.Features({"pixel_values": kind, "labels": datasets.Value("int64")})
    table = datasets.Dataset.from_dict({"pixel_values": flat, "labels": loaded.examples.labels}, features=features)
    return table.with_format("torch"), partial(_stack_pixels, shape=pixels.shape[1:], processor=loaded.processor)


def _stack_pixels(found: Sequence[Mapping[str, torch.Tensor]], shape: tuple[int, ...], processor: Any) -> Batch:
    pixels = torch.stack([row["pixel_values"] for row in found]).view(-1, *shape).float()
    pixels *= processor.rescale_factor
    pixels -= torch.tensor(processor.image_mean)[:, None, None]
    pixels /= torch.tensor(processor.image_std)[:, None, None]
    return {"pixel_values": pixels, "labels": torch.stack([row["labels"] for row in found])}


def _text_peer(loaded: Loaded) -> Peer:
    columns = {"input_ids": loaded.examples.features, "labels": loaded.examples.labels}
    return datasets.Dataset.from_dict(columns).with_format("torch"), DataCollatorWithPadding(loaded.processor)
