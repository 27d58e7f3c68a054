"""A frozen part of the catalogue, and what a name in it looks like."""

import re

from pydantic import BaseModel, ConfigDict

NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


class Section(BaseModel):
    """A frozen part of the catalogue; keys nobody knows are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=())
