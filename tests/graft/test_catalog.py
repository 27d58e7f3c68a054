from pathlib import Path

import pytest

from graft.catalog import load
from graft.errors import CatalogError

GOOD = """
sources:
  big:
    problem: image-classification
    data: {path: data/big}
    backbone: {config: {model_type: resnet}}
targets:
  small:
    source: big
    problem: image-classification
    data: {path: data/small}
    study: {}
"""
EVALUATED = GOOD + "    evaluation: {}\n"


@pytest.fixture
def read(tmp_path):
    def go(text):
        path = tmp_path / "params.yaml"
        path.write_text(text)
        return load(path)

    return go


def test_a_target_of_four_lines_works(read):
    target = read(GOOD).target("small")
    assert target.study.seeds == 3
    assert target.evaluation.robustness_rows == 500
    assert target.gates.verdicts == ("helps",)


def test_the_bundled_catalogue_is_valid():
    assert set(load(Path("params.yaml")).targets) == {"digits", "pydocs"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("source: big", "sauce: big", r"targets\.small\.sauce: unknown key; did you mean 'source'\?"),
        ("source: big", "source: bog", r"targets\.small\.source: unknown source 'bog'; did you mean 'big'\?"),
        ("study: {}", "seeds: 3", r"targets\.small\.seeds: unknown key here; it belongs under 'study:'"),
        ("    study: {}\n", "", r"targets\.small\.study: missing; write `study: \{\}`"),
        ("data: {path: data/small}", "data: data/small", r"write `data: \{path: data/small\}`"),
        ("data: {path: data/small}", "data: {path: x, labels_per_class: 0}", "labels_per_class: .*greater than"),
        (
            "study: {}",
            "study: {label_counts: [5, 2, 5]}",
            r"label_counts: every count once; twice: 5, found \[5, 2, 5\]",
        ),
        ("study: {}", "study: {label_counts: [0, 2]}", "label_counts: every count is at least 1 label per class"),
        (
            "data: {path: data/small}\n    study: {}",
            "data: {path: data/small, labels_per_class: 4}\n    study: {label_counts: [2, 8, 16]}",
            r"small\.study\.label_counts: 8, 16 labels per class are more than data\.labels_per_class: 4",
        ),
        ("evaluation: {}", "evaluation: {robustness_rows: -1}", "robustness_rows: .*greater than or equal to 0"),
        ("evaluation: {}", "evaluation: {shifts: {New York: {path: x}}}", r"shifts\.New York: a name is lower-case"),
        ("evaluation: {}", "evaluation: {shifts: {a: {pat: x}}}", r"shifts\.a\.pat: unknown key; did you mean 'path'"),
        (
            "evaluation: {}",
            "evaluation: {}\n    shifts: {}",
            r"shifts: unknown key here; it belongs under 'evaluation:'",
        ),
        ("study: {}", "study: {strategies: [fulll]}", "unknown strategy 'fulll'; did you mean 'full'?"),
        ("study: {}", "study: {strategies: ['champion:fulll']}", "'champion:fulll'; did you mean 'champion:full'?"),
        ("study: {}", "study: {strategies: [scratch]}", "unknown strategy 'scratch'"),
        ("study: {}", "study: {strategies: [last 120 %]}", "unknown strategy 'last 120 %'.*P is above 0 and at most"),
        ("study: {}", "study: {strategies: ['layers:']}", "unknown strategy 'layers:'"),
        ("study: {}", "study: {max_trials: 0}", "max_trials: .*greater than or equal to 1"),
        ("study: {}", "study: {report: paretto}", "study.report.0: .*'pareto', found 'paretto'"),
        ("study: {}", "study: {metric: auc}", "no 'auc'; it has accuracy, balanced_accuracy, auroc"),
        ("evaluation: {}", "evaluation: {min_sensitivity: 0.9}", "min_sensitivity needs `positive`"),
        ("evaluation: {}", "gates: {min_sensitivity: 0.9}", r"gates\.min_sensitivity: needs `evaluation\.positive`"),
        ("study: {}", "study: {sedes: 3}", r"study\.sedes: unknown key; did you mean 'seeds'\?"),
        ("  small:", "  Small One:", "a name is lower-case letters"),
        ("  small:", "  ../small:", "a name is lower-case letters"),
        ("targets:", "tragets:", r"tragets: unknown key; did you mean 'targets'\?"),
        ("{config: {model_type: resnet}}", "{}", "exactly one of config, checkpoint, hub"),
        ("{config: {model_type: resnet}}", "{config: {depth: 3}}", "needs a model_type"),
        ("model_type: resnet", "model_type: [", "not readable as YAML: while parsing .* at line \\d+, column"),
        (
            "model_type: resnet",
            "model_type: [resnet]",
            r"model_type is a word, such as resnet or bert, not \['resnet'\]",
        ),
        ("study: {}", "study: {learning_rates: [0.001, -1]}", "learning_rates: every learning rate is above 0, found"),
        (
            "study: {}",
            "study: {learning_rates: [.inf]}",
            r": 1 problem\(s\)\n  - .*learning_rates\.0: .* finite number",
        ),
        ("study: {}", "study: {learning_rates: [0.1, 0.1]}", r"learning_rates: every one once; twice: 0\.1"),
        ("study: {}", "study: {learning_rates: 0.1}", r"learning_rates: expected a list, such as \[0\.1\]"),
        ("study: {}", "study: {strategies: []}", "strategies: expected at least 1 in the list, found none"),
        ("study: {}", "study: {strategies: [full, full]}", "strategies: every one once; twice: full"),
        ("study: {}", "study: {margin: .inf}", "margin: .* finite number, found inf"),
        ("study: {}", "study: {budget_steps: true}", "budget_steps: expected a number, not a truth value, found True"),
        ("study: {}", "study: {label_counts: [true]}", "label_counts: expected a number, not a truth value"),
        ("evaluation: {}", "gates: {min_gain: .nan}", "min_gain: .* finite number, found nan"),
        ("evaluation: {}", "gates: []", r"gates: expected a mapping, found \[\]"),
        ("path: data/small", "path: ''", "data.path: expected the path of a file or folder, found ''"),
        ("path: data/small", r'path: "a\0b"', "data.path: expected the path of a file or folder"),
        ("path: data/small", "path: x, seed: -1", "data.seed: .*greater than or equal to 0, found -1"),
        (
            "path: data/small",
            "path: x, columns: {image: a, label: a}",
            "columns: a column is one thing; named twice: a",
        ),
        ("  small:", "  12:", r"targets\.12: a name is text, found 12; write it in quotes"),
        ("  small:", f"  {'a' * 101}:", "100 characters at the most"),
    ],
)
def test_what_is_wrong_is_said_with_the_way_out(read, old, new, message):
    with pytest.raises(CatalogError, match=message):
        read(EVALUATED.replace(old, new))


def test_a_catalogue_that_is_a_folder_is_said(tmp_path):
    with pytest.raises(CatalogError, match=r"cannot be read \(Is a directory\)"):
        load(tmp_path)


def test_layers_can_be_named_and_one_word_is_a_report(read):
    study = "study: {strategies: [last 25 %, top-7, top-50%, 'layers:*.layer.2.* + stem'], report: pareto}"
    target = read(GOOD.replace("study: {}", study)).target("small")
    assert len(target.study.strategies) == 4
    assert target.study.report == ("pareto",)


def test_problems_that_no_source_or_target_can_have_are_refused(read):
    source, target = GOOD.split("targets:")
    with pytest.raises(CatalogError, match="unknown problem 'image-clasification'; did you mean 'image-class"):
        read(source + "targets:" + target.replace("image-classification", "image-clasification"))
    with pytest.raises(CatalogError, match="text-classification reads text, but its source reads image"):
        read(source + "targets:" + target.replace("image-classification", "text-classification"))


TEXT = """
sources:
  plays:
    problem: text-generation
    data: {path: data/plays}
    backbone: {config: {model_type: gpt2, n_positions: 64}}
targets:
  moods:
    source: plays
    problem: text-classification
    data: {path: data/moods}
    study: {}
"""


def test_a_decoder_is_a_source_for_a_target_of_texts(read):
    assert read(TEXT).target("moods").source == "plays"


def test_a_decoder_is_a_source_for_a_target_that_goes_on_with_texts(read):
    assert read(TEXT.replace("text-classification", "text-generation")).target("moods").problem == "text-generation"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("gpt2", "bert", r"plays\.backbone\.config\.model_type: 'bert' reads texts in both directions.*such as gpt2"),
        ("text-generation", "masked-language-modelling", r"'gpt2' has no head for hidden tokens.*such as bert"),
        ("n_positions: 64", "n_positions: 32", r"plays\.pretraining\.max_tokens: 64 tokens do not fit.* for 32"),
        ("model_type: gpt2, n_positions", "model_type: roberta, max_position_embeddings", r"positions for 63"),
        ("n_positions: 64}}", "n_positions: 64}}\n    pretraining: {vocabulary_size: 257}", "at least 258"),
        ("text-classification", "masked-language-modelling", r"masked-language-modelling only pretrains"),
    ],
)
def test_text_networks_and_problems_that_make_no_sense_together_are_refused(read, old, new, message):
    with pytest.raises(CatalogError, match=message):
        read(TEXT.replace(old, new))


def test_every_problem_is_listed_at_once(read):
    with pytest.raises(CatalogError) as found:
        read(GOOD.replace("source: big", "sauce: big").replace("study: {}", "study: {seeds: none}"))
    assert len(found.value.problems) == 3  # the unknown key, the missing one, the wrong value
    assert found.value.exit_code == 2


def test_a_name_that_is_not_there_suggests_the_nearest(read):
    with pytest.raises(CatalogError, match="no target 'smal'; did you mean 'small'"):
        read(GOOD).target("smal")


def test_a_missing_catalogue_says_where_to_go(tmp_path):
    with pytest.raises(CatalogError, match="there is no catalogue here"):
        load(tmp_path / "params.yaml")
