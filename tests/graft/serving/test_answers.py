"""A served model says what `graft predict --json` says, and tells what it is."""

import json
from pathlib import Path

import pytest

from graft.registry import predict
from graft.serving.requests import read_json
from tests.graft.serving.conftest import png
from tests.served import base64_of, same, serving


def test_texts_are_answered_as_by_the_command(texts, text_registry):
    given = ["the cat", " the oak ", "see notes.txt", "the cat " * 30, "missing.txt"]
    expected = [one.plain() for one in predict("words", given[:4], text_registry)]
    found = texts.ask(*given)
    assert same(found[:4], expected)
    assert found[3]["note"] == "cut: 8 of 62 tokens were read"
    assert found[4]["input"] == "missing.txt"  # a text, and never a file of the server's


def test_images_are_answered_as_by_the_command(scans, scan_registry, tmp_path):
    for number, (mode, side) in enumerate([("L", 8), ("RGB", 20)]):
        (tmp_path / f"{number}.png").write_bytes(png(number, mode, side))
    paths = [tmp_path / "0.png", tmp_path / "1.png"]
    expected = [one.plain() for one in predict("scans", [*map(str, paths)], scan_registry)]
    files = [{"name": str(path), "data": base64_of(path.read_bytes())} for path in paths]
    assert same(scans.ask(*files), expected)
    (bare,) = scans.ask("data:image/png;base64," + files[0]["data"])
    assert same(bare, {**expected[0], "input": "image 1"})
    status, found = scans.post(paths[1].read_bytes(), {"Content-Type": "image/png"}, f"/predict?name={paths[1]}")
    assert status == 200
    assert same(found["predictions"], [expected[1]])


def test_the_answer_names_the_version_and_its_digest(texts, text_registry):
    version = text_registry.show("words")
    _, found = texts.post({"inputs": ["the cat"]})
    assert (found["model"], found["digest"]) == ("words@1", version.digest)
    health = texts.health()
    assert (health["ready"], health["model"], health["version"], health["digest"]) == (
        True, "words@1", 1, version.digest,
    )  # fmt: skip
    assert (health["reference"], health["problem"]) == ("words@champion", "text-classification")
    assert (health["rejected"], health["registry"]) == (None, "ok")


def test_the_root_says_in_words_how_to_ask(texts, scans):
    status, headers, content = texts.raw("GET", "/")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain")
    assert "words@1 (words@champion), text-classification" in content.decode()
    assert "--data-binary @scan.png" in scans.raw("GET", "/")[2].decode()


def test_openapi_describes_every_address_without_a_reference_that_leads_nowhere(texts):
    status, found = texts.get("/openapi.json")
    assert status == 200
    assert set(found["paths"]) == {"/", "/health", "/predict"}
    asked = found["paths"]["/predict"]["post"]["requestBody"]["content"]
    assert set(asked["application/json"]["schema"]["properties"]) >= {"inputs", "question", "with", "max_tokens"}
    known = {f"#/components/schemas/{name}" for name in found["components"]["schemas"]}
    assert {*references(found)} <= known


def references(part):
    if isinstance(part, dict):
        yield from [part["$ref"]] if "$ref" in part else []
        part = part.values()
    if isinstance(part, list | type({}.values())):
        for one in part:
            yield from references(one)


def test_a_model_that_does_not_verify_is_not_served(words):
    from graft.errors import RegistryError

    registry, _ = words
    version = registry.show("words")
    registry.store.delete(f"{version.package}/model.safetensors")
    with pytest.raises(RegistryError, match="are gone"), serving(registry, "words"):
        pytest.fail("it answers")


def test_a_request_is_json_to_the_letter(texts):
    assert texts.post(json.dumps({"inputs": ["Bärlauch 🌱"]}, ensure_ascii=False).encode())[0] == 200


def test_every_body_of_the_documentation_can_be_read():
    page = (Path(__file__).parents[3] / "docs/serving.md").read_text()
    lines = page.split("```json\n")[1].split("\n```")[0].splitlines()
    assert len(lines) >= 5
    assert all(read_json(line.encode()).inputs for line in lines)
