"""The network and how any training goes; of a source its pretraining."""

from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from graft.catalog.section import Section, given_path


class Backbone(Section):
    """The network: new from a `config`, or an existing `checkpoint` (a local folder), or a `hub` id."""

    config: dict[str, Any] | None = None
    """A transformers configuration with its `model_type`, for random weights."""
    checkpoint: str | None = None
    """A local folder with `config.json` and `model.safetensors`."""
    hub: str | None = None
    """A hub id such as `google-bert/bert-base-uncased`."""
    revision: str | None = None
    """Revision of the hub id."""
    digest: str | None = None
    """sha256 of the checkpoint's weights: a changed file at the same path is then noticed."""

    _path = field_validator("checkpoint")(given_path)

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        given = [name for name in ("config", "checkpoint", "hub") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"exactly one of config, checkpoint, hub is needed, found {', '.join(given) or 'none'}")
        if self.config is not None and "model_type" not in self.config:
            raise ValueError("config needs a model_type, such as resnet or bert")
        if self.config is not None and not isinstance(self.config["model_type"], str):
            raise ValueError(f"model_type is a word, such as resnet or bert, not {self.config['model_type']!r}")
        return self


class Optimization(Section):
    """How any training run goes: AdamW, linear warmup, cosine decay, clipped gradients."""

    batch_size: int = Field(32, ge=1)
    """Rows per optimizer step."""
    weight_decay: float = Field(0.01, ge=0)
    """Decoupled weight decay, on trained matrices only."""
    warmup_share: float = Field(0.1, ge=0, lt=1)
    """Share of the steps over which the learning rate rises."""
    clip: float = Field(1.0, gt=0)
    """Largest gradient norm."""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """Probability mass spread over the other classes."""


class Pretraining(Optimization):
    """How the source is trained; zero epochs take a checkpoint as it is."""

    epochs: int = Field(10, ge=0)
    """Passes over the source's training rows at the most."""
    learning_rate: float = Field(1e-3, gt=0)
    """Peak learning rate."""
    patience: int = Field(3, ge=1)
    """Epochs without a better validation loss after which training ends."""
    seed: int = Field(0, ge=0, lt=2**32)
    """Seed of weights, order, masking and dropout."""
    image_size: int = Field(32, ge=4)
    """Side of the square that images are resized to, where the processor is made here."""
    max_tokens: int = Field(64, ge=4)
    """Tokens kept of a text; for text generation, tokens that a text is predicted in at once."""
    vocabulary_size: int = Field(4000, ge=100)
    """Entries of a tokenizer trained here."""
    sampling_rate: int | None = Field(None, ge=1000, le=96000)
    """Samples a second of audio, where the processor is made here; none: as most clips have, 16000 at most."""
    clip_seconds: float = Field(10.0, gt=0)
    """Seconds kept of a clip, where the processor is made here."""
    language: str | None = None
    """Language of the transcripts, such as `en`, for a Whisper that knows several; none: as its checkpoint says."""
