"""Kinds of input: how a cell of each is opened, told from others, and stored again. One line in `MEDIA` for each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from graft.errors import DataError
from graft.reading import images, masks, sounds
from graft.reading.cells import FILE, cell_bytes
from graft.reading.texts import hash_text

if TYPE_CHECKING:
    from graft.problems.problem import Modality


@dataclass(frozen=True)
class Medium:
    """One kind of input, for all that is not a matter of any one problem."""

    column: str
    """The canonical column of its cells."""
    noun: str
    """What one input is called in a message, with its article."""
    nouns: str
    """What several are called."""
    type: pa.DataType
    """Arrow type of its cells."""
    open: Callable[[Any], Any]
    """From a cell to the decoded input; raises DataError saying what is wrong with it."""
    identify: Callable[[Any], str]
    """From a decoded input to its sha256: what makes two inputs the same to a model, wherever they are stored."""
    suffixes: frozenset[str] = frozenset()
    """Names of files that are such an input end so; none where the cell is the input itself."""
    encode: Callable[[Any], bytes] | None = None
    """From a decoded input to the bytes of a file that loses nothing, which a package stores."""
    encoded: str = ""
    """The suffix of such a file."""
    begins: Callable[[bytes], bool] | None = None
    """Whether bytes begin as a file of a usual format does."""

    @property
    def in_files(self) -> bool:
        """Say whether each input is a file of its own, rather than the value of a cell."""
        return bool(self.suffixes)

    def is_file(self, path: Path) -> bool:
        """Say whether a name is that of such a file."""
        return path.suffix.lower() in self.suffixes and not path.name.startswith(".")

    def stored(self, cell: Any) -> bytes:
        """Return the sha256 of the stored input, without decoding it; raises OSError for a missing file."""
        return hashlib.sha256(cell_bytes(cell)).digest() if self.in_files else bytes.fromhex(self.identify(cell))

    def table(self, inputs: Sequence[Any]) -> pa.Table:
        """Return files, each as its bytes, or else the inputs themselves as a canonical table."""
        cells = [{"bytes": one, "path": None} for one in inputs] if self.in_files else list(inputs)
        return pa.table({self.column: pa.array(cells, self.type)})

    def of_each(self, cells: Iterable[Any], use: Callable[[Any], Any]) -> list[Any]:
        """Return what `use` makes of each decoded input; raises DataError listing every one that cannot be read."""
        made, problems = [], []
        for cell in cells:
            try:
                made.append(use(self.open(cell)))
            except DataError as error:
                problems.append(str(error))
        if problems:
            raise DataError(f"{len(problems)} {self.column}(s) cannot be read", problems, "Replace or remove them.")
        return made


MEDIA: Mapping[Modality, Medium] = {
    "image": Medium(
        column="image",
        noun="an image",
        nouns="images",
        type=FILE,
        open=images.open_image,
        identify=images.hash_image,
        suffixes=images.SUFFIXES,
        encode=images.encode_image,
        encoded=".png",
        begins=images.begins_as_image,
    ),
    "audio": Medium(
        column="audio",
        noun="a sound",
        nouns="sounds",
        type=FILE,
        open=sounds.open_clip,
        identify=sounds.hash_clip,
        suffixes=sounds.SUFFIXES,
        encode=sounds.encode_clip,
        encoded=".wav",
        begins=sounds.begins_as_sound,
    ),
    "text": Medium(column="text", noun="a text", nouns="texts", type=pa.string(), open=str, identify=hash_text),
}
MASKS = Medium(
    column="mask",
    noun="a mask",
    nouns="masks",
    type=FILE,
    open=masks.open_mask,
    identify=masks.hash_mask,
    suffixes=images.SUFFIXES,
    encode=masks.encode_mask,
    encoded=".png",
)
"""What an image may be answered with."""
FILES = {medium.column: medium for medium in (*MEDIA.values(), MASKS) if medium.in_files}
"""All whose cells are files, by their column."""
