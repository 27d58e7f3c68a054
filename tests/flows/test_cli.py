import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from flows import cli
from flows.terminal import complain
from graft.errors import BadInput, GraftError, Interrupted, Transient

COMMANDS = [["run"], ["retrain"], ["layers"], ["predict"], ["up"], ["new", "target"], ["new", "source"], ["models"]]
COMMANDS += [["doctor"], ["deploy"], ["remote", "add"], ["remote", "check"]]
COMMANDS += [
    ["rank"],
    ["watch"],
    ["emit"],
    ["promote"],
    ["serve"],
    *(["models", name] for name in ("show", "promote", "rollback", "history", "verify")),
]
COMMANDS += [["models", name] for name in ("push", "export", "tag")]


def test_help_is_quick_because_nothing_heavy_is_imported():
    heavy = {"torch", "prefect", "dvc", "transformers", "great_expectations", "matplotlib", "pydantic", "rich"}
    program = f"import sys, flows.cli; print(sorted(set(sys.modules) & {heavy!r}))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_help_shows_an_example(command):
    result = CliRunner().invoke(cli.app, [*command, "--help"])
    assert result.exit_code == 0
    assert "Example" in result.output
    assert f"graft {command[0]}" in result.output


def test_an_unknown_target_is_one_message_and_exit_code_two(capfd):
    started = time.monotonic()
    result = subprocess.run(
        [sys.executable, "-m", "flows.cli", "run", "digitss"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert result.stderr == "error: params.yaml: no target 'digitss'; did you mean 'digits'?\n"
    assert result.stdout == ""
    assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    ("error", "code"), [(BadInput("x"), 2), (Interrupted("x"), 75), (Transient("x"), 74), (GraftError("x"), 1)]
)
def test_exit_codes_tell_bad_input_from_an_interruption_and_from_a_fault(error, code, monkeypatch, capsys):
    def fail():
        raise error

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == code
    assert capsys.readouterr().err == "error: x\n"


@pytest.mark.parametrize("name", ["file/place", "n" * 300])
def test_a_path_that_the_system_refuses_is_one_message_and_no_bug(name, monkeypatch, capsys, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setattr(cli, "app", lambda: (tmp_path / name).mkdir())
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    first, advice = capsys.readouterr().err.splitlines()
    assert first.startswith(f"error: {tmp_path / name}: ")
    assert "ls -ld" in advice


def test_a_bug_keeps_its_traceback(monkeypatch):
    def fail():
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(ZeroDivisionError):
        cli.main()


def test_an_error_lists_every_problem(capsys):
    complain(BadInput("data.csv: 2 problems", ["row 1: empty", "row 2: empty"], "Remove them."))
    assert capsys.readouterr().err == "error: data.csv: 2 problems\n  - row 1: empty\n  - row 2: empty\nRemove them.\n"
