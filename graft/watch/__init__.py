"""Drift: recent inputs without labels against those that a champion was made with. Effect sizes, no p-values."""
