"""What turns inputs into what a network reads: image processors, tokenizers, feature extractors, from a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.errors import CheckpointError

if TYPE_CHECKING:
    from graft.problems import Problem
    from graft.problems.problem import Modality

PROCESSORS: dict[Modality, tuple[str, dict[str, Any]]] = {
    # torchvision and PIL resize differently, and serving must see training's pixels
    "image": ("AutoImageProcessor", {"backend": "pil"}),
    "text": ("AutoTokenizer", {"trust_remote_code": False}),
    "audio": ("AutoFeatureExtractor", {"trust_remote_code": False}),
}
"""The transformers class that loads the processor of each kind of input, and how."""


def load_processor(folder: Path, problem: Problem) -> Any:
    """Return the image processor, tokenizer or feature extractor of a folder."""
    import transformers

    kind, options = PROCESSORS[problem.modality]
    if problem.auto_processor is not None and (folder / "tokenizer_config.json").is_file():
        kind = problem.auto_processor
    try:
        return getattr(transformers, kind).from_pretrained(folder, local_files_only=True, **options)
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{folder}: holds no processor for {problem.modality}", [" ".join(str(error).split())[:300]]
        ) from error
