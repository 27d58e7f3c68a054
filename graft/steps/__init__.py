"""The programs that DVC and Prefect call: `python -m graft.steps adapt digits`."""
