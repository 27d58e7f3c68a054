"""The documentation against the project: links, command lines, catalogue fragments, tables."""

import itertools
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest
import typer
from ruamel.yaml import YAML

from bench import __main__ as bench
from flows import cli
from graft import catalog, errors
from tests.docs.tables import MARKED, PAGES, ROOT, SECTIONS, TABLES, renewed

README = ROOT / "README.md"
EVERY = [README, *PAGES]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ASSIGNMENT = re.compile(r"[A-Z_0-9]+=")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
INLINE = re.compile(r"`((?:graft|make) [^`]+)`")
STAGE = re.compile(r"\b(?:check-source|check-target|pretrain|adapt|evaluate)@\w[\w-]*")


@dataclass(frozen=True)
class Snippet:
    page: Path
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}: {self.text.strip().splitlines()[0][:60]}"


def blocks(*languages: str) -> list[Snippet]:
    found = [(page, *block) for page in EVERY for block in BLOCK.findall(page.read_text())]
    return [Snippet(page, text) for page, language, text in found if language in languages]


def command_lines() -> list[Snippet]:
    lines = [
        (block.page, line.removeprefix("$ ")) for block in blocks("sh", "console") for line in block.text.splitlines()
    ]
    return [Snippet(page, line) for page, line in lines if line.strip() and not line.startswith("#")]


def inline_commands() -> list[Snippet]:
    found = [(page, text) for page in EVERY for text in INLINE.findall(BLOCK.sub("", page.read_text()))]
    return [Snippet(page, text) for page, text in found]


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", BLOCK.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def parse(words: list[str]) -> None:
    """Parse a `graft` command line to its end without running it; raises typer's UsageError."""
    command = typer.main.get_command(cli.app)
    rest = words[1:]
    while rest and rest[0] in getattr(command, "commands", {}):
        command, rest = command.commands[rest[0]], rest[1:]
    command.make_context(" ".join(words[: len(words) - len(rest)]), rest)


def catalogue() -> dict:
    return YAML(typ="safe").load((ROOT / "params.yaml").read_text())


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("page", EVERY, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    broken = []
    for link in LINK.findall(BLOCK.sub("", page.read_text())):
        path, _, anchor = link.partition("#")
        if path.startswith(("http://", "https://")):
            continue
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(link)
    assert not broken


def test_every_page_can_be_reached_from_the_readme():
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in LINK.findall(README.read_text())}
    assert not set(PAGES) - linked


@pytest.mark.parametrize("line", command_lines(), ids=str)
def test_every_command_line_is_one_that_can_be_typed(line):
    words = [*itertools.dropwhile(ASSIGNMENT.match, shlex.split(line.text, comments=True))]
    match words:
        case ["graft", *_]:
            parse(words)
        case ["make"]:
            pass
        case ["make", verb]:
            assert verb in make_targets()
        case ["python", "-m", "graft.steps", step, name]:
            from graft.steps.__main__ import STEPS

            assert step in STEPS
            assert name in {**catalogue()["sources"], **catalogue()["targets"]}
        case ["python", "-m", "tests.docs.tables" | "bench.page"]:
            pass
        case ["python", "-m", "bench", *arguments]:
            bench.parse(arguments)
        case ["prefect", "deployment", "run", name, *rest]:
            deployments = YAML(typ="safe").load((ROOT / "prefect.yaml").read_text())["deployments"]
            flows = {f"{entry['entrypoint'].split(':')[1]}/{entry['name']}": entry for entry in deployments}
            assert name in flows
            assert not rest or rest[0] == "-p"
        case ["prefect", "deploy", "--all"]:
            pass
        case ["prefect", "worker", "start", "--pool", pool, *_]:
            assert f"name: {pool}" in (ROOT / "prefect.yaml").read_text()
        case ["dvc", "repro" | "status" | "dag" | "metrics" | "params" | "push", *_]:
            pass
        case _:
            pytest.fail(f"a command that no test knows: {line.text}")


def test_a_command_line_that_cannot_be_typed_is_noticed():
    for wrong in ("graft run", "graft run digits --quick", "graft models promote digits@2", "graft up --port x"):
        with pytest.raises(Exception, match=r"Missing|No such option|valid integer"):
            parse(shlex.split(wrong))


@pytest.mark.parametrize("line", inline_commands(), ids=str)
def test_every_command_in_a_sentence_exists(line):
    program, *rest = shlex.split(line.text)
    if program == "make":
        assert rest[0] in make_targets()
        return
    command = typer.main.get_command(cli.app)
    while rest and rest[0] in getattr(command, "commands", {}):
        command, rest = command.commands[rest[0]], rest[1:]
    is_group = hasattr(command, "commands")
    assert not (is_group and rest), f"no command {rest[0]!r}" if rest else ""
    options = {name for parameter in command.params for name in parameter.opts}
    assert not [word for word in rest if word.startswith("--") and word not in options]


@pytest.mark.parametrize("page", EVERY, ids=lambda page: page.name)
def test_every_stage_that_is_named_exists(page):
    entries = catalogue()
    known = {f"{step}@{name}" for name in entries["sources"] for step in ("check-source", "pretrain")}
    known |= {f"{step}@{name}" for name in entries["targets"] for step in ("check-target", "adapt", "evaluate")}
    assert not set(STAGE.findall(page.read_text())) - known


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_every_fragment_of_the_catalogue_is_valid(block, tmp_path):
    entries, fragment = catalogue(), YAML(typ="safe").load(block.text)
    if set(fragment) <= {"sources", "targets"}:
        for kind, added in fragment.items():
            entries[kind] |= added
    else:
        assert set(fragment) <= set(catalog.Target.model_fields)
        entries["targets"]["digits"] |= fragment
    path = tmp_path / "params.yaml"
    YAML(typ="safe").dump(entries, path)
    catalog.load(path)


def test_the_pages_hold_fragments_of_every_kind():
    assert len(blocks("yaml")) >= 4
    assert len(command_lines()) >= 20
    assert not blocks("")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tables_are_those_of_the_code(page):
    assert page.read_text() == renewed(page.read_text()), "renew them: python -m tests.docs.tables"


def test_every_table_is_on_a_page():
    shown = [name for page in PAGES for name, _ in MARKED.findall(page.read_text())]
    assert sorted(shown) == sorted(TABLES)


def test_every_section_of_the_catalogue_has_a_table():
    abstract = {catalog.Section, catalog.Optimization, catalog.Catalog}
    models = {one for one in vars(catalog).values() if isinstance(one, type) and issubclass(one, catalog.Section)}
    assert {model.__name__ for model in models - abstract} == set(SECTIONS)


def test_every_exit_code_is_explained():
    raised = {one.exit_code for one in vars(errors).values() if isinstance(one, type) and hasattr(one, "exit_code")}
    explained = {int(code) for code in re.findall(r"^\| (\d+) \|", (ROOT / "docs/flows.md").read_text(), re.MULTILINE)}
    assert explained == raised | {0}


def test_every_gate_is_explained():
    from graft.registry.gates import evaluate

    asked = catalog.Gates(max_forgetting=0.1, max_ece=0.1, min_sensitivity=0.9)
    names = {result.gate for result in evaluate(asked, {}, None, 100, 0.95)}
    explained = set(re.findall(r"^\| `(\w+)` \| ", _part("docs/registry.md", "## Gates"), re.MULTILINE))
    assert explained == names


def test_every_event_is_explained():
    from graft.registry.events import Event

    kinds = {event.model_fields["kind"].default for event in get_args(Event)}
    assert set(re.findall(r"^\| `([\w-]+)` \| ", _part("docs/registry.md", "## Events"), re.MULTILINE)) == kinds


def test_the_two_commands_of_the_readme_run_what_they_say():
    first = BLOCK.findall(README.read_text())[0]
    assert first[1].split("\n")[:2] == ["make demo", "make test"]
    for verb, expected in (("demo", "graft run digits"), ("test", "python -m pytest -q -n 2 --dist loadfile")):
        # This test itself runs under `make test`: the outer make's word on directories must not reach the inner one.
        command = ["make", "--no-print-directory", "-n", verb]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        assert result.stdout.strip().endswith(expected)


def test_pictures_are_small():
    pictures = list((ROOT / "docs/images").glob("*.png"))
    assert pictures
    assert not [path.name for path in pictures if path.stat().st_size > 150_000]


def test_the_worker_image_and_ci_call_what_the_readme_calls():
    assert "make test" in (ROOT / ".ci/run").read_text().splitlines()


def _part(page: str, title: str) -> str:
    return (ROOT / page).read_text().split(f"{title}\n", 1)[1].split("\n## ", 1)[0]
