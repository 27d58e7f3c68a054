"""Transcripts before any training: the alphabet of the training part, the pace, equal clips that say other things."""

import pyarrow as pa

from graft.catalog import Checks
from graft.checks.facts import gather
from graft.checks.rows import derive
from graft.checks.suites import rules
from graft.problems import PROBLEMS
from graft.reading import Dataset
from tests.sounds import tone, wav


def part(*clips):
    """Return a canonical table of (pitch, transcript, speaker)."""
    cells = [{"bytes": wav(tone(hertz, 0.5)), "path": None} for hertz, _, _ in clips]
    return pa.table(
        {
            "audio": cells,
            "transcript": [text for _, text, _ in clips],
            "group": [speaker for _, _, speaker in clips],
            "file": ["metadata.csv"] * len(clips),
            "row": [*range(1, len(clips) + 1)],
        }
    )


def test_what_is_wrong_with_transcripts_is_counted_and_named():
    splits = {
        "train": part((300, "yes no", "anna"), (400, "no", "bert"), (300, "no yes", "anna")),
        "test": part((500, "no way", "carl"), (600, "yes " * 8 + "yes", "anna")),
    }
    rows = derive(Dataset(splits, (), "", {}), PROBLEMS["speech-recognition"])
    facts = gather(rows, ())
    assert facts.values["strange_characters"] == 2
    assert facts.offenders["strange_characters"] == {3: "'a', 'w' in no training transcript"}
    assert facts.values["conflict_share"] == 0.4
    assert facts.offenders["conflict_share"][0] == "transcripts no yes, yes no"
    assert facts.values["shared_groups"] == 1
    assert rows["pace"].tolist() == [12, 4, 12, 12, 70]
    suite = {rule.name: rule for rule in rules("audio", Checks(), rows.columns, facts.values)}
    assert suite["pace"].high == 30
    assert {"alphabet", "groups", "conflicts", "silence", "duration", "clipping"} <= set(suite)
    assert "balance" not in suite


def test_clips_with_labels_have_no_rules_on_transcripts():
    table = part((300, "yes", "anna")).drop_columns(["transcript"])
    rows = derive(Dataset({"train": table}, (), "", {}), PROBLEMS["audio-classification"])
    assert "pace" not in rows
    suite = rules("audio", Checks(), rows.columns, gather(rows, ()).values)
    assert not {"alphabet", "pace"} & {rule.name for rule in suite}
