"""Drawn faces, no one's: a person is the shape of a head with eyes, brows, nose and mouth, a picture a change of it."""

import io

import numpy as np
import pyarrow as pa
from PIL import Image, ImageDraw

SIDE = 24
LARGE = 8  # drawn so many times larger, and then made small: soft edges


def draw_face(person, rng, side=SIDE):
    """Return a picture (side, side), grey, of a person: seven numbers from 0 to 1."""
    unit = side * LARGE / 100
    image = Image.new("L", (side * LARGE, side * LARGE), int(150 + 40 * rng.random()))
    pen = ImageDraw.Draw(image)
    x, y = 50 + 4 * rng.standard_normal(2)
    wide, tall, apart, eye, brow, nose, mouth = person
    skin = int(205 + 40 * rng.random())

    def place(left, top, right, bottom):
        return [unit * (x + left), unit * (y + top), unit * (x + right), unit * (y + bottom)]

    w, h, gap, size = 20 + 18 * wide, 28 + 16 * tall, 7 + 12 * apart, 2 + 4 * eye
    pen.ellipse(place(-w, -h, w, h), fill=skin, outline=60, width=int(2 * unit))
    for side_of in (-1, 1):
        middle = side_of * gap
        pen.ellipse(place(middle - size, -10 - size, middle + size, -10 + size), fill=30)
        slant = (brow - 0.5) * 14 * side_of
        line = place(middle - 6, -20 + slant / 2, middle + 6, -20 - slant / 2)
        pen.line(line, fill=40, width=int((2 + 3 * brow) * unit))
    pen.line(place(0, -4, 3, 2 + 12 * nose), fill=110, width=int(2 * unit))
    smile = 3 + 2 * rng.standard_normal()
    half = 5 + 12 * mouth
    pen.arc(place(-half, 14 - abs(smile), half, 20 + abs(smile)), 0, 180, fill=50, width=int(3 * unit))
    image = image.rotate(5 * rng.standard_normal(), fillcolor=170).resize((side, side), Image.Resampling.BOX)
    pixels = np.asarray(image, dtype=np.float64) + rng.normal(0, 5, (side, side))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def png(pixels):
    """Return uint8 pixels (height, width) as a PNG file."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def face_rows(people, each, seed=0, first=0, side=SIDE):
    """Return rows of `each` pictures of so many people, named p0 and so on from `first`."""
    rng = np.random.default_rng(seed)
    persons = [rng.random(7) for _ in range(people)]
    return [
        {"image": {"bytes": png(draw_face(person, rng, side)), "path": None}, "identity": f"p{first + number:02}"}
        for number, person in enumerate(persons)
        for _ in range(each)
    ]


def face_table(people, each, seed=0, first=0, side=SIDE):
    """Return `face_rows` as a table."""
    return pa.Table.from_pylist(face_rows(people, each, seed, first, side))


def write_faces(folder, people=8, each=4, tested=4, seed=0):
    """Write train.parquet and test.parquet, of other people."""
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(face_table(people, each, seed), folder / "train.parquet")
    pq.write_table(face_table(tested, each, seed + 1, people), folder / "test.parquet")
