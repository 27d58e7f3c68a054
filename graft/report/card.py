"""The model card: what Hugging Face shows of a model, in Markdown below a YAML header."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML

from graft import __version__
from graft.evaluation.verdict import HEADLINE, sentence
from graft.report.label_curve import multiplier_sentence
from graft.report.page import environment

HUB = {"macro_f1": "f1", "auroc": "roc_auc"}  # what the hub calls a metric, where it is not what we do


def render_card(study: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """Return README.md of a package."""
    body = environment(html=False).get_template("card.md.j2").render(
        study=study,
        metrics=metrics,
        headline=HEADLINE[metrics["verdict"]],
        sentence=sentence(metrics),
        worth=multiplier_sentence(metrics) if metrics["label_multiplier"] is not None else "",
        labels=[_inline(label) for label in study["labels"]],
        version=__version__,
    )  # fmt: skip
    return f"---\n{_header(metrics)}---\n\n{body}"


def _header(metrics: Mapping[str, Any]) -> str:
    """Return the card's metadata (huggingface.co/docs/hub/model-cards, section model-index)."""
    found = {
        HUB.get(metrics["metric"], metrics["metric"]): metrics["transfer"],
        **{HUB.get(name, name): metrics[name] for name in metrics["further"] if " " not in name},
    }
    result = {
        "task": {"type": metrics["problem"]},
        "dataset": {"name": metrics["target"], "type": metrics["target"]},
        "metrics": [{"type": kind, "value": round(value, 4)} for kind, value in found.items()],
    }
    header = {
        "library_name": "transformers",
        "pipeline_tag": metrics["problem"],
        "tags": ["graft", "transfer-learning"],
        "metrics": list(found),
        "model-index": [{"name": metrics["target"], "results": [result]}],
    }
    stream = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.dump(header, stream)
    return stream.getvalue()


def _inline(label: str) -> str:
    """Return a label as inline code on one line, whatever is in it."""
    return f"`{' '.join(label.replace('`', chr(39)).split())}`"
