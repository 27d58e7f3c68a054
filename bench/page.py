"""docs/benchmarks.md and its pictures, from the results alone: python -m bench.page."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from bench import BENCHMARKS
from bench.plot import draw
from bench.results import RESULTS, Result, read
from bench.rows import ROOT
from bench.table import aim, figures, guard, pace, reading

PAGE, PICTURES = ROOT / "docs" / "benchmarks.md", "images/bench-{name}.png"
INTRODUCTION = """\
# Benchmarks

<!-- written by `make bench` from bench/results; do not edit -->

`make bench` runs every benchmark and writes `bench/results` and this page. To run one of them:

```sh
python -m bench input
```

Ours and a named peer do the same work on the same input in one run, and take turns; every second repeat runs backwards.
Each repeat gives one reading, of two times taken next to each other. Stated is the median of the repeats, in brackets
the smallest and the largest; what was too long to repeat says *once*. Seconds show the size of the work; those of
different runs are never compared.

A guard says what the reading would mean nothing without, and when one does not hold `make bench` fails. An aim that was
missed is shown like one that was reached: in the pictures green is reached, red is missed, grey has no aim, and the
black line is where ours and the peer are even.
"""


def write() -> None:
    """Write the page and a picture for each result."""
    results = find()
    for result in results:
        picture = PAGE.parent / PICTURES.format(name=result.name)
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(draw(result))
    PAGE.write_text(render(results))


def find(folder: Path = RESULTS) -> list[Result]:
    """Return the results that there are, in the order of the registry."""
    order = list(BENCHMARKS)
    results = [read(path) for path in folder.glob("*.json")]
    return sorted(results, key=lambda result: (order.index(result.benchmark), result.name))


def render(results: Iterable[Result]) -> str:
    """Return the page."""
    return "\n".join([INTRODUCTION, *(_section(result) for result in results)])


def _section(result: Result) -> str:
    where = "" if result.machine.gpu is None else f" on {result.machine.gpu}"
    shown = "readings with spread and aim" if result.comparisons else _shown(result)
    picture = f"![{result.title}: {shown}]({PICTURES.format(name=result.name)})"
    parts = [f"## {result.title}{where}", result.method, _circumstances(result), picture]
    if result.comparisons:
        parts += [_table(result), _notes(result)]
    for table in result.conclusion.tables:
        parts += [f"### {table.title}", table.note, _lay_out(table.columns, table.rows)]
    if result.conclusion.guards:
        parts.append("\n".join(f"- Guard: {guard(one)}." for one in result.conclusion.guards))
    return "\n\n".join(parts) + "\n"


def _shown(result: Result) -> str:
    return "intervals and truths" if result.conclusion.forest else "transfer, scratch and the trivial answer"


def _circumstances(result: Result) -> str:
    machine = result.machine
    place = f"{machine.cpu}, {machine.cores} cores, {machine.device}, torch {machine.torch}, Python {machine.python}"
    shared = f" Other work shared the machine (load {figures(machine.load)} before the start); the spread shows it."
    repeats = f", {result.repeats} repeats" if result.comparisons else ""
    return f"{result.date}{repeats}. {place}.{shared if machine.shared else ''}"


def _table(result: Result) -> str:
    columns = ("what", "ours", "peer", "ours against the peer", "guard", "aim")
    rows = []
    for measured in result.comparisons:
        for against in measured.against:
            cells = (
                measured.title,
                pace(measured, measured.seconds),
                f"{against.peer}: {pace(measured, against.seconds)}",
                f"**{reading(measured, against.reading)}** {measured.scale.words}",
                guard(measured.guard),
                aim(measured.scale, against),
            )
            rows.append(cells)
    return _lay_out(columns, rows)


def _lay_out(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _notes(result: Result) -> str:
    lines = []
    for measured in result.comparisons:
        notes = "".join(f" {name[:1].upper()}{name[1:]}: {found}." for name, found in measured.notes.items())
        lines.append(f"- {measured.title}: {measured.data}.{notes}")
    return "\n".join(lines)


if __name__ == "__main__":
    write()
