import json
from unittest.mock import ANY

import pytest
from PIL import Image
from ruamel.yaml import YAML

from flows.commands.new import brought, new_source, new_target
from flows.commands.starters import STARTERS, choose
from graft.backbones import build, find_misfits, layer_groups
from graft.catalog import Pretraining, load
from graft.errors import BadInput, CatalogError, DataError
from graft.manifest import list_files
from graft.problems import PROBLEMS
from graft.problems.networks import find_misfit
from graft.reading import packing, read
from graft.reading.packed import read_file
from tests.sounds import tone, wav

IMAGES = PROBLEMS["image-classification"]


@pytest.fixture
def sentences(tmp_path):
    path = tmp_path / "mail.csv"
    rows = [
        f"message {number} is {'late' if number % 2 else 'early'},{'no' if number % 2 else 'yes'}"
        for number in range(40)
    ]
    path.write_text("\n".join(["sentence,answer", *rows]) + "\n")
    return path


def target(name, data, **options):
    asked = {"source": "words", "problem": None, "labels": None, "labels_per_class": None, "group": None, "columns": []}
    asked |= options
    new_target(name, str(data), **asked)


def everything(folder):
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and ".dvc/" not in str(path)}


def test_a_new_target_adds_its_entry_and_changes_no_other_line(checkout, sentences, capsys):
    before = (checkout / "params.yaml").read_text()
    target("mail", sentences, labels_per_class=4)
    after = (checkout / "params.yaml").read_text()
    added = after.replace(before.removesuffix("# the end\n"), "", 1).removesuffix("# the end\n")
    assert added.startswith("  mail:\n    source: words\n    problem: text-classification\n")
    entry = load().target("mail")
    assert (entry.data.path, entry.data.labels_per_class) == ("data/mail.csv", 4)
    said = capsys.readouterr().out
    assert "text-classification" in said
    assert "'answer' is the label" in said
    assert "graft run mail" in said


def test_its_data_is_copied_and_under_dvc(checkout, sentences):
    target("mail", sentences)
    assert (checkout / "data" / "mail.csv").read_bytes() == sentences.read_bytes()
    assert (checkout / "data" / "mail.csv.dvc").is_file()
    assert "/mail.csv" in (checkout / "data" / ".gitignore").read_text()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (".", "holds this checkout itself"),
        ("", "holds this checkout itself"),
        ("..", "holds this checkout itself"),
        ("a" * 300, "no path of a file or folder .File name too long"),
        ("~nobody-of-that-name/x", "no path of a file or folder .Could not determine home directory"),
        ("a\0b", "no path of a file or folder .embedded null byte"),
    ],
)
def test_data_that_cannot_be_brought_is_said_and_nothing_is_written(checkout, data, message):
    before = everything(checkout)
    with pytest.raises(DataError, match=message):
        target("mail", data)
    assert everything(checkout) == before


def test_what_is_wrong_with_a_copied_file_is_said_of_the_file_that_was_given(checkout, tmp_path):
    path = tmp_path / "mail.csv"
    path.write_bytes(b"text,label\n\xff,yes\n")
    with pytest.raises(DataError) as caught:
        target("post", path)
    assert str(path) in caught.value.headline
    assert "data/post" not in str(caught.value)


def test_one_label_alone_is_refused_and_the_folder_within_is_named(checkout, tmp_path):
    folder = tmp_path / "download"
    for name in ("oak", "elm"):
        (folder / "leaves" / name).mkdir(parents=True)
        for shade in range(4):
            Image.new("L", (8, 8), 40 * shade + len(name)).save(folder / "leaves" / name / f"{shade}.png")
    before = everything(checkout)
    with pytest.raises(DataError, match="all 8 rows have one label, 'leaves'") as caught:
        target("leaves", folder)
    assert f"--data {folder / 'leaves'}" in caught.value.advice
    assert everything(checkout) == before


LAST = "    study: {}\n    gates: {max_ece: 0.2}"


def test_the_last_line_of_a_file_without_a_line_end_stays_with_its_entry(checkout, sentences):
    params = checkout / "params.yaml"
    text = params.read_text().removesuffix("# the end\n")
    params.write_text(text.removesuffix("    study: {}\n") + LAST)
    target("mail", sentences)
    assert load().target("tones").gates.max_ece == 0.2
    assert load().target("mail").gates.max_ece is None


def test_the_first_target_is_added_where_there_is_none(checkout, sentences):
    params = checkout / "params.yaml"
    params.write_text(params.read_text().split("targets:")[0] + "targets: {}  # none yet\n")
    target("mail", sentences)
    assert set(load().targets) == {"mail"}


@pytest.mark.parametrize("targets", ["targets: ~", "targets:", ""])
def test_where_dvc_cannot_read_an_empty_section_the_way_out_is_said(checkout, sentences, targets):
    params = checkout / "params.yaml"
    params.write_text(params.read_text().split("targets:")[0] + targets + "\n")
    before = everything(checkout)
    with pytest.raises(BadInput, match=r"written `sources: \{\}` or `targets: \{\}`"):
        target("mail", sentences)
    assert everything(checkout) == before


def test_a_catalogue_on_one_line_is_not_rewritten_but_refused(checkout, sentences):
    params = checkout / "params.yaml"
    params.write_text(json.dumps(YAML(typ="safe").load(params.read_text())))
    before = everything(checkout)
    with pytest.raises(CatalogError, match="no entry can be added under `targets:`, which is not written as a block"):
        target("mail", sentences)
    assert everything(checkout) == before


def test_a_long_column_name_with_two_spaces_in_a_row_is_written_as_it_is(checkout, sentences):
    name = "a very  long " * 12 + "label"
    sentences.write_text(sentences.read_text().replace("sentence,answer", f"sentence,{name}"))
    target("mail", sentences)
    assert load().target("mail").data.columns["label"] == name


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        ("moods", {}, CatalogError),
        ("Mail!", {}, CatalogError),
        ("mail", {"source": "wrds"}, CatalogError),
        ("mail", {"problem": "masked-language-modelling"}, CatalogError),
        ("mail", {"problem": "text-generation"}, CatalogError),
        ("mail", {"problem": "image-classification"}, BadInput),
        ("mail", {"problem": "text-clasification"}, BadInput),
        ("mail", {"columns": ["label:answer"]}, BadInput),
        ("mail", {"columns": ["label=reply"]}, DataError),
    ],
)
def test_a_target_that_does_not_fit_leaves_nothing_behind(name, options, error, checkout, sentences):
    before = everything(checkout)
    with pytest.raises(error):
        target(name, sentences, **options)
    assert everything(checkout) == before


def test_columns_of_any_name_are_taken_as_said(checkout, tmp_path):
    path = tmp_path / "tickets.csv"
    rows = [f"please see to {n},billing,{['now', 'later'][n % 2]},c{n % 5}" for n in range(40)]
    path.write_text("\n".join(["request,unit,queue,customer", *rows]) + "\n")
    target("tickets", path, columns=["label=queue", "text=request"], group="customer")
    entry = load().target("tickets").data
    assert (entry.columns, entry.group) == ({"label": "queue", "text": "request"}, "customer")


def test_a_target_without_a_label_says_how_to_name_one(checkout, tmp_path):
    path = tmp_path / "tickets.csv"
    path.write_text("\n".join(["request", *(f"please see to {n}" for n in range(40))]) + "\n")
    with pytest.raises(DataError, match="no column for the label"):
        target("tickets", path)


def test_data_that_dvc_refuses_leaves_nothing_behind(checkout, sentences):
    (checkout / ".gitignore").write_text("*.dvc\n")
    before = everything(checkout)
    with pytest.raises(BadInput, match="DVC cannot track"):
        target("mail", sentences)
    assert everything(checkout) == before


def test_missing_data_says_what_was_expected(checkout):
    with pytest.raises(DataError, match="no such file or folder"):
        target("mail", "nowhere.csv")


def test_a_new_source_gets_a_network_that_suits_its_data(checkout, sentences):
    new_source("letters", str(sentences), None, None, None, "masked-language-modelling", None, [])
    entry = load().source("letters")
    assert entry.backbone.config["model_type"] == "bert"
    assert entry.problem == "masked-language-modelling"


def test_an_entry_goes_into_an_empty_section_too(checkout, sentences):
    (checkout / "params.yaml").write_text("sources: {}\ntargets: {}\n")
    new_source("letters", str(sentences), None, None, None, "masked-language-modelling", None, [])
    assert list(load().sources) == ["letters"]


def test_a_folder_of_clips_gets_a_small_wav2vec_and_a_recipe(checkout, tmp_path, capsys):
    for number in range(8):
        path = tmp_path / "clips" / ("yes", "no")[number % 2] / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(wav(tone(200 + 30 * number)))
    new_source("spoken", str(tmp_path / "clips"), None, None, None, None, None, [])
    entry = load().source("spoken")
    assert (entry.problem, entry.data.path) == ("audio-classification", "data/spoken")
    assert entry.backbone.config["model_type"] == "wav2vec2"
    assert entry.pretraining.epochs == STARTERS["wav2vec2"].pretraining["epochs"]
    assert "audio-classification" in capsys.readouterr().out
    before = (checkout / "params.yaml").read_text()
    with pytest.raises(BadInput, match="resnet: reads image, the data are audio; expected wav2vec2 or ast"):
        new_source("other", str(tmp_path / "clips"), "resnet", None, None, None, None, [])
    assert (checkout / "params.yaml").read_text() == before
    assert not (checkout / "data" / "other").exists()


def test_a_target_of_a_whisper_goes_on_with_it(checkout, tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.wav").write_bytes(wav(tone(200 + 30 * number)))
    (folder / "metadata.csv").write_text("\n".join(["file_name,sentence", *(f"{row}.wav,yes no" for row in range(8))]))
    new_source("whisper", str(folder), None, None, "openai/whisper-tiny", "speech-to-text", None, [])
    new_source("frames", str(folder), None, None, None, None, None, [])
    target("mine", folder, source="whisper", labels=2)
    target("theirs", folder, source="frames", labels=2)
    found = load()
    assert (found.source("whisper").backbone.hub, found.target("mine").problem) == (
        "openai/whisper-tiny",
        "speech-to-text",
    )
    assert (found.source("frames").problem, found.target("theirs").problem) == (
        "speech-recognition",
        "speech-recognition",
    )


def test_a_network_that_masks_can_be_read_from_is_chosen_for_them():
    problem = PROBLEMS["semantic-segmentation"]
    assert choose(None, problem)["backbone"]["config"]["model_type"] == "segformer"
    assert choose(None, PROBLEMS["image-classification"])["backbone"]["config"]["model_type"] == "resnet"
    with pytest.raises(BadInput, match="--backbone resnet: 'resnet' has no head for masks"):
        choose("resnet", problem)


def test_a_network_that_finds_boxes_is_chosen_for_them():
    written = choose(None, PROBLEMS["object-detection"])
    assert written["backbone"]["config"]["model_type"] == "graft-fcos"
    assert written["pretraining"]["image_size"] > 100  # at the default of 32 pixels there is little to find
    with pytest.raises(BadInput, match="--backbone vit: 'vit' has no head for boxes"):
        choose("vit", PROBLEMS["object-detection"])
    with pytest.raises(BadInput, match="--backbone fcos: 'graft-fcos' finds objects"):
        choose("fcos", PROBLEMS["image-classification"])


@pytest.mark.parametrize("name", STARTERS)
def test_a_starter_is_a_network_of_several_layer_groups(name):
    starter = STARTERS[name]
    own = {"segformer": "semantic-segmentation", "fcos": "object-detection"}
    wanted = own.get(name)
    problem = next(
        one
        for one in PROBLEMS.values()
        if one.modality == starter.modality and (one.name == wanted if wanted else "label" in one.columns)
    )
    # the vocabulary is the tokenizer's
    config = {**starter.config, **({"vocab_size": 4000} if starter.modality == "text" else {})}
    groups = layer_groups(build(problem, config, ("a", "b"), seed=0))
    assert len(groups) >= 4
    assert sum(group.parameters for group in groups) < 30 * 10**6
    Pretraining.model_validate(starter.pretraining)


@pytest.fixture
def plays(tmp_path):
    path = tmp_path / "plays.txt"
    path.write_text("\n\n".join(f"Speaker:\nThis is speech {number}." for number in range(20)))
    return path


@pytest.mark.parametrize(
    ("problem", "backbone", "expected"),
    [
        (None, None, ("masked-language-modelling", "bert")),
        ("text-generation", None, ("text-generation", "gpt2")),
        (None, "gpt2", ("text-generation", "gpt2")),
        ("masked-language-modelling", None, ("masked-language-modelling", "bert")),
    ],
)
def test_plain_text_pretrains_a_bert_or_what_is_asked_for(checkout, plays, problem, backbone, expected, capsys):
    new_source("plays", str(plays), backbone, None, None, problem, None, [])
    entry = load().source("plays")
    assert (entry.problem, entry.backbone.config["model_type"]) == expected
    assert entry.data.path == "data/plays.txt"
    assert "--problem " in capsys.readouterr().out


def test_a_network_that_cannot_learn_the_problem_leaves_nothing_behind(checkout, plays):
    before = everything(checkout)
    with pytest.raises(BadInput, match="'bert' reads texts in both directions"):
        new_source("plays", str(plays), "bert", None, None, "text-generation", None, [])
    assert everything(checkout) == before


@pytest.mark.parametrize(
    ("word", "written"),
    [
        (None, {"backbone": {"config": dict(STARTERS["resnet"].config)}}),
        (
            "inception_v3",
            {"backbone": {"config": dict(STARTERS["inception_v3"].config)}, "pretraining": {"image_size": 75}},
        ),
        ("mobilenetv3_small_100", {"backbone": {"config": {"model_type": "timm_wrapper", "architecture": ANY}}}),
        ("timm/vgg16.tv_in1k", {"backbone": {"hub": "timm/vgg16.tv_in1k"}}),
    ],
)
def test_a_word_stands_for_a_network_of_images(word, written):
    assert choose(word, IMAGES) == written


def test_a_folder_with_a_configuration_is_a_checkpoint(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    assert choose(str(tmp_path), IMAGES) == {"backbone": {"checkpoint": tmp_path.as_posix()}}


def test_a_word_that_stands_for_nothing_is_refused_with_the_nearest():
    with pytest.raises(BadInput, match="did you mean 'vgg11'"):
        choose("vgg111", IMAGES)


@pytest.mark.parametrize("name", [name for name, one in STARTERS.items() if one.modality == "image"])
def test_every_network_for_images_passes_the_check_of_the_catalogue(name):
    kinds = (IMAGES, PROBLEMS["object-detection"], PROBLEMS["masked-image-modelling"])
    problem = next(kind for kind in kinds if not find_misfit(kind.auto_model, STARTERS[name].config))
    entry = choose(name, problem)
    assert not list(find_misfits(entry["backbone"]["config"], entry.get("pretraining", {}).get("image_size", 32)))


def test_what_was_written_is_printed(checkout, sentences, capsys):
    new_source("letters", str(sentences), "bert", None, None, "masked-language-modelling", None, [])
    printed = capsys.readouterr().out
    assert "letters:" in printed
    assert "model_type: bert" in printed


@pytest.mark.parametrize(
    ("problem", "backbone", "expected"),
    [
        (None, None, ("contrastive-images", "resnet", 128)),
        ("contrastive-images", "vit", ("contrastive-images", "vit", 128)),
        ("masked-image-modelling", None, ("masked-image-modelling", "vit_mae", 64)),
        (None, "vit_mae", ("masked-image-modelling", "vit_mae", 64)),
    ],
)
def test_images_without_labels_pretrain_what_is_asked_for(checkout, tmp_path, problem, backbone, expected, capsys):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for shade in range(12):
        Image.new("L", (8, 8), 20 * shade).save(pictures / f"{shade}.png")
    new_source("pictures", str(pictures), backbone, None, None, problem, None, [])
    entry = load().source("pictures")
    recipe = entry.pretraining
    assert (entry.problem, entry.backbone.config["model_type"], recipe.batch_size) == expected
    build(PROBLEMS[entry.problem], {**entry.backbone.config, **PROBLEMS[entry.problem].head(None)}, (), seed=0)
    assert "--problem " in capsys.readouterr().out


def pictures(folder, count, size=8):
    """Write so many pictures, two classes in turn, each of other pixels."""
    for number in range(count):
        path = folder / ("cat", "dog")[number % 2] / f"{number:04}.pgm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"P5 %d %d 255 " % (size, size) + number.to_bytes(2) * (size * size // 2))
    return folder


@pytest.fixture
def few(monkeypatch):
    """Let a folder of 20 files count as one of many."""
    monkeypatch.setattr(packing, "MANY", 20)


def test_a_folder_of_many_small_files_comes_in_as_one_shard(few, checkout, tmp_path, capsys):
    new_source("pets", str(pictures(tmp_path / "pets", 20)), "resnet", None, None, None, None, [])
    assert [path.name for path in (checkout / "data" / "pets").iterdir()] == ["packed-00000-of-00001.tar"]
    assert (checkout / "data" / "pets.dvc").is_file()
    entry = load().source("pets")
    dataset = read(entry.data, PROBLEMS[entry.problem])
    assert dataset.labels == ("cat", "dog")
    assert {len(read_file(row["path"])) for row in dataset.splits["train"]["image"].to_pylist()} == {
        len(b"P5 8 8 255 ") + 64
    }
    assert "packed 20 files into 1 shard;" in capsys.readouterr().out


@pytest.mark.parametrize(("count", "pack", "shards"), [(19, None, 0), (20, None, 1), (19, True, 1), (20, False, 0)])
def test_it_is_packed_as_said_or_else_where_it_is_many(few, count, pack, shards, checkout, tmp_path):
    with brought("pets", str(pictures(tmp_path / "pets", count)), pack) as path:
        assert len([*path.glob("*.tar")]) == shards
        assert len([*path.rglob("*.pgm")]) == (0 if shards else count)


def test_a_packed_folder_from_elsewhere_comes_in_as_it_is(few, checkout, tmp_path):
    with brought("pets", str(pictures(tmp_path / "pets", 20))) as path:
        packed = path.rename(tmp_path / "packed")
    with brought("again", str(packed)) as path:
        assert list_files(path) == list_files(packed)
    with pytest.raises(DataError, match="1 problem"), brought("more", str(packed), pack=True):
        pass
    assert not (checkout / "data" / "more").exists()


def test_only_a_folder_from_outside_can_be_packed(checkout, sentences, tmp_path):
    with pytest.raises(BadInput, match="lies in this checkout"), brought("x", str(checkout / "data"), pack=True):
        pass
    with pytest.raises(BadInput, match="is a file"), brought("x", str(sentences), pack=True):
        pass
    with pytest.raises(BadInput, match="is a hub id"), brought("x", "owner/name", pack=True):
        pass


@pytest.mark.parametrize("pack", [True, False])
def test_what_is_no_file_is_all_said_before_anything_is_copied(pack, checkout, tmp_path):
    folder = pictures(tmp_path / "pets", 6)
    for name in ("one", "two"):
        (folder / "cat" / f"{name}.pgm").symlink_to(tmp_path / "nowhere")
    before = everything(checkout)
    with pytest.raises(DataError) as caught:
        new_source("pets", str(folder), "resnet", None, None, None, None, [], pack=pack)
    assert len(caught.value.problems) == 2
    assert everything(checkout) == before


def test_packed_data_that_do_not_fit_leave_nothing_behind(few, checkout, tmp_path):
    folder = pictures(tmp_path / "pets", 20)
    (folder / "stray.pgm").write_bytes(b"P5 1 1 255 x")
    before = everything(checkout)
    with pytest.raises(DataError, match="1 problem"):
        new_source("pets", str(folder), "resnet", None, None, "image-classification", None, [])
    assert everything(checkout) == before
    assert not (checkout / "data" / "pets").exists()
