"""Graft: transfer learning that a team can schedule, watch and trust.

This package is the pure library: what each step does. It never imports prefect, dvc's Python
interface or the flows; `tasks` runs its steps, `flows` puts them in order.
"""

__version__ = "0.1.0"
