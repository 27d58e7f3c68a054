"""Great Expectations over derived tables: content, leakage, contamination."""

from graft.checks.check import check, write

__all__ = ["check", "write"]
