"""Machines die: a team's stack under kill -9, and what must hold all the same. `make chaos` runs it."""
