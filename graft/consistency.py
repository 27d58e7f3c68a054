"""What a catalogue must agree on with itself and with what Graft knows: names, references, modalities."""

from collections.abc import Iterator

from graft.backbones.rules import find_misfits
from graft.catalog import NAME, Catalog, Source, Target, nearest
from graft.problems import PROBLEMS
from graft.problems.networks import find_misfit, find_misfit_of_frame, find_text_misfits
from graft.problems.problem import has_classes
from graft.strategies import CHAMPION, STRATEGIES, find_strategy


def find_inconsistencies(catalog: Catalog) -> Iterator[str]:
    """Yield one sentence for each unknown name and each pair of entries that do not fit together."""
    yield from _names(catalog)
    for name, source in catalog.sources.items():
        yield from _networks(name, source)
    for name, target in catalog.targets.items():
        if target.source not in catalog.sources:
            known = nearest(target.source, list(catalog.sources))
            yield f"targets.{name}.source: unknown source '{target.source}'; {known}"
        yield from _modalities(catalog, name)
        yield from _head(catalog, name)
        for strategy in target.study.strategies:
            if not _is_tunable(strategy):
                begun = CHAMPION if strategy.startswith(CHAMPION) else ""
                known = nearest(strategy, [begun + plan for plan in STRATEGIES if _is_tunable(begun + plan)])
                others = "; others: top-K, 'last P %', layers:WORDS, champion:NAME, where P is above 0 and at most 100"
                yield f"targets.{name}.study.strategies: unknown strategy '{strategy}'; {known}{others}"
        if all(strategy.startswith(CHAMPION) for strategy in target.study.strategies):
            yield f"targets.{name}.study.strategies: all begin from a champion, and the first study has none; add full"
        yield from _counts(name, target)
        yield from _metric(name, target)
        yield from _positive(name, target)


def _networks(name: str, source: Source) -> Iterator[str]:
    """Yield what cannot work in the configuration of a new network: one that exists is looked at when it is loaded."""
    problem, config, recipe = PROBLEMS.get(source.problem), source.backbone.config, source.pretraining
    if problem is None or config is None:
        return
    if problem.from_checkpoint:
        yield (
            f"sources.{name}.backbone.config: {problem.name} goes on from a checkpoint, which has a tokenizer; write"
            " `backbone: {hub: openai/whisper-tiny}` or `backbone: {checkpoint: FOLDER}`"
        )
    elif problem.modality == "text":
        for key, wrong in find_text_misfits(problem.auto_model, config, recipe.max_tokens, recipe.vocabulary_size):
            yield f"sources.{name}.{key}: {wrong}"
    elif problem.modality == "image":
        for misfit in find_misfits(config, recipe.image_size):
            yield f"sources.{name}.backbone.config: {misfit}"
        if "model_type" in config and (misplaced := find_misfit(problem.auto_model, config)):
            yield f"sources.{name}.backbone.config.model_type: {misplaced}"


def _head(catalog: Catalog, name: str) -> Iterator[str]:
    """Yield why a target's head cannot stand on the network of a source of another problem, where that is known."""
    target = catalog.targets[name]
    source, problem = catalog.sources.get(target.source), PROBLEMS.get(target.problem)
    if source is None or problem is None or source.problem == target.problem:
        return
    config = source.backbone.config or {}
    if "model_type" not in config or not (misfit := find_misfit(problem.auto_model, config)):
        return
    if problem.frames:
        misfit = find_misfit_of_frame(config)
    if misfit:
        yield f"targets.{name}.source: {misfit}"


def _counts(name: str, target: Target) -> Iterator[str]:
    """Yield the label counts that the labelled budget cannot have; one without a number is known after reading."""
    budget = target.data.labels_per_class or target.data.labels
    over = [count for count in target.study.label_counts or () if budget is not None and count > budget]
    if over:
        yield (
            f"targets.{name}.study.label_counts: {', '.join(map(str, over))} labels per class are more than"
            f" data.labels_per_class: {budget}; the whole budget is always the last point"
        )


def _metric(name: str, target: Target) -> Iterator[str]:
    """Yield what is wrong with the headline metric that a target chooses."""
    problem, asked = PROBLEMS.get(target.problem), target.study.metric
    if problem is not None and asked is not None and asked not in (known := problem.metrics or (problem.metric,)):
        yield f"targets.{name}.study.metric: {problem.name} has no '{asked}'; it has {', '.join(known)}"


def _positive(name: str, target: Target) -> Iterator[str]:
    """Yield where a threshold is asked for that nothing could have."""
    problem, positive = PROBLEMS.get(target.problem), target.evaluation.positive
    if problem is not None and positive is not None and not has_classes(problem):
        yield f"targets.{name}.evaluation.positive: {problem.name} does not tell two labels apart"
    if target.gates.min_sensitivity is not None and positive is None:
        yield f"targets.{name}.gates.min_sensitivity: needs `evaluation.positive`, the label that is to be found"


def _is_tunable(strategy: str) -> bool:
    try:
        return find_strategy(strategy).begins != "nothing"
    except KeyError:
        return False


def _names(catalog: Catalog) -> Iterator[str]:
    entries = [(f"sources.{name}", name, source.problem) for name, source in catalog.sources.items()]
    entries += [(f"targets.{name}", name, target.problem) for name, target in catalog.targets.items()]
    for place, name, problem in entries:
        yield from _name(place, name)
        if problem not in PROBLEMS:
            yield f"{place}.problem: unknown problem '{problem}'; {nearest(problem, list(PROBLEMS))}"
    for name, target in catalog.targets.items():
        for shift in target.evaluation.shifts:
            yield from _name(f"targets.{name}.evaluation.shifts.{shift}", shift)


def _name(place: str, name: str) -> Iterator[str]:
    if not NAME.fullmatch(name):
        yield (
            f"{place}: a name is lower-case letters, digits, '-' and '_', begins with a letter or digit and has 100"
            " characters at the most"
        )


def _modalities(catalog: Catalog, name: str) -> Iterator[str]:
    target = catalog.targets[name]
    source = catalog.sources.get(target.source)
    if source is None or source.problem not in PROBLEMS or target.problem not in PROBLEMS:
        return
    ours, theirs = PROBLEMS[target.problem], PROBLEMS[source.problem]
    if ours.modality != theirs.modality:
        yield f"targets.{name}: {ours.name} reads {ours.modality}, but its source reads {theirs.modality}"
    if ours.pretrains_only:
        yield (
            f"targets.{name}.problem: {ours.name} only pretrains: it has no labels to adapt to, so it can only be a"
            " source's problem"
        )
    elif not has_classes(ours) and target.data.labels_per_class is not None:
        yield f"targets.{name}.data.labels_per_class: {ours.name} has no classes; `labels` is the number of rows"
    if has_classes(ours) and target.data.labels is not None:
        yield f"targets.{name}.data.labels: {ours.name} has classes; `labels_per_class` is the number of rows of each"
