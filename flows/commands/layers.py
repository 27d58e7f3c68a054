"""graft layers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flows.terminal import print_json, print_table
from graft.catalog import Catalog, Source, load, nearest
from graft.errors import CatalogError, CheckpointError
from graft.problems import Problem

Groups = Sequence[Mapping[str, Any]]


def layers(name: str, as_json: bool, wishes: Sequence[str] = ()) -> None:
    """Print the layer groups of a source, or of the source of a target, and which of them the wishes name."""
    catalog = load()
    groups, origin = find_groups(name, catalog)
    matched = match(name, catalog, wishes) if wishes else ()
    if wishes:
        groups = [{**group, "matched": group["name"] in matched} for group in groups]
    if as_json:
        print_json({"name": name, "from": origin, "groups": list(groups)})
        return
    total = sum(group["parameters"] for group in groups)
    rows = [
        (place, group["name"], f"{group['parameters']:,}", f"{group['parameters'] / total:.1%}", _trained(group))
        for place, group in enumerate(groups, start=1)
    ]
    print(f"{name}: {len(groups)} layer groups, {total:,} parameters, from {origin}")
    marks = [("yes" if group["name"] in matched else "",) if wishes else () for group in groups]
    columns = ("", "group", "parameters", "share", "trained", *(("matched",) if wishes else ()))
    print_table(columns, [(*row, *mark) for row, mark in zip(rows, marks, strict=True)], right=("parameters", "share"))


def match(name: str, catalog: Catalog, wishes: Sequence[str]) -> tuple[str, ...]:
    """Return the groups that a user's words name; raises CatalogError where they name nothing, or everything."""
    from graft.backbones import layer_groups, select_groups

    source = catalog.targets[name].source if name in catalog.targets else name
    model, _ = _network(source, catalog.sources[source])
    return select_groups(layer_groups(model), list(wishes))


def find_groups(name: str, catalog: Catalog) -> tuple[Groups, str]:
    """Return the groups and where they were read: a study, a checkpoint, or the catalogue's own words."""
    if name in catalog.targets:
        study = Path("runs") / name / "study.json"
        if study.is_file():
            return json.loads(study.read_text())["groups"], str(study)
        name = catalog.targets[name].source
    if name not in catalog.sources:
        known = nearest(name, [*catalog.sources, *catalog.targets])
        raise CatalogError(f"params.yaml: no source or target '{name}'; {known}")
    made = Path("checkpoints") / name / "source.json"
    if made.is_file():
        return json.loads(made.read_text())["groups"], str(made)
    from graft.backbones import layer_groups

    model, origin = _network(name, catalog.sources[name])
    return [{"name": group.name, "parameters": group.parameters} for group in layer_groups(model)], origin


def _network(name: str, source: Source) -> tuple[Any, str]:
    """Return a source's network and where it is from; without its data, the head is counted for two classes."""
    from graft.backbones import build, fetch
    from graft.backbones import load as load_model
    from graft.problems import PROBLEMS

    problem, config = PROBLEMS[source.problem], source.backbone.config
    made = Path("checkpoints") / name
    if (made / "config.json").is_file():
        return load_model(made, problem), str(made)
    if config is None:
        folder = fetch(source.backbone)
        model, origin = _load(folder, problem), str(folder)
    else:
        if problem.modality == "text":
            config = {"vocab_size": source.pretraining.vocabulary_size, **config}
        model = build(problem, config, ("0", "1") if "label" in problem.columns else (), 0)
        origin = "the config in params.yaml"
    counted = " (head counted for two classes)" if "label" in problem.columns else ""
    return model, origin + counted


def _load(folder: Path, problem: Problem) -> Any:
    """Return a checkpoint's model, with a new head where a source that only pretrains would put one on it."""
    from graft.backbones import load as load_model

    try:
        return load_model(folder, problem, ("0", "1") if "label" in problem.columns else None)
    except CheckpointError:
        if not problem.pretrains_only:
            raise
        return load_model(folder, problem, ())


def _trained(group: Mapping[str, Any]) -> str:
    return {True: "yes", False: "frozen"}.get(group.get("trained"), "")
