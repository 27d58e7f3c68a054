import io

import numpy as np
import pyarrow as pa
import pytest
import soundfile
from scipy.io import wavfile

from graft.catalog import Data
from graft.errors import DataError
from graft.problems import PROBLEMS
from graft.reading import Clip, encode_clip, hash_clip, inspect, open_clip, read, resample, row_hashes
from tests.graft.reading.conftest import png
from tests.sounds import RATE, tone, wav

AUDIO = PROBLEMS["audio-classification"]


def opened(content):
    return open_clip({"bytes": content, "path": None})


def audio(path, **options):
    return read(Data(path=str(path), **options), AUDIO)


def fill(folder, names, first=200):
    """Write a clip for each name, each of another pitch."""
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(wav(tone(first + 20 * number)))


def test_a_wav_file_is_read_as_scipy_reads_it():
    content = wav(tone(440))
    clip = opened(content)
    rate, samples = wavfile.read(io.BytesIO(content))
    assert (clip.sampling_rate, clip.samples.dtype) == (rate, np.float32)
    assert np.array_equal(clip.samples[:, 0], samples.astype(np.float32) / 2**15)
    assert clip.seconds == pytest.approx(0.2)


def test_the_format_of_a_lossless_file_does_not_count_and_neither_do_equal_channels():
    samples = (tone(440) * 2**15).astype(np.int16)
    mono = hash_clip(opened(wav(samples)))
    assert hash_clip(opened(wav(samples, kind="FLAC"))) == mono
    assert hash_clip(opened(wav(np.stack([samples, samples], axis=1)))) == mono
    assert hash_clip(opened(wav(samples, rate=2 * RATE))) != mono
    assert hash_clip(opened(wav(tone(450)))) != mono


@pytest.mark.parametrize("kind", ["FLAC", "OGG", "MP3", "AIFF"])
def test_other_formats_are_read_too(kind):
    samples = tone(440, rate=16000)
    stream = io.BytesIO()
    soundfile.write(stream, samples, 16000, format=kind)
    clip = opened(stream.getvalue())
    assert clip.sampling_rate == 16000
    assert abs(np.abs(clip.mono).max() - np.abs(samples).max()) < 0.1


def test_several_channels_become_their_mean():
    left, right = tone(300), tone(500)
    clip = Clip(np.stack([left, right], axis=1), RATE)
    assert np.allclose(clip.mono, (left + right) / 2)


def test_what_a_package_stores_is_the_clip_to_the_bit():
    clip = Clip(np.random.default_rng(0).standard_normal((50, 2)).astype(np.float32), 44100)
    again = opened(encode_clip(clip))
    assert np.array_equal(again.samples, clip.samples)
    assert again.sampling_rate == 44100
    assert b"PEAK" not in encode_clip(clip)  # the chunk that holds the time of day: packages are the same bytes


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "an empty file"),
        (b"RIFF of nothing", "not a sound that can be read"),
        (b"hello world" * 40, "no known sound format"),
        (wav(np.zeros(0, np.float32)), "it holds no samples"),
        (wav(tone(300))[:900], "it ends early: 856 of 1600 bytes are there"),
        (wav(tone(300), kind="FLAC")[:900], "not a sound that can be read"),
        (wav(np.array([0, np.nan, 1], np.float32), subtype="FLOAT"), "some samples are not numbers"),
    ],
    ids=["empty", "header", "words", "silent", "cut", "cut flac", "nan"],  # bytes of a file would hold the time of day
)
def test_a_clip_that_cannot_be_used_says_why(content, reason):
    with pytest.raises(DataError, match=reason):
        opened(content)


def test_a_wav_file_of_unknown_length_is_whole():
    content = bytearray(wav(tone(300)))
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"  # as a program writes that streams
    assert len(opened(bytes(content)).samples) == 800


@pytest.mark.parametrize(("before", "after"), [(8000, 16000), (44100, 16000), (22050, 8000)])
def test_a_tone_keeps_its_pitch_and_length_at_another_rate(before, after):
    clip = Clip(tone(1000, 0.5, before)[:, None], before)
    found = resample(clip, after)
    spectrum = np.abs(np.fft.rfft(found * np.hanning(len(found))))
    assert np.argmax(spectrum) * after / len(found) == pytest.approx(1000, abs=4)
    assert len(found) == pytest.approx(after / 2, abs=1)
    assert found.dtype == np.float32


def test_what_the_new_rate_cannot_hold_is_left_out_not_folded_down():
    clip = Clip((0.5 * np.sin(2 * np.pi * 7000 * np.arange(16000) / 16000)).astype(np.float32)[:, None], 16000)
    assert np.abs(resample(clip, 8000)[100:-100]).max() < 0.01
    assert np.array_equal(resample(clip, 16000), clip.mono)


def test_an_audio_folder_with_metadata_has_splits_labels_and_groups(tmp_path):
    for split, names in (("train", ["a.wav", "b.wav", "more/c.wav", "d.wav"]), ("test", ["e.wav", "f.wav"])):
        fill(tmp_path / split, names, first=200 if split == "train" else 600)
        rows = [f"{name},{['yes', 'no'][number % 2]},p{number}" for number, name in enumerate(names)]
        (tmp_path / split / "metadata.csv").write_text("\n".join(["file_name,label,speaker", *rows]) + "\n")
    dataset = audio(tmp_path)
    assert {split: table.num_rows for split, table in dataset.splits.items()} == {"train": 4, "test": 2}
    assert dataset.labels == ("no", "yes")
    assert dataset.splits["train"]["file"][2].as_py() == "train/metadata.csv"
    assert len(set(row_hashes(dataset.splits["train"], AUDIO))) == 4
    found = inspect(tmp_path)
    assert (found.problem, found.columns) == ("audio-classification", {"audio": "file_name", "label": "label"})
    assert any("column 'speaker' looks like a group" in note for note in found.notes)


@pytest.mark.parametrize("layout", ["{name}/{n}.wav", "train/{name}/{n}.wav", "{name}/deep/{n}.wav"])
def test_a_folder_for_each_class_is_audio_classification(tmp_path, layout):
    names = [layout.format(name=name, n=n) for name in ("cat", "dog") for n in range(4)]
    if layout.startswith("train"):
        names += [name.replace("train", "test") for name in names]
    fill(tmp_path / "sounds", names)
    found = inspect(tmp_path / "sounds")
    assert (found.problem, found.labels) == ("audio-classification", ("cat", "dog"))
    assert found.rows == len(names)


@pytest.mark.parametrize("struct", [True, False])
def test_bytes_in_a_table_are_known_by_how_they_begin(parquet, struct):
    contents = [wav(tone(200 + 20 * n)) for n in range(8)]
    cells = [{"bytes": content, "path": None} for content in contents] if struct else contents
    path = parquet(recording=cells, label=["a", "b"] * 4)
    found = inspect(path)
    assert (found.problem, found.columns["audio"]) == ("audio-classification", "recording")
    assert audio(path, labels_per_class=2).splits["train"].schema.field("audio").type == pa.struct(
        [("bytes", pa.binary()), ("path", pa.string())]
    )


def test_an_image_in_bytes_is_no_sound(parquet):
    path = parquet(image=[png(n) for n in range(8)], label=["a", "b"] * 4)
    assert inspect(path).problem == "image-classification"
    with pytest.raises(DataError, match="no column for the audio"):
        audio(path)


def test_every_missing_file_and_label_is_named_by_file_and_row(tmp_path):
    fill(tmp_path, ["a.wav", "b.wav"])
    lines = ["file_name,label", "a.wav,x", "gone.wav,y", "b.wav,", "lost.wav,x", ",y"]
    (tmp_path / "metadata.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError) as error:
        audio(tmp_path)
    said = "\n".join(error.value.problems)
    assert "metadata.csv, row 2: no audio file" in said
    assert "metadata.csv, row 4: no audio file" in said
    assert "metadata.csv, row 3: no label in 'label'" in said
    assert "metadata.csv, row 5: 'file_name' is empty" in said


def test_a_wrong_column_is_refused(tmp_path):
    fill(tmp_path, ["a.wav", "b.wav"])
    (tmp_path / "metadata.csv").write_text("file_name,label,length\na.wav,x,3\nb.wav,y,4\n")
    with pytest.raises(DataError, match="no column 'sound'"):
        audio(tmp_path, columns={"audio": "sound"})
    with pytest.raises(DataError, match="no audio file"):
        audio(tmp_path, columns={"audio": "length"})
