"""An ONNX file answers as the package does, whatever the number and length of inputs, or there is no file."""

import json
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pyarrow as pa
import pytest

from graft.errors import BadInput, RegistryError
from graft.exports import export_onnx
from graft.exports.onnx import NEEDS
from graft.registry.package import load
from tests.graft.registry.packages import TEXTS

needs_onnx = pytest.mark.skipif(any(find_spec(name) is None for name in NEEDS), reason="the extra `onnx` is missing")


def logits(path, **inputs):
    import onnxruntime

    return onnxruntime.InferenceSession(path).run(None, inputs)[0]


@needs_onnx
def test_texts_of_any_number_and_length_are_answered_as_by_the_network(words, tmp_path):
    package = words.package("words")
    found = export_onnx(package, tmp_path / "deep/words.onnx", "words@1")
    assert (found.samples, found.difference) == (5, pytest.approx(0, abs=1e-5))
    assert found.inputs == {name: ["rows", "length"] for name in ("input_ids", "attention_mask")}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["words.onnx"]
    model = load(package)
    for texts in (TEXTS[:1], TEXTS[:3], ["cat"] * 7):
        given = dict(model.processor(texts, return_tensors="np", truncation=True))
        asked = {name: given[name] for name in found.inputs}
        assert logits(found.path, **asked) == pytest.approx(model.answers(pa.table({"text": texts})), abs=1e-5)


@needs_onnx
def test_images_are_answered_as_by_the_network_and_the_file_says_what_it_is(scans, tmp_path):
    import onnx

    package = scans.package("scans")
    found = export_onnx(package, tmp_path / "scans.onnx", "scans@1")
    assert found.inputs == {"pixel_values": ["rows", 1, 8, 8]}
    assert found.samples == 5
    assert logits(found.path, pixel_values=np.zeros((3, 1, 8, 8), np.float32)).shape == (3, 2)
    told = {one.key: json.loads(one.value) for one in onnx.load(found.path).metadata_props if one.key[:6] == "graft."}
    assert told == {
        "graft.model": "scans@1", "graft.digest": package.digest, "graft.problem": "image-classification",
        "graft.labels": ["animal", "plant"], "graft.temperature": 1.5,
    }  # fmt: skip


@needs_onnx
def test_a_file_that_answers_otherwise_is_not_kept(words, tmp_path):
    package = words.package("words")
    wrong = replace(package, facts={**package.facts, "temperature": 3.0})
    with pytest.raises(RegistryError, match=r"words@1: as ONNX it answers otherwise(.|\n)*golden sample 0"):
        export_onnx(wrong, tmp_path / "words.onnx", "words@1")
    assert not [*tmp_path.iterdir()]


def test_a_folder_is_no_file_to_export_to(words, tmp_path):
    (tmp_path / "models").mkdir()
    with pytest.raises(BadInput, match=r"models: a folder\nName a file, such as .*models/model.onnx"):
        export_onnx(words.package("words"), tmp_path / "models", "words@1")
    assert not [*(tmp_path / "models").iterdir()]


def test_without_the_libraries_their_names_are_said(words, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"onnx, onnxscript, onnxruntime, which(.|\n)*graft\[onnx\]"):
        export_onnx(words.package("words"), tmp_path / "words.onnx", "words@1")
