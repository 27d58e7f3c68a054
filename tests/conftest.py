"""What several rooms test with: tiny networks of fixed weights, made in milliseconds."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the steps do: networks this small only wait
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import hypothesis
import numpy as np
import pyarrow as pa
import pytest

from graft.problems import PROBLEMS
from graft.problems.examples import Examples
from graft.settings import settings

hypothesis.settings.register_profile("graft", deadline=None)  # a busy machine is no fault of an example
hypothesis.settings.load_profile("graft")

RESNET = {
    "model_type": "resnet",
    "num_channels": 1,
    "embedding_size": 4,
    "hidden_sizes": [4, 6, 8],
    "depths": [1, 1, 1],
    "layer_type": "basic",
    "downsample_in_first_stage": False,
}
BERT = {
    "model_type": "bert",
    "hidden_size": 8,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "max_position_embeddings": 16,
    "vocab_size": 60,
}
SPEECH = {
    "model_type": "wav2vec2",
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "conv_dim": [8, 8],
    "conv_kernel": [20, 8],
    "conv_stride": [10, 8],
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
    "classifier_proj_size": 8,
}
AST = {
    "model_type": "audio-spectrogram-transformer",
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "num_mel_bins": 16,
    "max_length": 24,
    "patch_size": 8,
    "frequency_stride": 8,
    "time_stride": 8,
}


@pytest.fixture(autouse=True)
def _settings_are_read_anew():
    """A test that sets GRAFT_* sees it, and leaves nothing behind."""
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def image_processor():
    from transformers import ViTImageProcessorPil

    return ViTImageProcessorPil(size={"height": 16, "width": 16}, image_mean=[0.5], image_std=[0.25])


@pytest.fixture
def images():
    """33 grey pictures of three classes that differ in brightness, so that a tiny network can learn them."""
    rng = np.random.default_rng(0)
    labels = np.arange(33) % 3
    pixels = rng.integers(0, 60, (33, 1, 16, 16)) + 90 * labels[:, None, None, None]
    return Examples(list(pixels.astype(np.uint8)), labels)


@pytest.fixture(scope="session")
def tokenizer(sentences):
    from graft.catalog import Pretraining

    return PROBLEMS["text-classification"].make_processor(sentences, BERT, Pretraining(max_tokens=16))


@pytest.fixture(scope="session")
def sentences():
    """24 sentences of two classes that differ in one word, of 5 to 9 words."""
    texts = [f"the {'good' if n % 2 else 'bad'} film number {n} " + "was seen " * (n % 3) for n in range(24)]
    return pa.table({"text": texts, "label": pa.array([n % 2 for n in range(24)], pa.int64())})


@pytest.fixture(scope="session")
def server():
    """A Prefect server of the tests' own."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    with (
        prefect_test_harness(server_startup_timeout=120),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield
