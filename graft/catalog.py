"""The catalogue: every source and every target of the team, read from params.yaml.

Each section of an entry is a unit of currency: DVC tracks `data`, `study` and the rest separately, so
that another seed does not repeat the checks and another gate does not repeat the training.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from graft.errors import CatalogError

Verdict = Literal["helps", "neutral", "hurts", "cannot-tell"]
Probe = Literal["knn", "ridge_probe", "logistic_probe"]
NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


class Section(BaseModel):
    """A frozen part of the catalogue; keys nobody knows are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=())


class Checks(Section):
    """Thresholds of the data checks."""

    max_duplicate_share: float = Field(0.1, ge=0, le=1)
    """Warning above this share of rows that occur more than once within a split."""
    max_leaked_share: float = Field(0.0, ge=0, le=1)
    """Error above this share of test rows that also occur in the training split."""
    max_contaminated_share: float = Field(0.0, ge=0, le=1)
    """Error above this share of target test rows that occur in the source's training data."""
    max_near_duplicate_share: float = Field(0.2, ge=0, le=1)
    """Warning above this share of images whose perceptual hash equals another image's."""
    max_alike_share: float = Field(0.01, ge=0, le=1)
    """Warning above this share of test texts that equal a training text but for case, spaces and punctuation."""
    max_conflict_share: float = Field(0.01, ge=0, le=1)
    """Warning above this share of rows whose identical input carries another label elsewhere."""
    max_imbalance: float = Field(10.0, ge=1)
    """Warning when the largest training class has more than this many times the rows of the smallest."""
    min_image_side: int = Field(8, ge=1)
    """Warning for images whose shorter side has fewer pixels."""
    max_image_side: int = Field(8192, ge=1)
    """Warning for images whose longer side has more pixels."""
    max_void_share: float = Field(0.5, ge=0, le=1)
    """Warning for masks with more than this share of pixels that nobody labelled."""
    min_box_side: float = Field(2.0, ge=0)
    """Warning for images with a box of which a side has fewer pixels."""
    min_characters: int = Field(1, ge=0)
    """Error for texts with fewer characters (after stripping white space)."""
    max_characters: int = Field(100_000, ge=1)
    """Warning for texts with more characters."""
    max_unknown_share: float = Field(0.1, ge=0, le=1)
    """Warning above this share of unknown tokens."""
    min_clip_seconds: float = Field(0.05, ge=0)
    """Warning for clips that are shorter."""
    max_clip_seconds: float = Field(30.0, gt=0)
    """Warning for clips that are longer."""
    min_sampling_rate: int = Field(8000, ge=1)
    """Warning for clips with fewer samples a second."""
    max_pace: float = Field(30.0, gt=0)
    """Warning for transcripts of more characters for each second of their clip: the clip may be cut, or another one."""
    max_clipped_share: float = Field(0.01, ge=0, le=1)
    """Warning for clips with more than this share of their samples at full scale."""
    min_decibels: float = Field(-60.0, le=0)
    """Warning for clips with a lower level (root mean square, in dB of full scale): silence."""


class Data(Section):
    """What the rows are and how they are divided."""

    path: str
    """A folder or file: parquet, CSV, JSON, plain text, folders of images, audio, masks, a saved `datasets` folder."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Which column is which, as `image: scan`, where type and name do not tell."""
    group: str | None = None
    """Column whose values must not be on both sides of a split (patient, author, module)."""
    labels_per_class: int | None = Field(None, ge=1)
    """Labelled rows per class that the study may use; none means all training rows."""
    labels: int | None = Field(None, ge=2)
    """Labelled rows that the study may use, where the problem has no classes; none means all training rows."""
    test_share: float = Field(0.2, gt=0, lt=1)
    """About the share of rows for test, where the data has no test split of its own."""
    validation_share: float = Field(0.1, gt=0, lt=1)
    """Share of training rows for validation, where one is needed and the data has none."""
    seed: int = 0
    """Seed of the splits that Graft makes."""
    checks: Checks = Checks()
    """Thresholds of the data checks."""


class Backbone(Section):
    """The network: new from a `config`, or an existing `checkpoint` (a local folder), or a `hub` id."""

    config: dict[str, Any] | None = None
    """A transformers configuration with its `model_type`, for random weights."""
    checkpoint: str | None = None
    """A local folder with `config.json` and `model.safetensors`."""
    hub: str | None = None
    """A hub id such as `google-bert/bert-base-uncased`."""
    revision: str | None = None
    """Revision of the hub id."""
    digest: str | None = None
    """sha256 of the checkpoint's weights: a changed file at the same path is then noticed."""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        given = [name for name in ("config", "checkpoint", "hub") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"exactly one of config, checkpoint, hub is needed, found {', '.join(given) or 'none'}")
        if self.config is not None and "model_type" not in self.config:
            raise ValueError("config needs a model_type, such as resnet or bert")
        return self


class Optimization(Section):
    """How any training run goes: AdamW, linear warmup, cosine decay, clipped gradients."""

    batch_size: int = Field(32, ge=1)
    """Rows per optimizer step."""
    weight_decay: float = Field(0.01, ge=0)
    """Decoupled weight decay, on trained matrices only."""
    warmup_share: float = Field(0.1, ge=0, lt=1)
    """Share of the steps over which the learning rate rises."""
    clip: float = Field(1.0, gt=0)
    """Largest gradient norm."""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """Probability mass spread over the other classes."""


class Pretraining(Optimization):
    """How the source is trained; zero epochs take a checkpoint as it is."""

    epochs: int = Field(10, ge=0)
    """Passes over the source's training rows at the most."""
    learning_rate: float = Field(1e-3, gt=0)
    """Peak learning rate."""
    patience: int = Field(3, ge=1)
    """Epochs without a better validation loss after which training ends."""
    seed: int = 0
    """Seed of weights, order, masking and dropout."""
    image_size: int = Field(32, ge=4)
    """Side of the square that images are resized to, where the processor is made here."""
    max_tokens: int = Field(64, ge=4)
    """Tokens kept of a text; for text generation, tokens that a text is predicted in at once."""
    vocabulary_size: int = Field(4000, ge=100)
    """Entries of a tokenizer trained here."""
    sampling_rate: int | None = Field(None, ge=1000, le=96000)
    """Samples a second of audio, where the processor is made here; none: as most clips have, 16000 at most."""
    clip_seconds: float = Field(10.0, gt=0)
    """Seconds kept of a clip, where the processor is made here."""
    language: str | None = None
    """Language of the transcripts, such as `en`, for a Whisper that knows several; none: as its checkpoint says."""


class Study(Optimization):
    """The search over strategies for one target."""

    strategies: tuple[str, ...] = ("linear-probe", "top-1", "top-2", "top-half", "full", "lp-ft")
    """Strategies to try; the scratch control always runs beside them."""
    metric: str | None = None
    """Headline metric: what selection, verdict, label curve, robustness and gates go by. None: the usual one."""
    seeds: int = Field(3, ge=2)
    """Seeds of each strategy, and models trained for the final comparison."""
    learning_rates: tuple[float, ...] = Field((1e-3,), min_length=1)
    """Peak learning rates to try, for the control as for the strategies."""
    budget_steps: int = Field(100, ge=1)
    """Optimizer steps of one trial."""
    max_trials: int | None = Field(None, ge=1)
    """Trials of the search at the most, the control's among them; final models come on top. None: no limit."""
    max_steps: int | None = Field(None, ge=1)
    """Optimizer steps of the search at the most, counted like `max_trials`. None: no limit."""
    max_seconds: float | None = Field(None, gt=0)
    """Seconds that trials and final models may take; what is compared then depends on the machine. None: no limit."""
    batch_size: int = Field(16, ge=1)
    """Rows per optimizer step."""
    halving: int = Field(2, ge=1)
    """After 2, 4, 8 trials and so on one candidate in this many goes on, and all that could be chosen; 1 drops none."""
    prune: tuple[Probe, ...] = ()
    """Scores that must all put a depth clearly behind a lower one for it to be left out; none: every depth is tried."""
    folds: int = Field(5, ge=2)
    """Folds of the selection where labels are few."""
    few_labels: int = Field(50, ge=0)
    """Below this many labels of the smallest class selection is by k-fold, from it on by a validation part."""
    patience: int = Field(5, ge=1)
    """Validation measurements without a better loss after which a trial ends (validation part only)."""
    max_forgetting: float | None = Field(None, ge=0)
    """Most of its own metric that the source may lose in a candidate's trials; none: forgetting decides nothing."""
    replay: float = Field(0.0, ge=0, lt=1)
    """Share of each step that goes to training rows of the source, while layers below the head train."""
    margin: float = Field(0.01, ge=0)
    """Gain that matters: what the verdict holds its interval against, and the most a cheaper choice may give away."""
    confidence: float = Field(0.95, gt=0.5, lt=1)
    """Coverage of every interval."""
    resamples: int = Field(2000, ge=100)
    """Bootstrap resamples."""
    warm_start: bool = True
    """Whether the search goes on from an earlier one of nearly the same labelled rows, none of them a test row now."""
    report: tuple[Literal["pareto"], ...] = ("pareto",)
    """What the report draws of the search beside its verdict; one word needs no list."""

    @field_validator("report", mode="before")
    @classmethod
    def _one_word(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    label_counts: tuple[int, ...] | None = None
    """Labels per class where the label curve is measured, beside the whole budget; none: log-spaced; `[]`: no curve."""

    @field_validator("label_counts")
    @classmethod
    def _counts_can_be_drawn(cls, counts: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if twice := sorted({count for count in counts or () if (counts or ()).count(count) > 1}):
            raise ValueError(f"every count once; twice: {', '.join(map(str, twice))}")
        if any(count < 1 for count in counts or ()):
            raise ValueError("every count is at least 1 label per class")
        return counts


class Shift(Section):
    """Another labelled dataset with the target's labels, from elsewhere: measured, never trained on."""

    path: str
    """A folder or file, as for `data`; its test split where it has one, else all its rows."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Which column is which, where type and name do not tell."""
    digest: str | None = None
    """sha256 of its files: a changed file at the same path is then noticed, by DVC too."""


class Evaluation(Section):
    """What is measured on test beside the verdict; a change trains nothing again."""

    robustness_rows: int = Field(500, ge=0)
    """Test rows on which corruptions are measured, at the most; 0 leaves corruptions out."""
    shifts: dict[str, Shift] = Field(default_factory=dict)
    """Shift sets by name: the same labels under other circumstances."""
    positive: str | None = None
    """Label of two that is to be found, such as an illness: sensitivity and specificity are measured at a threshold."""
    min_sensitivity: float | None = Field(None, gt=0, le=1)
    """Sensitivity that the threshold must have on rows held out of training. None: Youden's J chooses it."""

    @model_validator(mode="after")
    def _sensitive_to_something(self) -> Self:
        if self.min_sensitivity is not None and self.positive is None:
            raise ValueError("min_sensitivity needs `positive`, the label that is to be found")
        return self

    def positive_among(self, labels: Sequence[str]) -> int | None:
        """Return the place of `positive` among a target's labels; raises CatalogError where it has none there."""
        if self.positive is None:
            return None
        found = f"the labels are {', '.join(labels)}"
        if len(labels) != 2:
            raise CatalogError(
                f"evaluation.positive: a threshold parts two labels, and there are {len(labels)}; {found}"
            )
        if self.positive not in labels:
            raise CatalogError(f"evaluation.positive: no label '{self.positive}'; {found}")
        return labels.index(self.positive)


class Gates(Section):
    """The conditions under which a candidate becomes champion; a gate that cannot be evaluated has failed."""

    verdicts: tuple[Verdict, ...] = ("helps",)
    """Verdicts that may be promoted."""
    min_gain: float = 0.0
    """Least gain over the scratch control."""
    max_forgetting: float | None = Field(None, ge=0)
    """Most that the source's own metric may lose; none: not asked."""
    max_ece: float | None = Field(None, ge=0, le=1)
    """Largest expected calibration error after temperature scaling; none: not asked."""
    min_sensitivity: float | None = Field(None, ge=0, le=1)
    """Least sensitivity on test at the threshold (see `evaluation.positive`); none: not asked."""
    non_inferiority_margin: float = Field(0.01, ge=0)
    """The interval of the difference to the champion must lie above minus this, and its mean above zero."""
    approval: bool = False
    """Whether a person must promote what passes all of these; until then it awaits approval."""


class Watch(Section):
    """How recent inputs are held against those that the champion was made with; a change trains nothing again."""

    data: str | None = None
    """Recent inputs without labels, as for `data.path`. None: `graft watch --data` and the flow's parameter name it."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Which column is which, where type and name do not tell."""
    max_auc: float = Field(0.7, ge=0.5, le=1)
    """Drift above this AUC of a classifier that tells recent inputs from those of then; 0.5 is guessing."""
    max_psi: float = Field(0.2, gt=0)
    """Drift above this population stability index of a column, or of the predicted labels."""


class Retraining(Section):
    """When a retraining is worth its cost; a change trains nothing again."""

    choice: Literal["auto", "train", "ask"] = "auto"
    """`auto` goes by the estimate, `train` trains whatever is stale, `ask` waits for a person in the dashboard."""
    min_gain: float | None = None
    """`auto` skips a training that should gain less of the headline metric. None: `study.margin`."""
    ask_hours: float = Field(12.0, gt=0)
    """How long `ask` waits; after it the target is skipped until the next retraining."""


class Source(Section):
    """A dataset and a pretraining recipe, or an existing checkpoint; its product is a source checkpoint."""

    problem: str
    """What the source is trained to predict."""
    data: Data
    """The source's rows."""
    backbone: Backbone
    """The network."""
    pretraining: Pretraining = Pretraining()
    """How it is trained."""


class Target(Section):
    """A small labelled dataset, adapted from one source."""

    source: str
    """Name of the source."""
    problem: str
    """What is predicted."""
    data: Data
    """The target's rows."""
    study: Study
    """The search; `{}` takes every default."""
    evaluation: Evaluation = Evaluation()
    """What is measured beside the verdict; `{}` takes every default."""
    gates: Gates = Gates()
    """When a candidate is promoted."""
    watch: Watch = Watch()
    """How drift is found; `{}` takes every default."""
    retraining: Retraining = Retraining()
    """When a retraining trains; `{}` takes every default."""


Entry = TypeVar("Entry", bound=Section)


class Catalog(Section):
    """Every source and target of the team."""

    sources: dict[str, Source] = Field(default_factory=dict)
    """Sources by name."""
    targets: dict[str, Target] = Field(default_factory=dict)
    """Targets by name."""

    def source(self, name: str) -> Source:
        """Return the source of that name; raises CatalogError naming the nearest."""
        return _named(self.sources, name, "source")

    def target(self, name: str) -> Target:
        """Return the target of that name; raises CatalogError naming the nearest."""
        return _named(self.targets, name, "target")


def nearest(word: str, known: Iterator[str] | list[str]) -> str:
    """Return a `did you mean` clause for `word`, or the known names when none is near."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"known: {', '.join(names) or 'none yet'}"


def load(path: Path | None = None) -> Catalog:
    """Read and validate the catalogue; raises CatalogError listing every problem at once.

    Names of problems and strategies and references between entries are checked too, so that nothing
    starts on a catalogue that cannot finish.
    """
    from graft.settings import settings

    path = path or settings().params
    raw = _parse(path)
    try:
        catalog = Catalog.model_validate(raw)
    except ValidationError as error:
        problems = [_explain(dict(problem)) for problem in error.errors()]
        raise CatalogError(f"{path}: {len(problems)} problem(s)", problems, "See docs/catalogue.md.") from None
    # By name: what a step imports is what DVC watches, and a new strategy is no reason to pretrain again.
    if problems := list(import_module("graft.consistency").find_inconsistencies(catalog)):
        raise CatalogError(f"{path}: {len(problems)} problem(s)", problems, "See docs/catalogue.md.")
    return catalog


def _parse(path: Path) -> dict[str, Any]:
    try:
        raw = YAML(typ="safe").load(path.read_text())
    except FileNotFoundError:
        raise CatalogError(
            f"{path}: there is no catalogue here",
            advice="Run graft in the folder that holds params.yaml, or set GRAFT_PARAMS.",
        ) from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise CatalogError(f"{path}: not readable as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise CatalogError(f"{path}: expected the keys sources and targets, found {type(raw).__name__}")
    return {key: value if value is not None else {} for key, value in raw.items()}


def _explain(problem: dict[str, Any]) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    match problem["type"]:
        case "extra_forbidden":
            key = str(problem["loc"][-1])
            section = _section_at(problem["loc"][:-1])
            elsewhere = [name for name, field in section.model_fields.items() if key in _keys(field.annotation)]
            if elsewhere:
                return f"{place}: unknown key here; it belongs under '{elsewhere[0]}:'"
            return f"{place}: unknown key; {nearest(key, list(section.model_fields))}"
        case "missing" if problem["loc"][-1] == "study":
            return f"{place}: missing; write `study: {{}}` to take every default"
        case "missing":
            return f"{place}: missing"
        case "model_type" if problem["loc"][-1] == "data":
            return (
                f"{place}: expected a mapping, found {problem['input']!r}; write `data: {{path: {problem['input']}}}`"
            )
        case _:
            return f"{place}: {problem['msg'].removeprefix('Value error, ')}, found {problem['input']!r}"


def _section_at(location: tuple[str | int, ...]) -> type[Section]:
    """Return the model that validates the mapping at a location of the catalogue."""
    section: type[Section] = Catalog
    keys = [location[0], *location[2:]] if location else []  # what the user named it says nothing about its model
    for key in keys:
        field = section.model_fields.get(str(key))
        section = next(_models(field.annotation), section) if field else section
    return section


def _models(annotation: Any) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _keys(annotation: Any) -> set[str]:
    return {key for model in _models(annotation) for key in model.model_fields}


def _named(entries: Mapping[str, Entry], name: str, kind: str) -> Entry:
    try:
        return entries[name]
    except KeyError:
        raise CatalogError(f"params.yaml: no {kind} '{name}'; {nearest(name, list(entries))}") from None
