"""A frozen part of the catalogue, and what a name and a path in it look like."""

import re
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
"""A folder and a stage are called so, with words around it: no file system takes more than 255 bytes."""


class Section(BaseModel):
    """A frozen part of the catalogue; keys nobody knows are refused, and so are numbers that are not finite."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=(), allow_inf_nan=False
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value_is_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse what Python takes for 1: `labels_per_class: true` would quietly be one row a class."""
        kinds = _kinds(cls.model_fields[str(info.field_name)].annotation)
        given = value if isinstance(value, list | tuple) else [value]
        if kinds & {int, float} and bool not in kinds and any(isinstance(one, bool) for one in given):
            raise ValueError("expected a number, not a truth value")
        return value


def given_path(path: str | None) -> str | None:
    """Return a path that can be one; raises ValueError for one that no file can have."""
    if path is not None and (not path.strip() or "\0" in path):
        raise ValueError("expected the path of a file or folder")
    return path


def _kinds(annotation: Any) -> set[Any]:
    return {annotation}.union(*map(_kinds, get_args(annotation)))
