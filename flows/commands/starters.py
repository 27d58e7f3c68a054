"""Networks that `graft new source` writes: they train from random weights on two CPU cores in minutes.

Anything larger is a line in params.yaml.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graft.errors import BadInput
from graft.problems.networks import find_misfit
from graft.problems.problem import Modality, Problem


@dataclass(frozen=True)
class Starter:
    """A small network of one kind of input, and how it is trained where the defaults of the catalogue are not right."""

    modality: Modality
    config: Mapping[str, Any]
    pretraining: Mapping[str, Any] = field(default_factory=dict)


# The first of a kind of input is taken where none is named.
STARTERS: dict[str, Starter] = {
    "resnet": Starter(
        "image",
        {
            "model_type": "resnet",
            "embedding_size": 16,
            "hidden_sizes": [16, 32, 64],
            "depths": [1, 1, 1],
            "layer_type": "basic",
        },
    ),
    "bert": Starter(
        "text",
        {
            "model_type": "bert",
            "hidden_size": 96,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "intermediate_size": 192,
            "max_position_embeddings": 64,
        },
    ),
    "gpt2": Starter("text", {"model_type": "gpt2", "n_embd": 128, "n_layer": 4, "n_head": 4, "n_positions": 128}),
    "wav2vec2": Starter(
        "audio",
        {
            "model_type": "wav2vec2",
            "hidden_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 128,
            "conv_dim": [32, 64, 64, 64, 64],
            "conv_kernel": [10, 8, 4, 4, 4],
            "conv_stride": [5, 4, 2, 2, 2],
            "num_conv_pos_embeddings": 16,
            "num_conv_pos_embedding_groups": 4,
            "classifier_proj_size": 64,
        },
        {"epochs": 25, "learning_rate": 2e-3, "batch_size": 16, "patience": 8},
    ),
    "ast": Starter(
        "audio",
        {
            "model_type": "audio-spectrogram-transformer",
            "hidden_size": 64,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "intermediate_size": 128,
            "num_mel_bins": 64,
            "max_length": 200,
        },
        {"epochs": 40, "learning_rate": 1e-3, "batch_size": 16, "patience": 10},
    ),
}


def find_starter(name: str | None, problem: Problem) -> Starter:
    """Return the starter of that name, or the first that makes sense for a problem; raises BadInput naming those."""
    alike = {key: one for key, one in STARTERS.items() if one.modality == problem.modality}
    if name is None:
        return next(one for one in alike.values() if not find_misfit(problem.auto_model, one.config))
    if name not in alike:
        reads = f"reads {STARTERS[name].modality}, the data are {problem.modality}; " if name in STARTERS else ""
        raise BadInput(
            f"--backbone {name}: {reads}expected {' or '.join(alike)}", advice="Or edit params.yaml afterwards."
        )
    return alike[name]
