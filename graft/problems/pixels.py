"""What an image processor does, in two parts: pixels of 8 bits now, numbers when a batch is made.

Resized and cropped pixels are kept as bytes, a quarter of the memory of what the network reads. That is right only for
a processor which resizes, crops, rescales and normalises and does nothing else; `require_plain` finds out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graft.errors import CheckpointError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch
    from PIL.Image import Image

    from graft.catalog import Pretraining

PROBES = ((37, 23), (16, 41))  # width and height: odd, and of different shapes
FITTED = 2000  # rows that the mean and deviation of pixels are taken from
AT_ONCE = 256  # images that a processor is given together
NEARLY = 1e-5  # of a normalised value: what float32 and float64 differ by
TO_NUMBERS = ("ToTensor", "MaybeToTensor")  # where timm's transforms leave the pixels behind
ADVICE = (
    "Expected a processor that resizes to one size, crops, rescales and normalises. Put a preprocessor_config.json of "
    "`image_processor_type: ViTImageProcessor` with size, image_mean and image_std into a copy of the folder, and "
    "write `checkpoint: FOLDER`."
)


def count_channels(config: Mapping[str, Any]) -> int:
    """Return how many channels a network of this configuration reads; timm's own word for it is `in_chans`."""
    return int((config.get("model_args") or {}).get("in_chans", config.get("num_channels", 3)))


def fit_processor(table: pa.Table, config: Mapping[str, Any], recipe: Pretraining) -> Any:
    """Return an image processor that resizes and normalises by the training pixels' mean and deviation."""
    import numpy as np
    from transformers import ViTImageProcessorPil

    channels = count_channels(config)
    size = {"height": recipe.image_size, "width": recipe.image_size}
    raw = ViTImageProcessorPil(size=size, image_mean=[0.0] * channels, image_std=[1.0] * channels)
    pixels = np.asarray(read_pixels(table.slice(0, FITTED), raw), dtype=np.float64) / 255
    return ViTImageProcessorPil(
        size=size,
        image_mean=[round(float(mean), 6) for mean in pixels.mean(axis=(0, 2, 3))],
        image_std=[round(max(float(spread), 1e-3), 6) for spread in pixels.std(axis=(0, 2, 3))],
    )


def read_pixels(table: pa.Table, processor: Any) -> Sequence[np.ndarray] | np.ndarray:
    """Return uint8 pixels (rows, channels, height, width) of a canonical table's images, normalised later.

    Raises CheckpointError for a processor that cannot be divided so.
    """
    import numpy as np

    from graft.reading import open_image

    require_plain(processor)
    cells = table["image"].to_pylist()
    chunks = (cells[start : start + AT_ONCE] for start in range(0, len(cells), AT_ONCE))
    pixels = [resize([open_image(cell) for cell in chunk], processor) for chunk in chunks]
    return np.concatenate(pixels) if pixels else []


def resize_mask(mask: Image, processor: Any) -> np.ndarray:
    """Return indices, uint8 (height, width), resized by nearest neighbour and cropped as the processor does images.

    Raises CheckpointError for the processor of a timm checkpoint, whose filters are fixed.
    """
    import numpy as np
    from PIL import Image as Images

    if _timm_steps(processor) is not None:
        raise CheckpointError("the image processor of a timm checkpoint resizes no masks", [], ADVICE)
    options = {"do_rescale": False, "do_normalize": False, "do_convert_rgb": False, "return_tensors": "np"}
    found = processor(mask, resample=Images.Resampling.NEAREST, **options)["pixel_values"]
    return np.asarray(found[0, 0], dtype=np.uint8)


def resize(images: Sequence[Image], processor: Any) -> np.ndarray:
    """Return uint8 pixels (rows, channels, height, width) of images, resized and cropped as the processor does."""
    import numpy as np

    from graft.reading import convert_image

    mode = _mode(processor)
    made = [convert_image(image, mode) for image in images]
    if (steps := _timm_steps(processor)) is not None:
        for step in steps:
            made = [step(image) for image in made]
        arrays = [np.asarray(image) for image in made]
        return np.stack([array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0) for array in arrays])
    found: np.ndarray = processor(made, do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"]
    return found


def normalise(pixels: torch.Tensor, processor: Any) -> torch.Tensor:
    """Return float32 pixels (rows, channels, height, width) rescaled and normalised, in place."""
    import torch

    factor, mean, spread = _scaling(processor)
    if factor is not None:
        pixels *= factor
    if spread is not None:
        centre, width = (torch.tensor(value)[:, None, None] for value in (mean, spread))
        pixels -= centre  # in place: for photographs the time is that of passing over memory
        pixels /= width
    return pixels


def require_plain(processor: Any) -> None:
    """Raise CheckpointError for a processor whose two parts do not give what it gives itself."""
    import numpy as np
    import torch
    from PIL import Image

    from graft.reading import convert_image

    random, kind = np.random.default_rng(0), type(processor).__name__.removesuffix("Pil")
    probes = [Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8)) for width, height in PROBES]
    try:
        probes = [convert_image(probe, _mode(processor)) for probe in probes]
        own = [processor(probe, return_tensors="pt")["pixel_values"] for probe in probes]
        parts = [normalise(torch.from_numpy(resize([probe], processor)).float(), processor) for probe in probes]
    except (ValueError, TypeError, RuntimeError, KeyError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"the image processor {kind} cannot be used", [reason], ADVICE) from error
    if own[0].shape != own[1].shape:
        sizes = " and ".join(f"{one.shape[-1]}x{one.shape[-2]}" for one in own)
        raise CheckpointError(
            f"the image processor {kind} gives images of different sizes",
            [f"images of {' and '.join(f'{w}x{h}' for w, h in PROBES)} pixels come out as {sizes}"],
            ADVICE,
        )
    if any(
        a.shape != b.shape or not torch.allclose(a.float(), b, atol=NEARLY) for a, b in zip(own, parts, strict=True)
    ):
        raise CheckpointError(
            f"the image processor {kind} does more than resize, crop, rescale and normalise",
            ["what it gives itself and what its parts give are different numbers"],
            ADVICE,
        )


def _mode(processor: Any) -> str:
    return "L" if len(_scaling(processor)[1]) == 1 else "RGB"


def _scaling(processor: Any) -> tuple[float | None, Sequence[float], Sequence[float] | None]:
    """Return factor, mean and deviation per channel; None for a step that a processor leaves out."""
    if _timm_steps(processor) is not None:
        return 1 / 255, processor.data_config["mean"], processor.data_config["std"]
    factor = processor.rescale_factor if processor.do_rescale else None
    return factor, processor.image_mean, processor.image_std if processor.do_normalize else None


def _timm_steps(processor: Any) -> list[Any] | None:
    """Return what a timm checkpoint's processor does to an image before it makes numbers of it; None for others.

    These transforms work on Pillow's images with Pillow's own filters, so there is no backend to be pinned.
    """
    transforms = getattr(getattr(processor, "val_transforms", None), "transforms", None)
    if transforms is None:
        return None
    names = [type(step).__name__ for step in transforms]
    return list(transforms[: next(i for i, name in enumerate(names) if name in TO_NUMBERS)])


def square(processor: Any) -> Any:
    """Return an image processor that brings images to one square and neither crops nor pads: itself, if it is one.

    Otherwise another with its mean, its deviation and its side, which for one that keeps the shape of an image is what
    the shorter side becomes.
    """
    from transformers import ViTImageProcessorPil

    if isinstance(processor, ViTImageProcessorPil) and {*dict(processor.size)} == {"height", "width"}:
        return processor
    factor, mean, spread = _scaling(processor)
    if _timm_steps(processor) is not None:
        side = int(processor.data_config["input_size"][-1])
    else:
        given = dict(processor.size)
        side = int(given.get("height") or given.get("shortest_edge") or given["longest_edge"])
    return ViTImageProcessorPil(
        size={"height": side, "width": side}, image_mean=list(mean), image_std=list(spread or [1.0] * len(mean)),
        do_normalize=spread is not None, do_rescale=factor is not None,
        rescale_factor=factor if factor is not None else 1 / 255,
    )  # fmt: skip


def image_size(cell: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return width and height of an image as it is held upright, from its header; None where it has none.

    What is wrong with the image itself the checks say.
    """
    import io

    from PIL import Image

    from graft.reading.cells import cell_bytes

    try:
        with Image.open(io.BytesIO(cell_bytes(cell))) as image:
            turned = image.getexif().get(0x0112, 1) >= 5  # EXIF's orientation: a quarter turn
            return (image.height, image.width) if turned else (image.width, image.height)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
