"""compose.yaml against itself, and against what it says of us."""

import re
import shlex
from pathlib import Path

import pytest
import typer
from ruamel.yaml import YAML

from flows import cli
from graft.settings import Settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "compose.yaml").read_text()
STACK = YAML(typ="safe").load(TEXT)


def test_every_variable_is_in_the_example_or_has_a_default():
    wanted = set(re.findall(r"\$\{(\w+)(?::\?[^}]*)?\}", TEXT))
    example = set(re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert wanted == example


def test_every_service_and_volume_that_is_named_is_there():
    services, volumes = STACK["services"], STACK["volumes"]
    for name, service in services.items():
        assert set(service.get("depends_on", ())) <= services.keys(), name
        assert {volume.split(":")[0] for volume in service.get("volumes", ())} <= volumes.keys(), name


def test_every_setting_of_ours_is_one():
    named = set(re.findall(r"^ +GRAFT_(\w+):", TEXT, re.MULTILINE))
    assert {name.lower() for name in named} <= Settings.model_fields.keys()


def test_every_setting_of_prefects_is_one():
    from prefect.settings import Settings as Theirs

    named = set(re.findall(r"^ +(PREFECT_\w+):", TEXT, re.MULTILINE))
    assert len(named) > 8
    for name in named:
        assert setting(Theirs(), name) is not None, name


def setting(settings, variable):
    """Return the field that a variable of the environment sets, by the longest names that fit; None for none."""
    words = variable.removeprefix("PREFECT_").lower()
    found = type(settings)
    while words:
        fields = sorted((name for name in found.model_fields if words.startswith(name)), key=len, reverse=True)
        if not fields:
            return None
        field, words = found.model_fields[fields[0]], words.removeprefix(fields[0]).removeprefix("_")
        if words and not hasattr(field.annotation, "model_fields"):
            return None
        found = field.annotation
    return found


@pytest.mark.parametrize("name", STACK["services"])
def test_no_container_of_ours_runs_with_more_than_it_needs(name):
    service = STACK["services"][name]
    if service["image"].startswith("${GRAFT_IMAGE") and name != "server":
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
    for port in service.get("ports", ()):
        assert port.startswith("127.0.0.1:")


def test_our_command_can_be_typed():
    words = STACK["services"]["deploy"]["command"]
    command = typer.main.get_command(cli.app).commands[words[1]]
    assert command.make_context(shlex.join(words[:2]), words[2:]).params["pool_type"] == "process"
