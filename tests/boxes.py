"""Pictures of bright squares and discs with their boxes, for tests of detection."""

import io

import numpy as np
import pyarrow as pa
from PIL import Image

FCOS = {
    "model_type": "graft-fcos", "pyramid_channels": 16, "head_layers": 1,
    "backbone_config": {
        "model_type": "resnet", "num_channels": 3, "embedding_size": 8, "hidden_sizes": [8, 12, 16],
        "depths": [1, 1, 1], "layer_type": "basic", "out_features": ["stage1", "stage2", "stage3"],
    },
}  # fmt: skip
DETR = {
    "model_type": "detr", "d_model": 16, "encoder_layers": 1, "decoder_layers": 2, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "num_queries": 6,
    "backbone": None, "use_timm_backbone": False, "use_pretrained_backbone": False,
    "backbone_config": {
        "model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 12, 16], "depths": [1, 1, 1],
        "layer_type": "basic", "out_features": ["stage3"],
    },
}  # fmt: skip
YOLOS = {
    "model_type": "yolos", "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 16, "image_size": [64, 64], "patch_size": 8, "num_detection_tokens": 6,
}  # fmt: skip
SHAPES = ("disc", "square")


def png(pixels):
    """Return uint8 pixels (height, width, 3) as a PNG file."""
    stream = io.BytesIO()
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def scenes(count, seed=0, width=64, height=64):
    """Yield pictures of one to three yellow discs and blue squares, and what is where: (shape, left, top, side)."""
    rng = np.random.default_rng(seed)
    across, down = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    for _ in range(count):
        pixels = rng.integers(20, 60, (height, width, 3)).astype(float)
        objects = []
        for _ in range(rng.integers(1, 4)):
            shape, side = SHAPES[rng.integers(2)], int(rng.integers(12, 25))
            left, top = int(rng.integers(0, width - side)), int(rng.integers(0, height - side))
            dx, dy = across - left - side / 2, down - top - side / 2
            inside = dx**2 + dy**2 <= (side / 2) ** 2 if shape == "disc" else np.maximum(abs(dx), abs(dy)) <= side / 2
            pixels[inside] = (230, 200, 60) if shape == "disc" else (60, 120, 240)
            objects.append((shape, left, top, side))
        yield pixels.astype(np.uint8), objects


def scene_table(count, seed=0, **size):
    """Return `scenes` as a table of bytes and of objects as hub datasets have them."""
    made = [*scenes(count, seed, **size)]
    images = [{"bytes": png(pixels), "path": None} for pixels, _ in made]
    objects = [[{"bbox": [float(left), float(top), float(side), float(side)], "category": shape}
                for shape, left, top, side in each] for _, each in made]  # fmt: skip
    return pa.table({"image": images, "objects": objects})
