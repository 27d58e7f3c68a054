"""A version goes to a folder that transformers loads without us, or to the hub, or is told why it does not."""

import http.server
import json
import subprocess
import sys
import threading

import pytest
from huggingface_hub import ModelCard

from graft.errors import BadInput, HubUnavailable, RegistryError
from graft.exports import push
from graft.registry import predict

# transformers alone: an import of graft fails
ALONE = """
import json, sys
sys.modules["graft"] = None
import torch, transformers
folder, kind, reader, given = sys.argv[1:]
network = getattr(transformers, kind).from_pretrained(folder)
processor = getattr(transformers, reader).from_pretrained(folder)
if reader == "AutoTokenizer":
    inputs = processor([given], return_tensors="pt")
else:
    from PIL import Image
    inputs = processor([Image.open(given).convert("L")], return_tensors="pt")
with torch.no_grad():
    logits = network.eval()(**inputs).logits[0]
said = {network.config.id2label[place]: number for place, number in enumerate(logits.tolist())}
print(json.dumps(said))
"""


def ask_alone(folder, kind, reader, given):
    result = subprocess.run(
        [sys.executable, "-c", ALONE, str(folder), kind, reader, given],
        capture_output=True, text=True, check=True, cwd=folder,
    )  # fmt: skip
    return json.loads(result.stdout)


def test_transformers_alone_loads_a_pushed_model_of_texts_and_answers_the_same(words, tmp_path):
    found = push(words.package("words"), words.show("words"), str(tmp_path / "words"))
    assert (found.place, found.auto_model) == (str(tmp_path / "words"), "AutoModelForSequenceClassification")
    said = ask_alone(found.place, found.auto_model, "AutoTokenizer", "the cat")
    (expected,) = predict("words", ["the cat"], words)
    gap = said["animal"] - said["plant"]
    assert expected.probabilities["animal"] == pytest.approx(1 / (1 + 2.718281828 ** (-gap / 1.5)), abs=1e-5)


def test_transformers_alone_loads_a_pushed_model_of_images_and_answers_the_same(scans, tmp_path):
    package = scans.package("scans")
    found = push(package, scans.show("scans"), str(tmp_path / "scans"))
    picture = package.folder / "golden" / "0.png"
    said = ask_alone(found.place, found.auto_model, "AutoImageProcessor", str(picture))
    (expected,) = predict("scans", [str(picture)], scans)
    gap = said["animal"] - said["plant"]
    assert expected.probabilities["animal"] == pytest.approx(1 / (1 + 2.718281828 ** (-gap / 1.5)), abs=1e-4)


def test_rows_of_the_data_stay_behind_and_the_card_says_what_it_is(scans, tmp_path):
    version = scans.show("scans")
    push(scans.package("scans"), version, str(tmp_path / "scans"))
    files = {path.relative_to(tmp_path / "scans").as_posix() for path in (tmp_path / "scans").rglob("*")}
    assert files == {"config.json", "model.safetensors", "preprocessor_config.json", "graft.json", "README.md"}
    assert "train_hashes" not in json.loads((tmp_path / "scans/graft.json").read_text())
    card = ModelCard.load(tmp_path / "scans/README.md")
    assert (card.data.pipeline_tag, card.data.library_name) == ("image-classification", "transformers")
    assert (card.data.eval_results[0].metric_type, card.data.eval_results[0].metric_value) == ("accuracy", 0.9)
    assert "It tells one from another." in card.text
    assert f"Version `scans@1`, package `{version.digest}`" in card.text


def test_what_is_there_is_never_written_over(words, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/notes").write_text("mine")
    for place, reason in (("full", "not empty"), ("full/notes", "a file")):
        with pytest.raises(BadInput, match=reason):
            push(words.package("words"), words.show("words"), str(tmp_path / place))
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["notes"]


@pytest.mark.parametrize("name", ["a/b/c", "owner/na me", "owner/", "-x/y", ""])
def test_what_is_neither_a_folder_nor_an_id_is_told_both_forms(words, name):
    with pytest.raises(BadInput, match=r"neither a hub id(.|\n)*OWNER/NAME"):
        push(words.package("words"), words.show("words"), name)


def test_a_model_that_does_not_answer_as_recorded_goes_nowhere(words, tmp_path):
    from dataclasses import replace

    package = words.package("words")
    wrong = replace(package, facts={**package.facts, "temperature": 3.0})
    with pytest.raises(RegistryError, match="golden samples are not predicted"):
        push(wrong, words.show("words"), str(tmp_path / "words"))
    assert not (tmp_path / "words").exists()


def test_without_a_network_the_hub_is_one_message_that_names_a_folder(words):
    with pytest.raises(HubUnavailable, match=r"us/words: the hub did not take it(.|\n)*offline(.|\n)*--to \./words"):
        push(words.package("words"), words.show("words"), "us/words")


@pytest.fixture
def doorman(monkeypatch):
    """A hub on loopback that lets nobody in; yields the requests it got."""
    asked = []

    class Doorman(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            content = b'{"error": "Invalid username or password."}'
            self.send_response(401)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Doorman)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_TOKEN", "hf_canary")
    yield asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_hub_that_lets_nobody_in_is_one_message_that_names_the_token_and_does_not_show_it(words, doorman):
    with pytest.raises(HubUnavailable, match=r"401(.|\n)*HF_TOKEN") as refusal:
        push(words.package("words"), words.show("words"), "us/words")
    assert "canary" not in str(refusal.value)
    ((path, body),) = doorman
    assert path == "/api/repos/create"
    assert json.loads(body)["visibility"] == "private"
