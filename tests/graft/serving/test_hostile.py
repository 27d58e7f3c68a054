"""What no client should send gets one clear message, a status of four hundred and something, and no trace."""

import io
import json
import re
import socket
import struct
import zlib

import pytest
from PIL import Image

from tests.graft.serving.conftest import png
from tests.served import JSON, base64_of, serving


def huge_png(width, height):
    """Return a PNG file of a few bytes whose head declares any size."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def eps():
    stream = io.BytesIO()
    Image.new("L", (4, 4)).save(stream, "EPS")
    return stream.getvalue()


BODIES = {
    "nothing": (b"", 400, "not JSON"),
    "no JSON": (b"{'inputs': ['x']}", 400, "not JSON"),
    "half of it": (b'{"inputs": ["x"', 400, "not JSON"),
    "not UTF-8": (b'{"inputs": ["\xff"]}', 400, "not JSON"),
    "half of a character": (b'{"inputs": ["\\ud800"]}', 400, "not JSON"),
    "a hundred thousand brackets": (b"[" * 19_000, 400, "not JSON"),
    "a number": (b"3", 422, "body: "),
    "a list": (b'["x"]', 422, "body: "),
    "no inputs": (b"{}", 422, "inputs: Field required"),
    "an empty list": (b'{"inputs": []}', 422, "'inputs' is empty"),
    "a text for a list": (b'{"inputs": "x"}', 422, "inputs: "),
    "numbers": (b'{"inputs": [1, 2]}', 422, r"inputs.0: (.|\n)*inputs.1: "),
    "an unknown key": (b'{"inputs": ["x"], "inptus": ["y"]}', 422, "inptus: "),
    "an empty text": (b'{"inputs": ["x", " ", ""]}', 422, r"text 2: empty(.|\n)*text 3: empty"),
    "a file": (b'{"inputs": [{"data": "eA=="}]}', 422, "a file, expected a text"),
    "a question": (b'{"inputs": ["x"], "question": "Who?"}', 422, "text-classification, which asks none"),
    "sampling": (b'{"inputs": ["x"], "top_p": 0.5, "seed": 1}', 422, r"top_p: (.|\n)*seed: .* writes no text"),
    "another file": (b'{"inputs": ["x"], "with": "eA=="}', 422, "compares nothing"),
    "too many": (json.dumps({"inputs": ["x"] * 9}).encode(), 413, "9 inputs; a request may have 8"),
    "a long text": (json.dumps({"inputs": ["x" * 5001]}).encode(), 413, "5001 characters, expected at most 5000"),
    "a large body": (json.dumps({"inputs": ["x" * 21_000]}).encode(), 413, "more than 20000 bytes"),
    "a very large body": (b"x" * 45_000, 413, "more than 20000 bytes"),
}


def says(found, wanted):
    assert set(found) == {"error", "problems", "advice"}
    assert re.search(wanted, "\n".join([found["error"], *found["problems"], found["advice"]]))
    assert "Traceback" not in json.dumps(found)


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_no_question_is_told_why(texts, name):
    body, expected, wanted = BODIES[name]
    status, found = texts.post(body)
    assert status == expected
    says(found, wanted)
    assert texts.health()["ready"]


FILES = {
    "not base64": ("%%%", 422, "image 1: not base64"),
    "not ASCII": ("ä", 422, "image 1: not base64"),
    "empty": ("", 422, "image 1: empty"),
    "a text": (base64_of(b"not a picture"), 422, "no known format"),
    "a program of PostScript": (base64_of(eps()), 422, "no known format"),
    "cut": (base64_of(png(0, side=64)[:-200]), 422, "not an image that can be read"),
    "a head alone": (base64_of(png(0)[:20]), 422, "not an image that can be read"),
    "large": (base64_of(png(0, side=101)), 413, "101 x 101 pixels, expected at most 10000"),
    "declared huge": (base64_of(huge_png(60_000, 60_000)), 413, "pixels"),
    "declared large": (base64_of(huge_png(9_500, 9_500)), 413, "pixels"),
    "of no size": (base64_of(huge_png(0, 0)), 422, "not an image that can be read"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_image_is_told_why(scans, name):
    data, expected, wanted = FILES[name]
    status, found = scans.post({"inputs": [data]})
    assert status == expected
    says(found, wanted)


def test_every_unusable_image_is_named_at_once(scans):
    files = [("good.png", png(0)), ("cut.png", png(0, side=64)[:-200]), ("notes.png", b"notes")]
    status, found = scans.post({"inputs": [{"name": name, "data": base64_of(content)} for name, content in files]})
    assert status == 422
    assert found["error"] == "2 of 3 inputs cannot be used"
    assert [line.split(":")[0] for line in found["problems"]] == ["cut.png", "notes.png"]


@pytest.mark.parametrize("kind", ["", "text/plain", "multipart/form-data; boundary=x", "text/html", "imagex/png"])
def test_another_kind_of_content_is_refused(scans, kind):
    status, found = scans.post(png(0), {"Content-Type": kind} if kind else {})
    assert status == 415
    says(found, "application/json, or image")


def test_content_that_unpacks_is_refused(scans):
    status, found = scans.post(zlib.compress(b"x"), {**JSON, "Content-Encoding": "deflate"})
    assert status == 415
    says(found, "content encoding 'deflate'")


@pytest.mark.parametrize(
    ("path", "wanted"), [("?draw=yes", "expected true or false"), ("?nmae=x", "nmae"), ("", "no known format")]
)
def test_a_file_as_it_is_that_cannot_be_used_is_told_why(scans, path, wanted):
    status, found = scans.post(b"x", {"Content-Type": "image/png"}, f"/predict{path}")
    assert status == 422
    says(found, wanted)


def test_other_addresses_and_methods_are_told_which_there_are(texts):
    assert texts.get("/predict") == (405, {**texts.get("/predict")[1]})
    for method, path, expected in (("GET", "/models", 404), ("GET", "/predict", 405), ("GET", "/docs", 404)):
        status, _, content = texts.raw(method, path)
        assert status == expected
        says(json.loads(content), "Expected POST /predict")


def test_a_length_that_is_a_lie_ends_in_a_message(text_registry):
    with serving(text_registry, "words", seconds=0.5) as client, socket.create_connection(
        ("127.0.0.1", client.port), timeout=60
    ) as connection:  # fmt: skip
        head = "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        connection.sendall(head.encode())
        found = b"".join(iter(lambda: connection.recv(4096), b"")).decode()
    assert found.startswith("HTTP/1.1 408")
    assert "did not arrive within 0.5 s" in found


def test_a_body_without_a_length_is_counted_as_it_comes(texts):
    parts = iter([b"x" * 10_000] * 4)
    status, _, content = texts.raw("POST", "/predict", parts, JSON)
    assert status == 413
    says(json.loads(content), "more than 20000 bytes")
