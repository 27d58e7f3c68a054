"""Build the bundled text example from the documentation strings of the running Python's standard library.

Source: unlabelled sentences of every module outside of the four areas, for masked language modelling; divided
by module. Target: which of four areas of the library a sentence comes from, with its module, so that a split by
module leaves none on both sides. A module's own name in a sentence becomes "this module", or the task would be
spelling. A sentence that occurs in two modules is dropped from the target, and from the source if the target
has it: the source's training text holds no row of the target.

    python data/pydocs.py

Modules are parsed, never imported. The bytes depend on Python and pyarrow alone. Python Software Foundation License.
"""

import ast
import hashlib
import re
import shutil
import sys
import sysconfig
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = Path("data/pydocs")
AREAS = {
    "code": "ast bdb code codeop compileall dis doctest imp importlib inspect modulefinder opcode pdb pkgutil"
    " py_compile pyclbr pydoc runpy symtable tabnanny token tokenize trace traceback unittest zipimport",
    "files": "aifc bz2 chunk configparser csv dbm filecmp fileinput fnmatch genericpath glob gzip json lzma ntpath"
    " pathlib pickle pickletools plistlib posixpath shelve shutil sndhdr sqlite3 stat sunau tarfile tempfile tomllib"
    " wave xdrlib zipapp zipfile",
    "network": "cgi ftplib http imaplib ipaddress mailbox mailcap mimetypes nntplib poplib smtpd smtplib socket"
    " socketserver ssl telnetlib urllib webbrowser wsgiref xmlrpc",
    "numbers": "_pydecimal _pydatetime _strptime bisect calendar colorsys datetime fractions heapq numbers random"
    " statistics zoneinfo",
}
"""Top-level modules of each area: tools for Python code, files and their formats, protocols, numbers and dates."""
AREA_OF = {module: area for area, modules in AREAS.items() for module in modules.split()}

SKIPPED = {"dist-packages", "ensurepip", "idlelib", "lib-dynload", "lib2to3", "pydoc_data", "site-packages", "test",
           "tests", "turtledemo"}  # fmt: skip
SOURCE_ROWS = 6000  # what a tiny BERT passes over in a few seconds on two cores
ROWS_PER_MODULE = 40  # so that no module is most of its area
WORDS = range(5, 41)
MINIMAL_LETTERS = 0.75  # below this share a "sentence" is a table, a signature or code
FEATURES = {"source": [("text", pa.string()), ("module", pa.string())],
            "target": [("text", pa.string()), ("label", pa.string()), ("module", pa.string())]}  # fmt: skip


@dataclass(frozen=True)
class Sentence:
    """A sentence, the top-level module that it belongs to, and the file it stands in."""

    text: str
    module: str
    file: str


def gather(library: Path) -> list[Sentence]:
    """Return the sentences of the library in the order of file and line, each once per module."""
    found: dict[tuple[str, str], Sentence] = {}
    for path in sorted(library.rglob("*.py"), key=lambda path: path.relative_to(library).as_posix()):
        file = path.relative_to(library)
        if SKIPPED & set(file.parts) or file.parts[0].startswith(("config-", "_sysconfigdata")):
            continue
        module = file.parts[0].removesuffix(".py")
        for docstring in _docstrings(path.read_bytes()):
            for text in _sentences(docstring):
                sentence = Sentence(_hide(text, module), module, file.as_posix())
                found.setdefault((sentence.text, module), sentence)
    return list(found.values())


def _docstrings(code: bytes) -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old modules have invalid escapes
        tree = ast.parse(code)
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    nodes = [node for node in ast.walk(tree) if isinstance(node, documented)]
    for node in sorted(nodes, key=lambda node: getattr(node, "lineno", 0)):
        if docstring := ast.get_docstring(node):
            yield docstring


def _sentences(docstring: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", docstring):
        if ">>>" in paragraph:
            continue
        for sentence in re.split(r"(?<=[.!?])\s+(?=[A-Z])", " ".join(paragraph.split())):
            letters = sum(character.isalpha() or character == " " for character in sentence)
            whole = sentence[:1].isupper() and sentence.endswith((".", "!", "?"))
            if whole and len(sentence.split()) in WORDS and letters >= MINIMAL_LETTERS * len(sentence):
                yield sentence


def _hide(text: str, module: str) -> str:
    name = re.sub(r"^_(py)?", "", module)
    return re.sub(rf"\b_?(py)?{re.escape(name)}\b(\.\w+)?", "this module", text, flags=re.IGNORECASE)


def choose_target(sentences: list[Sentence]) -> list[Sentence]:
    """Return the sentences of the four areas that no other module has, the first of each module."""
    modules = Counter(sentence.text for sentence in sentences)
    taken: Counter[str] = Counter()
    rows = []
    for sentence in sentences:
        alone = sentence.module in AREA_OF and modules[sentence.text] == 1
        if alone and taken[sentence.module] < ROWS_PER_MODULE:
            taken[sentence.module] += 1
            rows.append(sentence)
    return rows


def choose_source(sentences: list[Sentence]) -> dict[str, list[Sentence]]:
    """Return train, validation and test: sentences from outside of the areas, each once, divided by file."""
    targets = {sentence.text for sentence in sentences if sentence.module in AREA_OF}
    unique = {s.text: s for s in reversed(sentences) if s.module not in AREA_OF and s.text not in targets}
    parts: dict[str, list[Sentence]] = {"train": [], "validation": [], "test": []}
    for sentence in sorted(unique.values(), key=lambda s: _order(s.text))[:SOURCE_ROWS]:
        share = _order(sentence.file)[0] / 256
        parts["test" if share < 0.1 else "validation" if share < 0.2 else "train"].append(sentence)
    return parts


def _order(text: str) -> bytes:
    """Return a key that shuffles the same way on every machine."""
    return hashlib.sha256(text.encode()).digest()


def build(library: Path, folder: Path) -> dict[str, int]:
    """Write the parquet files below `folder` and return the rows of each."""
    sentences = gather(library)
    parts = {f"source/{name}": rows for name, rows in choose_source(sentences).items()}
    parts["target/sentences"] = choose_target(sentences)
    for name, rows in parts.items():
        cells = [{"text": row.text, "label": AREA_OF.get(row.module), "module": row.module} for row in rows]
        path = folder / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        schema = pa.schema(FEATURES[name.split("/")[0]])
        pq.write_table(pa.Table.from_pylist(cells, schema=schema), path, compression="none")
    return {name: len(rows) for name, rows in parts.items()}


def main() -> None:
    """Write `data/pydocs`, whole or not at all."""
    partial = FOLDER.with_name(f".{FOLDER.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    counts = build(Path(sysconfig.get_path("stdlib")), partial)
    shutil.rmtree(FOLDER, ignore_errors=True)
    partial.rename(FOLDER)
    print(", ".join(f"{name}: {count} rows" for name, count in counts.items()), file=sys.stderr)


if __name__ == "__main__":
    main()
