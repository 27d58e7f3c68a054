"""Which source for a target: cheap scores, and what past studies say such scores are worth here."""
