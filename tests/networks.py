"""One tiny network of each family the project knows, of fixed random weights, with rows to feed it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import transformers

from tests.conftest import BERT, RESNET
from tests.masks import SEGFORMER

ROWS = 12
GPT2 = {
    "model_type": "gpt2",
    "n_embd": 8,
    "n_layer": 3,
    "n_head": 2,
    "n_positions": 16,
    "vocab_size": 60,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
DISTILBERT = {
    "model_type": "distilbert",
    "dim": 8,
    "n_layers": 3,
    "n_heads": 2,
    "hidden_dim": 8,
    "max_position_embeddings": 16,
    "vocab_size": 60,
}
ROBERTA = {**BERT, "model_type": "roberta", "max_position_embeddings": 17, "pad_token_id": 0}  # the first is padding's
ELECTRA = {**BERT, "model_type": "electra", "embedding_size": 4}  # a projection between embeddings and layers
ALBERT = {**BERT, "model_type": "albert", "embedding_size": 4}  # one layer that runs three times
LLAMA = {
    "model_type": "llama",
    "hidden_size": 8,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 8,
    "max_position_embeddings": 16,
    "vocab_size": 60,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
VIT = {
    "model_type": "vit",
    "hidden_size": 8,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "image_size": 16,
    "patch_size": 4,
    "num_channels": 1,
}
VIT_MAE = {
    **VIT,
    "model_type": "vit_mae",
    "decoder_hidden_size": 8,
    "decoder_num_hidden_layers": 1,
    "decoder_num_attention_heads": 2,
    "decoder_intermediate_size": 8,
}
TIMM = {"model_type": "timm_wrapper", "architecture": "test_resnet", "model_args": {"in_chans": 1}}
CONVNEXT = {
    "model_type": "convnext",
    "num_channels": 1,
    "hidden_sizes": [4, 6, 8],
    "depths": [1, 2, 1],
    "num_stages": 3,
}
WAV2VEC2 = {
    "model_type": "wav2vec2",
    "hidden_size": 8,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "conv_dim": [4, 8],
    "conv_kernel": [10, 3],
    "conv_stride": [5, 2],
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
    "vocab_size": 12,
    "apply_spec_augment": False,
    "ctc_loss_reduction": "mean",
}


WHISPER = {
    "model_type": "whisper",
    "d_model": 8,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 8,
    "decoder_ffn_dim": 8,
    "num_mel_bins": 8,
    "max_source_positions": 30,
    "max_target_positions": 16,
    "vocab_size": 60,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
}


@dataclass(frozen=True)
class Network:
    """How to make a model, and `ROWS` rows of its inputs and labels."""

    make: Callable[[], Any]
    inputs: Callable[[], dict[str, torch.Tensor]]
    blocks: int

    def build(self) -> Any:
        """Return the model of fixed weights, in evaluation mode."""
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return self.make().eval()

    def batch(self, rows: Sequence[int]) -> dict[str, torch.Tensor]:
        """Return the model's inputs and labels for some rows."""
        return {name: value[list(rows)] for name, value in self.inputs().items()}


def from_config(auto: str, config: dict[str, Any], **more: Any) -> Callable[[], Any]:
    def make() -> Any:
        options = {**config, **more}
        made = transformers.AutoConfig.for_model(options.pop("model_type"), **options)
        return getattr(transformers, auto).from_config(made)

    return make


def from_timm(architecture: str, **arguments: Any) -> Callable[[], Any]:
    config = {"architecture": architecture, "num_labels": 4, "model_args": arguments}
    return lambda: transformers.TimmWrapperForImageClassification(transformers.TimmWrapperConfig(**config))


def images(channels: int, size: int, classes: int) -> Callable[[], dict[str, torch.Tensor]]:
    def make() -> dict[str, torch.Tensor]:
        pixels = torch.randn(ROWS, channels, size, size, generator=torch.Generator().manual_seed(1))
        return {"pixel_values": pixels, "labels": torch.arange(ROWS) % classes}

    return make


def scenes() -> dict[str, torch.Tensor]:
    """Images with masks."""
    masks = torch.randint(0, 3, (ROWS, 16, 16), generator=torch.Generator().manual_seed(2))
    return {**images(1, 16, 3)(), "labels": masks}


def texts() -> dict[str, torch.Tensor]:
    """Rows of one width and different lengths."""
    generator = torch.Generator().manual_seed(1)
    width = 11
    lengths = torch.randint(3, width + 1, (ROWS, 1), generator=generator)
    mask = (torch.arange(width) < lengths).long()
    ids = torch.randint(3, 60, (ROWS, width), generator=generator) * mask
    return {"input_ids": ids, "attention_mask": mask, "labels": torch.arange(ROWS) % 2}


def written() -> dict[str, torch.Tensor]:
    """Rows that are to be gone on with: the label of a token is the next one, which the model itself looks up."""
    made = texts()
    return {**made, "labels": made["input_ids"].masked_fill(made["attention_mask"] == 0, -100)}


def sounds() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(ROWS, 400, generator=generator)
    return {"input_values": values, "labels": torch.randint(1, 12, (ROWS, 5), generator=generator)}


def masked_sounds() -> dict[str, torch.Tensor]:
    """Rows that end in silence, as a speech network with a mask takes them."""
    lengths = torch.linspace(200, 400, ROWS).long()[:, None]
    made = sounds()
    mask = (torch.arange(400) < lengths).long()
    return {**made, "input_values": made["input_values"] * mask, "attention_mask": mask}


def dictated() -> dict[str, torch.Tensor]:
    """Spectrograms, and the tokens that are known of what is said in them."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(3, 60, (ROWS, 8), generator=generator)
    features = torch.randn(ROWS, 8, 60, generator=generator)
    return {"input_features": features, "decoder_input_ids": ids, "labels": ids.roll(-1, dims=1)}


VISION, LANGUAGE, SPEECH = "AutoModelForImageClassification", "AutoModelForSequenceClassification", "AutoModelForCTC"
WRITING = "AutoModelForCausalLM"
MASKS = "AutoModelForSemanticSegmentation"
UPERNET = {
    "model_type": "upernet",
    "backbone_config": {**RESNET, "out_features": ["stage1", "stage2", "stage3"]},
    "hidden_size": 32,
    "pool_scales": [1, 2],
    "use_auxiliary_head": False,
}
NETWORKS = {
    "bert": Network(from_config(LANGUAGE, BERT), texts, 3),
    "gpt2": Network(from_config(LANGUAGE, GPT2), texts, 3),
    "distilbert": Network(from_config(LANGUAGE, DISTILBERT), texts, 3),
    "roberta": Network(from_config(LANGUAGE, ROBERTA), texts, 3),
    "electra": Network(from_config(LANGUAGE, ELECTRA), texts, 3),
    "albert": Network(from_config(LANGUAGE, ALBERT), texts, 1),
    "llama": Network(from_config(LANGUAGE, LLAMA), texts, 3),
    "gpt2 that writes": Network(from_config(WRITING, GPT2), written, 3),  # its head is tied to its stem
    "llama that writes": Network(from_config(WRITING, LLAMA), written, 3),
    "vit": Network(from_config(VISION, VIT), images(1, 16, 2), 3),
    "resnet": Network(from_config(VISION, RESNET), images(1, 16, 2), 3),
    "convnext": Network(from_config(VISION, CONVNEXT), images(1, 32, 2), 3),
    "segformer": Network(from_config(MASKS, SEGFORMER, num_labels=3), scenes, 2),
    "upernet": Network(from_config(MASKS, UPERNET, num_labels=3), scenes, 3),
    "vgg": Network(from_timm("vgg11", mlp_ratio=0.01), images(3, 32, 4), 5),
    "inception": Network(from_timm("inception_v3"), images(3, 75, 4), 11),
    "timm resnet": Network(from_timm("test_resnet"), images(3, 32, 4), 4),
    "mobilenet": Network(from_timm("mobilenetv3_small_050"), images(3, 32, 4), 6),
    "efficientnet": Network(from_timm("test_efficientnet", drop_rate=0.2, drop_path_rate=0.2), images(3, 32, 4), 5),
    "timm vit": Network(from_timm("test_vit", img_size=32, drop_rate=0.2, drop_path_rate=0.2), images(3, 32, 4), 6),
    "wav2vec2": Network(from_config(SPEECH, WAV2VEC2), sounds, 3),
    "wav2vec2 with masks": Network(
        # 16 channels, so that a row fills whole vectors of the processor: what is left over is computed on another path
        from_config(SPEECH, WAV2VEC2, do_stable_layer_norm=True, feat_extract_norm="layer", conv_dim=[16, 16]),
        masked_sounds,
        3,
    ),
    "whisper": Network(from_config("AutoModelForSpeechSeq2Seq", WHISPER), dictated, 4),  # two layers on either side
}
