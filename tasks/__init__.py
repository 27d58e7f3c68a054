"""How a step runs: one DVC stage in one child process, reported to the dashboard, leaving nothing behind."""
