"""graft layers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flows.terminal import print_json, print_table
from graft.catalog import Catalog, Source, load, nearest
from graft.errors import CatalogError

Groups = Sequence[Mapping[str, Any]]


def layers(name: str, as_json: bool) -> None:
    """Print the layer groups of a source, or of the source of a target."""
    groups, origin = find_groups(name, load())
    if as_json:
        print_json({"name": name, "from": origin, "groups": list(groups)})
        return
    total = sum(group["parameters"] for group in groups)
    rows = [
        (place, group["name"], f"{group['parameters']:,}", f"{group['parameters'] / total:.1%}", _trained(group))
        for place, group in enumerate(groups, start=1)
    ]
    print(f"{name}: {len(groups)} layer groups, {total:,} parameters, from {origin}")
    print_table(("", "group", "parameters", "share", "trained"), rows, right=("parameters", "share"))


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
    return _describe(catalog.sources[name])


def _describe(source: Source) -> tuple[Groups, str]:
    """Build or load the network without its data; the head is counted for two classes then."""
    from graft.backbones import build, fetch, layer_groups
    from graft.backbones import load as load_model
    from graft.problems import PROBLEMS

    problem, config = PROBLEMS[source.problem], source.backbone.config
    if config is None:
        folder = fetch(source.backbone)
        model, origin = load_model(folder, problem, ("0", "1") if "label" in problem.columns else None), str(folder)
    else:
        if problem.modality == "text":
            config = {"vocab_size": source.pretraining.vocabulary_size, **config}
        model = build(problem, config, ("0", "1") if "label" in problem.columns else (), 0)
        origin = "the config in params.yaml"
    counted = " (head counted for two classes)" if "label" in problem.columns else ""
    groups = [{"name": group.name, "parameters": group.parameters} for group in layer_groups(model)]
    return groups, origin + counted


def _trained(group: Mapping[str, Any]) -> str:
    return {True: "yes", False: "frozen"}.get(group.get("trained"), "")
