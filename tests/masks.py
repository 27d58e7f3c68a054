"""Pictures of bright discs on dark ground with the masks that say where, for tests of segmentation."""

import io

import numpy as np
import pyarrow as pa
from PIL import Image

SEGFORMER = {
    "model_type": "segformer", "num_channels": 1, "num_encoder_blocks": 3, "depths": [1, 1, 1],
    "hidden_sizes": [8, 12, 16], "num_attention_heads": [1, 2, 2], "sr_ratios": [2, 1, 1], "strides": [2, 2, 2],
    "patch_sizes": [3, 3, 3], "mlp_ratios": [2, 2, 2], "decoder_hidden_size": 16, "drop_path_rate": 0.0,
    "classifier_dropout_prob": 0.0,
}  # fmt: skip


def png(pixels):
    """Return uint8 pixels (height, width) as a PNG file."""
    stream = io.BytesIO()
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def discs(count, seed=0, side=16):
    """Yield pictures (side, side) of one bright disc each, and the masks of 0 and 1."""
    rng = np.random.default_rng(seed)
    across, down = np.meshgrid(np.arange(side), np.arange(side))
    for _ in range(count):
        x, y, radius = rng.integers(4, side - 4), rng.integers(4, side - 4), rng.integers(2, 5)
        mask = ((across - x) ** 2 + (down - y) ** 2 <= radius**2).astype(np.uint8)
        yield np.clip(60 + 120 * mask + rng.integers(-20, 21, mask.shape), 0, 255).astype(np.uint8), mask


def disc_table(count, seed=0):
    """Return `discs` as a table of bytes."""
    made = [*discs(count, seed)]
    return pa.table({name: [{"bytes": png(row[place]), "path": None} for row in made]
                     for place, name in enumerate(("image", "mask"))})  # fmt: skip


def write_discs(folder, count, seed=0, ones=1):
    """Write `discs` as images/ and masks/, in which a disc has the index `ones`."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number, (picture, mask) in enumerate(discs(count, seed)):
        (folder / "images" / f"{number:02}.png").write_bytes(png(picture))
        (folder / "masks" / f"{number:02}.png").write_bytes(png(mask * ones))
