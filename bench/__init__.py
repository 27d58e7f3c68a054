"""The benchmarks, each against a named peer in one run; this literal is their registry.

A benchmark is a module with `TITLE`, `METHOD` (how it measures, as its page says it) and
`comparisons(quick)`, which prepares and yields one `Comparison` after another.
"""

BENCHMARKS = {"input": "bench.input", "orchestration": "bench.orchestration", "prefix": "bench.prefix"}
BENCHMARKS["scores"] = "bench.scores"
