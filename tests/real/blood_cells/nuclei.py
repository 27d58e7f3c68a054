"""Boxes around the nuclei of ../shared/data/nuclei, as COCO's files have them: a source for blood cells.

`python -m tests.real.blood_cells.nuclei FOLDER` writes them; images stay where they are.
"""

import csv
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import find_objects, label

NUCLEI = Path(__file__).parents[3] / "../shared/data/nuclei"
SMALLEST = 20  # pixels of a region: smaller ones are specks


def write_nuclei(folder: Path) -> None:
    """Write train.json, validation.json and test.json; each region of a mask is a nucleus, also where two touch."""
    folder.mkdir(parents=True, exist_ok=True)
    with (NUCLEI / "index.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    for split in ("train", "validation", "test"):
        images, annotations = [], []
        for row in (row for row in rows if row["split"] == split):
            images.append({"id": len(images) + 1, "file_name": os.path.relpath(NUCLEI / row["image"], folder)})
            for box in regions(np.asarray(Image.open(NUCLEI / row["mask"])) > 0):
                annotations.append({"id": len(annotations) + 1, "image_id": len(images), "category_id": 1, "bbox": box})
        found = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "nucleus"}]}
        (folder / f"{split}.json").write_text(json.dumps(found))


def regions(mask: np.ndarray) -> Iterator[list[int]]:
    """Yield left, top, width and height of every region."""
    numbered, _ = label(mask)
    for number, (down, across) in enumerate(find_objects(numbered), 1):
        if (numbered[down, across] == number).sum() >= SMALLEST:
            yield [across.start, down.start, across.stop - across.start, down.stop - down.start]


if __name__ == "__main__":
    write_nuclei(Path(sys.argv[1]))
