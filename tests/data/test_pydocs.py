"""The builder on a small library made here: the running Python's own takes seconds to parse."""

import importlib.util
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

SCRIPT = Path(__file__).parents[2] / "data" / "pydocs.py"
LIBRARY = {
    "json/__init__.py": "Read what json has written to a file before.",
    "gzip.py": "Compress the bytes of a stream with the gzip method.",
    "socket.py": "Send every byte to the other side of a Socket.error here.\n\n"
    "This very sentence stands in two modules.",
    "ast.py": "This very sentence stands in two modules.",
    "random.py": "Draw a number between the two given ends.\n\n>>> Not a sentence because it is an example.",
    "queue.py": "Wait until another thread puts an item here.\n\n"
    "Compress the bytes of a stream with this module method.",
    "tkinter/ttk.py": "Short one.\n\nlower case is not the beginning of a sentence.",
    "test/test_json.py": "This sentence of a test package is left out.",
    "site-packages/numpy.py": "This sentence of an installed package is left out.",
}


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("build_pydocs", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["build_pydocs"] = module  # its dataclass looks itself up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["build_pydocs"]


@pytest.fixture
def library(tmp_path):
    for name, text in LIBRARY.items():
        path = tmp_path / "library" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'"""{text}"""\nraise RuntimeError("imported")\n')
    return tmp_path / "library"


def rows(folder, name):
    return pq.read_table(folder / f"{name}.parquet").to_pylist()


def test_target_rows_are_of_one_module_each_and_do_not_name_it(script, library, tmp_path):
    script.build(library, tmp_path)
    assert rows(tmp_path, "target/sentences") == [
        {"text": "Compress the bytes of a stream with the this module method.", "label": "files", "module": "gzip"},
        {"text": "Read what this module has written to a file before.", "label": "files", "module": "json"},
        {"text": "Draw a number between the two given ends.", "label": "numbers", "module": "random"},
        {"text": "Send every byte to the other side of a this module here.", "label": "network", "module": "socket"},
    ]


def test_the_source_has_no_sentence_of_the_target_and_no_foreign_module(script, library, tmp_path):
    script.build(library, tmp_path)
    source = [row["text"] for part in ("train", "validation", "test") for row in rows(tmp_path, f"source/{part}")]
    assert sorted(source) == [
        "Compress the bytes of a stream with this module method.",
        "Wait until another thread puts an item here.",
    ]
    assert not set(source) & {row["text"] for row in rows(tmp_path, "target/sentences")}


def test_a_sentence_that_an_area_also_has_leaves_the_source(script, library, tmp_path):
    (library / "queue.py").write_text('"""Draw a number between the two given ends."""')
    script.build(library, tmp_path)
    assert not [row for part in ("train", "validation", "test") for row in rows(tmp_path, f"source/{part}")]


def test_the_same_bytes_wherever_the_library_lies(script, library, tmp_path):
    script.build(library, tmp_path / "one")
    library.rename(tmp_path / "elsewhere")
    script.build(tmp_path / "elsewhere", tmp_path / "two")
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.parquet")]
    assert len(files) == 4
    assert all((tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes() for file in files)


def test_no_module_is_in_two_areas(script):
    modules = [module for names in script.AREAS.values() for module in names.split()]
    assert len(script.AREAS) == 4
    assert len(modules) == len(set(modules))
