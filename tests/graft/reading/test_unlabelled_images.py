"""Images that nobody has labelled: folders of any depth, tables with labels or without."""

import pyarrow.parquet as pq
import pytest

from graft.catalog import Data
from graft.errors import DataError
from graft.problems import PROBLEMS
from graft.reading import read
from tests.graft.reading.conftest import png


@pytest.fixture
def bare():
    """Read a path as images without labels."""
    return lambda path, **options: read(Data(path=str(path), **options), PROBLEMS["masked-image-modelling"])


def test_a_flat_folder_is_read_and_divided(folder, bare):
    dataset = bare(folder(**{"": 20}))
    assert dataset.labels == ()
    assert {name: len(rows) for name, rows in dataset.splits.items()} == {"train": 16, "test": 4}
    assert dataset.splits["train"].column_names == ["image", "file", "row"]


def test_folders_of_any_depth_are_one_set(folder, bare):
    root = folder(a=6, b__c=6)
    (root / "beside.png").write_bytes(png(250))
    dataset = bare(root)
    files = [file for rows in dataset.splits.values() for file in rows["file"].to_pylist()]
    assert len(files) == 13
    assert {"a/0.png", "b/c/0.png", "beside.png"} <= {*files}


def test_a_note_beside_the_images_is_no_text(folder, bare, texts):
    root = folder(**{"": 10})
    (root / "LICENCE.txt").write_text("Do as you like.")
    assert sum(len(rows) for rows in bare(root).splits.values()) == 10


def test_a_picture_beside_texts_is_no_image(tmp_path):
    for number in range(6):
        (tmp_path / f"{number}.txt").write_text(f"Speech {number}.\n\nAnother one.")
    (tmp_path / "cover.png").write_bytes(png(1))
    dataset = read(Data(path=str(tmp_path)), PROBLEMS["masked-language-modelling"])
    assert sum(len(rows) for rows in dataset.splits.values()) == 12


def test_labels_of_a_table_are_not_looked_at(folder, bare, tmp_path):
    import pyarrow as pa

    cells = [{"bytes": png(shade), "path": None} for shade in range(20)]
    pq.write_table(pa.table({"image": cells, "label": [None] * 20}), tmp_path / "rows.parquet")
    assert sum(len(rows) for rows in bare(tmp_path / "rows.parquet").splits.values()) == 20


def test_a_classification_of_a_flat_folder_is_refused(folder, images):
    with pytest.raises(DataError, match="label"):
        images(folder(**{"": 5}))


def test_a_split_without_class_folders_beside_one_that_has_them_is_named(folder, images):
    root = folder(train__cat=2, train__dog=2, test=3)
    with pytest.raises(DataError, match="test: no class folders, so no labels; image-classification needs one folder"):
        images(root)


def test_every_image_in_no_class_folder_is_named(folder, images):
    root = folder(train__cat=2, train__dog=2, test__cat=2, test=3)
    with pytest.raises(DataError) as error:
        images(root)
    assert [*error.value.problems] == [f"test/{number}.png: lies in no class folder" for number in range(3)]
