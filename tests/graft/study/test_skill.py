import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from graft.backbones import build, load, renew_head, save
from graft.catalog import Data, Study
from graft.errors import CheckpointError
from graft.problems import PROBLEMS
from graft.study import Bench, plan, search
from graft.study.skill import Skill, open_skill
from graft.training import Rehearsal, score
from tests.conftest import BERT, RESNET

IMAGES, TEXTS, MASKED = (
    PROBLEMS[name] for name in ("image-classification", "text-classification", "masked-language-modelling")
)


@pytest.fixture
def source(sentences, tokenizer, tmp_path):
    """The checkpoint of a masked language model."""
    config = BERT | {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    folder = tmp_path / "checkpoints" / "words"
    save(build(MASKED, config, (), seed=0), tokenizer, folder)
    (folder / "source.json").write_text(json.dumps({"problem": MASKED.name}))
    pq.write_table(sentences.slice(0, 10).select(["text"]), folder / "validation.parquet")
    pq.write_table(sentences.select(["text"]), folder / "replay.parquet")
    return folder


def test_an_untouched_backbone_has_lost_nothing_and_a_broken_one_has_under_the_sources_own_head(source):
    skill = open_skill(source, Study(replay=0.5))
    adapted = load(source, TEXTS, ("a", "b"))
    assert skill.lost_by(adapted) == 0
    with torch.no_grad():
        for parameter in adapted.bert.encoder.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    lost = skill.lost_by(adapted)
    assert lost != 0
    kept = load(source, MASKED)
    kept.bert.load_state_dict({name: adapted.bert.state_dict()[name] for name in kept.bert.state_dict()})
    after = score(kept, MASKED, skill.rows, skill.processor)["loss"]
    assert lost == pytest.approx(after - skill.before)  # a loss that rises is worse
    assert skill.lost_by(load(source, TEXTS, ("a", "b"))) == 0
    assert (len(skill.rehearsal.rows), skill.rehearsal.share) == (24, 0.5)


def test_a_checkpoint_without_the_rows_is_measured_no_more_unless_the_study_asks_for_them(source):
    for name in ("validation.parquet", "replay.parquet"):
        (source / name).unlink()
    assert open_skill(source, Study()) is None
    with pytest.raises(CheckpointError) as error:
        open_skill(source, Study(max_forgetting=0.1, replay=0.1))
    for part in ("validation.parquet is missing", "replay.parquet is missing", "graft.steps pretrain words"):
        assert part in str(error.value)


def test_trials_tell_what_they_forgot_and_a_budget_of_nothing_leaves_the_probe(images, image_processor, tmp_path):
    model = build(IMAGES, RESNET, ("x", "y"), seed=0)
    rows = images.take(range(20))
    rows = replace(rows, labels=rows.labels % 2, origin=None)
    before = score(model, IMAGES, rows, image_processor)["accuracy"]
    kept = build(IMAGES, RESNET, ("x", "y"), seed=0)
    skill = Skill(IMAGES, image_processor, kept, rows, before, Rehearsal(IMAGES, image_processor, kept, rows, 0.2))
    study = Study(
        strategies=("linear-probe", "full"),
        seeds=2,
        budget_steps=8,
        folds=2,
        learning_rates=(0.01,),
        halving=1,
        max_forgetting=0,
    )
    bench = Bench(IMAGES, image_processor, renew_head(model, IMAGES, ("a", "b", "c"), 0), ("a", "b", "c"), images,
                  study, tmp_path, skill=skill)  # fmt: skip
    table = pa.table({"label": pa.array(images.labels, pa.int64())})
    candidates, notes, selection = plan(bench, table, Data(path="data"))
    result = search(bench, table, candidates, notes, selection, lambda step, message: None)
    lost = {name: {one.forgetting for one in result.outcomes if one.strategy == name} for name in
            ("linear-probe", "full", "scratch")}  # fmt: skip
    assert lost["linear-probe"] == {0.0}
    assert lost["scratch"] == {None}
    assert len(lost["full"]) > 1
    assert result.winner.candidate.strategy == "linear-probe"
    assert result.standings[1].decision == "forgetful"
    assert result.control[0].forgetting is None
    assert torch.equal(kept.classifier[1].weight, model.classifier[1].weight)
