"""The benchmarks, each against a named peer in one run; this literal is their registry.

A benchmark is a module with `TITLE`, `METHOD` (how it measures, as its page says it) and
`comparisons(quick)`, which prepares and yields one `Comparison` after another; it may have
`conclude(measured, quick)`, which says what all of them come to, or what was found without a clock.
"""

BENCHMARKS = {
    "input": "bench.input",
    "orchestration": "bench.orchestration",
    "prefix": "bench.prefix",
    "scores": "bench.scores",
    "fusion": "bench.fusion",
    "study": "bench.study",
    "decisions": "bench.decisions",
    "problems": "bench.problems",
}
