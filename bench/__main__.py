"""Run the benchmarks: python -m bench [NAME...] [--repeats N] [--quick] [--only ROW] [--again] [--list]."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import BENCHMARKS

LEAST_REPEATS = 5
ROWS = "problems"  # the benchmark of which rows can be asked for
QUICK = Path(".graft/bench")  # what a quick run finds is no result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the arguments name and return the exit code: 0 unless a guard does not hold."""
    options = parse(arguments)
    if options.list:
        print("\n".join(BENCHMARKS))
        return 0
    # as the steps do, and before torch is loaded: on shared cores, threads that spin take the time of those that work
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from bench import harness, page, results, table

    folder, load = QUICK if options.quick else results.RESULTS, os.getloadavg()[0]
    holds = True
    for name in options.names or BENCHMARKS:
        wanted = {"only": options.only, "again": options.again} if name == ROWS else {}
        result = harness.run(name, BENCHMARKS[name], options.repeats, options.quick, load, **wanted)
        print(table.lines(result))
        print(f"written to {results.write(result, folder)}")
        holds &= result.holds
    if not options.quick:
        page.write()
    return 0 if holds else 1


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options; ends the program with code 2 where they make no run."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="The benchmarks, each against a named peer.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)}; none: all")
    parser.add_argument("--repeats", type=int, help=f"repeats of each comparison, at least {LEAST_REPEATS}")
    parser.add_argument("--quick", action="store_true", help=f"once and little, to see that it runs; kept in {QUICK}")
    parser.add_argument("--only", action="append", default=[], metavar="ROW", help=f"of {ROWS}: this row; repeatable")
    parser.add_argument("--again", action="store_true", help=f"of {ROWS}: also what was measured on the same code")
    parser.add_argument("--list", action="store_true", help="print the names")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in BENCHMARKS]:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    if (options.only or options.again) and options.names != [ROWS]:
        parser.error(f"--only and --again are of {ROWS}: python -m bench {ROWS} --only ROW")
    if options.repeats is None:
        options.repeats = 1 if options.quick else LEAST_REPEATS
    if options.repeats < (1 if options.quick else LEAST_REPEATS):
        parser.error(f"{options.repeats} repeats make no result; at least {LEAST_REPEATS}, or --quick")
    return options


if __name__ == "__main__":
    sys.exit(main())
