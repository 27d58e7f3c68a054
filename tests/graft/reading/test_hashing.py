import io

import pyarrow as pa
import pytest
from PIL import Image

from graft.errors import DataError
from graft.problems import PROBLEMS
from graft.reading import hash_image, hash_text, open_image, row_hashes
from graft.reading.cells import FILE
from tests.graft.reading.conftest import png


def test_composition_and_surrounding_space_do_not_make_another_text():
    assert hash_text("café") == hash_text(" cafe\u0301\n")
    assert hash_text("café") != hash_text("cafe")


def test_the_file_format_does_not_make_another_image_but_a_pixel_does():
    image = Image.new("L", (4, 4), 7)
    stream = io.BytesIO()
    image.save(stream, format="BMP")
    assert hash_image(open_image({"bytes": stream.getvalue(), "path": None})) == hash_image(image)
    assert hash_image(image.convert("RGB")) == hash_image(image)
    image.putpixel((0, 0), 8)
    assert hash_image(image) != hash_image(Image.new("L", (4, 4), 7))


def test_size_counts_where_the_pixels_are_the_same_bytes():
    assert hash_image(Image.new("L", (2, 8))) != hash_image(Image.new("L", (8, 2)))


def test_all_sixteen_bits_count():
    assert hash_image(Image.new("I;16", (4, 4), 256)) != hash_image(Image.new("I;16", (4, 4), 257))


def test_every_corrupt_image_is_listed():
    cells = [
        {"bytes": png(1), "path": "good.png"},
        {"bytes": b"nonsense", "path": "a.png"},
        {"bytes": png(2)[:40], "path": "b.png"},
        {"bytes": b"", "path": "c.png"},
    ]
    with pytest.raises(DataError) as error:
        row_hashes(pa.table({"image": pa.array(cells, type=FILE)}), PROBLEMS["image-classification"])
    assert [problem[:6] for problem in error.value.problems] == ["a.png:", "b.png:", "c.png:"]
    assert "no known image format" in error.value.problems[0]
