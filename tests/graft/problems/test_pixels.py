"""The pixels a network sees are those that the checkpoint's own processor would give, whatever the image is."""

import io

import numpy as np
import pyarrow as pa
import pytest
import torch
import transformers
from PIL import Image
from transformers.models.timm_wrapper.image_processing_timm_wrapper import TimmWrapperImageProcessor

from graft.errors import CheckpointError
from graft.problems import PROBLEMS
from graft.problems.pixels import count_channels, require_plain, resize
from graft.reading import convert_image, open_image
from graft.training.batches import generator

IMAGES = PROBLEMS["image-classification"]
SHAPES = [(1, 1), (1, 9), (3, 3), (17, 3), (37, 23), (40, 41), (300, 201)]


def timm_processor(**more):
    config = {"input_size": [3, 32, 32], "interpolation": "bicubic", "crop_pct": 0.875, "crop_mode": "center"}
    return TimmWrapperImageProcessor({**config, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], **more})


PROCESSORS = {
    "vit": lambda: transformers.ViTImageProcessorPil(size={"height": 32, "width": 24}),
    "convnext, resnet-50": lambda: transformers.ConvNextImageProcessorPil(size={"shortest_edge": 32}, crop_pct=0.875),
    "convnext of 384": lambda: transformers.ConvNextImageProcessorPil(size={"shortest_edge": 384}),
    "bit": lambda: transformers.BitImageProcessorPil(size={"shortest_edge": 36}, crop_size={"height": 32, "width": 32}),
    "timm": timm_processor,
    "timm, odd crop": lambda: timm_processor(input_size=[3, 31, 31], crop_pct=0.9),
    "timm, squashed": lambda: timm_processor(crop_mode="squash"),
}


def noise(size, channels=3):
    shape = (size[1], size[0], channels) if channels > 1 else (size[1], size[0])
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


def cell(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return {"bytes": stream.getvalue(), "path": None}


def rotated(size):
    exif = Image.Exif()
    exif[0x0112] = 6  # held upright, stored on its side
    return cell(noise(size), "JPEG", exif=exif)


def seen(cells, processor):
    """Return what a network would be given."""
    table = pa.table({"image": cells})
    return IMAGES.collate(IMAGES.encode(table, processor), range(len(cells)), processor, generator(0), False)[
        "pixel_values"
    ]


@pytest.mark.parametrize("kind", PROCESSORS)
@pytest.mark.parametrize("size", SHAPES)
def test_a_network_sees_the_pixels_of_the_processor_alone_at_any_size(kind, size):
    processor, image = PROCESSORS[kind](), noise(size)
    expected = processor(image, return_tensors="pt")["pixel_values"]
    found = seen([cell(image)], processor)
    assert found.shape == expected.shape
    assert torch.allclose(found, expected.float(), rtol=0, atol=2e-6)


MODES = {
    "RGB": lambda: cell(noise((21, 13))),
    "grey": lambda: cell(noise((21, 13), 1)),
    "black and white": lambda: cell(noise((21, 13), 1).convert("1")),
    "palette": lambda: cell(noise((21, 13)).convert("P")),
    "palette with a transparent colour": lambda: cell(noise((21, 13)).convert("P"), transparency=bytes([0, 128])),
    "transparent": lambda: cell(noise((21, 13), 4)),
    "grey and transparent": lambda: cell(noise((21, 13), 1).convert("LA")),
    "CMYK": lambda: cell(noise((21, 13)).convert("CMYK"), "JPEG"),
    "16 bits": lambda: cell(Image.fromarray(np.linspace(0, 65535, 273).reshape(13, 21).astype(np.uint16))),
    "held on its side": lambda: rotated((21, 13)),
}


@pytest.mark.parametrize("kind", ["vit", "convnext, resnet-50", "timm"])
@pytest.mark.parametrize("mode", MODES)
def test_a_network_sees_the_pixels_of_the_processor_alone_in_any_mode(kind, mode):
    processor, made = PROCESSORS[kind](), MODES[mode]()
    image = convert_image(open_image(made), "RGB")
    expected = processor(image, return_tensors="pt")["pixel_values"]
    assert torch.allclose(seen([made], processor), expected.float(), rtol=0, atol=2e-6)


def test_pixels_of_a_processor_without_normalisation_are_equal_to_the_bit():
    for processor in (PROCESSORS["vit"](), PROCESSORS["bit"]()):
        image = noise((37, 23))
        alone = processor(image, do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"]
        assert np.array_equal(resize([image], processor), alone)


def test_sixteen_bits_are_scaled_not_clipped():
    deep = open_image(MODES["16 bits"]())
    grey = np.asarray(convert_image(deep, "L"))
    assert (grey.min(), grey.max()) == (0, 255)
    assert abs(float(grey.mean()) - 127.5) < 1
    wide = np.array([[0, 257, 65535]], dtype=np.uint16)
    assert np.asarray(convert_image(Image.fromarray(wide), "L")).tolist() == [[0, 1, 255]]


def test_a_picture_held_on_its_side_is_seen_upright():
    assert open_image(rotated((21, 13))).size == (13, 21)


def test_a_grey_processor_makes_colour_grey():
    processor = transformers.ViTImageProcessorPil(size={"height": 16, "width": 16}, image_mean=[0.5], image_std=[0.5])
    assert seen([cell(noise((9, 7)))], processor).shape == (1, 1, 16, 16)


def test_a_processor_that_keeps_the_shape_of_an_image_is_refused():
    processor = transformers.CLIPImageProcessorPil(size={"shortest_edge": 32}, do_center_crop=False)
    with pytest.raises(CheckpointError, match="images of different sizes") as raised:
        require_plain(processor)
    assert "37x23" in str(raised.value)
    assert "preprocessor_config.json" in str(raised.value)


def test_a_processor_that_does_something_else_to_the_numbers_is_refused():
    class Inverting(transformers.ViTImageProcessorPil):
        def normalize(self, image, mean, std, **options):
            return -super().normalize(image, mean, std, **options)

    with pytest.raises(CheckpointError, match="Inverting does more than resize, crop, rescale and normalise"):
        require_plain(Inverting())


def test_channels_are_counted_in_the_words_of_either_library():
    assert count_channels({"model_type": "vit"}) == 3
    assert count_channels({"model_type": "vit", "num_channels": 1}) == 1
    assert count_channels({"model_type": "timm_wrapper", "model_args": {"in_chans": 1}}) == 1
    assert count_channels({"model_type": "timm_wrapper", "model_args": None}) == 3
