"""What the steps cost beyond the training itself: five programs against one script that calls the same library."""

import importlib.util
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import torch

from bench.harness import Comparison, Round, Runner
from bench.results import Guard, Scale
from bench.rows import ROOT, build_bundled
from graft.manifest import sha256

TITLE = "Orchestration"
METHOD = """\
The bundled digits with a tiny budget, from raw rows to a verdict, on one thread of the CPU, whose bits repeat. Ours is
check-source, pretrain, check-target, adapt and evaluate as `python -m graft.steps` programs, one process each, as DVC
runs them. The bare script calls the library to read, train, search, predict and save, and has no checks, no manifests,
no forgetting and no report. The second peer calls the five steps in one process. What ours takes longer hardly grows
with the training, so it is stated as its share of a run of ten minutes. The aim is what four more starts of torch take,
at three seconds each. Prefect and DVC are not in it: they add a flow, and one `dvc repro` for each step."""

TEN_MINUTES = 600
AIM = 0.02
SHARE = Scale(words="of a ten-minute run, on top of the peer", unit="%", higher_is_better=False)
SOURCE, TARGET = "digits-0-5", "digits"
CHECKED = (
    ("check-source", SOURCE),
    ("pretrain", SOURCE),
    ("check-target", TARGET),
    ("adapt", TARGET),
    ("evaluate", TARGET),
)
UNCHECKED = (("pretrain", SOURCE), ("adapt", TARGET))
"""All that runs where great-expectations is not installed: evaluate wants the checks."""
PARAMS = f"""\
sources:
  {SOURCE}:
    problem: image-classification
    data: {{path: data/digits/source}}
    backbone:
      config: {{model_type: resnet, num_channels: 1, embedding_size: 16, hidden_sizes: [16, 32], depths: [1, 1],
               layer_type: basic, downsample_in_first_stage: false}}
    pretraining: {{epochs: 2, image_size: 16}}
targets:
  {TARGET}:
    source: {SOURCE}
    problem: image-classification
    data: {{path: data/digits/target, labels_per_class: 5}}
    study: {{strategies: [linear-probe, full], seeds: 2, folds: 2, budget_steps: 20, resamples: 200}}
"""


def comparisons(quick: bool) -> Iterator[Comparison]:
    """Yield the one comparison; it is as small as it can be, quick or not."""
    steps = CHECKED if importlib.util.find_spec("great_expectations") else UNCHECKED
    torch.set_num_threads(1)  # as the programs do for so small a network; the result says so
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        project.mkdir()
        (project / "params.yaml").write_text(PARAMS)
        build_bundled("digits", project)
        yield Comparison(
            title=f"{len(steps)} steps and what they call",
            data="the bundled example digits, 12 trials and 6 final models of 20 steps",
            work=1,
            unit="runs",
            ours=Runner("graft, one process for each step", lambda: run_programs(project, steps)),
            peers=(
                Runner("bare script", lambda: run_script(project), AIM),
                Runner("the steps in one process", lambda: run_script(project, *map("@".join, steps)), AIM),
            ),
            guard=guard_weights,
            scale=SHARE,
            read=share_of_ten_minutes,
            notes=explain,
        )


def share_of_ten_minutes(ours: float, peer: float) -> float:
    """Return what ours takes longer, as a share of ten minutes."""
    return (ours - peer) / TEN_MINUTES


def run_programs(project: Path, steps: Sequence[tuple[str, str]]) -> Round:
    """Run each step as a program; return the digests of the final weights, CPU seconds, and each step's seconds."""
    with _copy(project) as folder:
        before, seconds = _cpu_seconds(), {}
        for step, name in steps:
            started = time.perf_counter()
            _python(folder, "graft.steps", step, name)
            seconds[step] = time.perf_counter() - started
        return {"weights": _digests(folder), "cpu": _cpu_seconds() - before, "steps": seconds}


def run_script(project: Path, *steps: str) -> Round:
    """Run the bare script, or some steps in one process; return the digests of the final weights and CPU seconds."""
    with _copy(project) as folder:
        before = _cpu_seconds()
        _python(folder, "bench.bare", *steps)
        return {"weights": _digests(folder), "cpu": _cpu_seconds() - before}


def guard_weights(rounds: Sequence[Round]) -> Guard:
    """Return whether everybody ended in the same weights in every round."""
    found = [weights for one in rounds for output in one.values() for weights in [output["weights"]]]
    same = sum(weights == found[0] for weights in found)
    files = len(found[0])
    return Guard(
        name="sha256 of the final weights equal",
        found=f"{same} of {len(found)} runs, {files} models each",
        holds=same == len(found) and files > 0,
    )


def explain(rounds: Sequence[Round]) -> dict[str, str]:
    """Return the time of each program, and that of the processor: what others on the machine do not lengthen."""
    cpu = {name: median(one[name]["cpu"] for one in rounds) for name in rounds[0]}
    taken = [output["steps"] for one in rounds for output in one.values() if "steps" in output]
    ours, *peers = cpu.values()
    shares = [f"{100 * share_of_ten_minutes(ours, peer):.1f} %" for peer in peers]
    return {
        "seconds of each program": ", ".join(f"{step} {median(one[step] for one in taken):.1f}" for step in taken[0]),
        "CPU seconds": ", ".join(f"{name} {seconds:.1f}" for name, seconds in cpu.items()),
        "by CPU seconds": f"{' and '.join(shares)} of a ten-minute run, on cores that nobody else uses",
    }


@contextmanager
def _copy(project: Path) -> Iterator[Path]:
    """Yield a fresh copy of a project, gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder) / "project"
        shutil.copytree(project, copied)
        yield copied


def _python(folder: Path, *module: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "GRAFT_DEVICE": "cpu"}
    done = subprocess.run(
        [sys.executable, "-m", *module], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"python -m {' '.join(module)} ended with {done.returncode}:\n{done.stderr}")


def _cpu_seconds() -> float:
    """Return the processor time of every child that has ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _digests(folder: Path) -> dict[str, str]:
    found = sorted((folder / "runs").rglob("model.safetensors"))
    return {path.relative_to(folder).as_posix(): sha256(path) for path in found}
