"""Ask a registered model: images and sounds by path, texts literally or one per line of a .txt file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from graft.errors import BadInput, DataError
from graft.registry.answering import Prediction, answer, compare, with_question, write
from graft.registry.registry import Registry, open_registry

if TYPE_CHECKING:
    import pyarrow as pa

    from graft.problems import Problem
    from graft.problems.sampling import Sampling
    from graft.reading import Medium
    from graft.registry.package import Model, Package


def predict(
    reference: str,
    inputs: Sequence[str],
    registry: Registry | None = None,
    question: str | None = None,
    draw: bool = False,
    sampling: Sampling | None = None,
    beside: str | None = None,
    gallery: Path | None = None,
) -> list[Prediction]:
    """Return one prediction per input, in order; raises BadInput naming every unusable input at once.

    An image or a sound is given by its path. A text is given literally; an argument of one word that ends in `.txt` is
    a file with one text per line, blank lines aside. An input longer than the model reads is cut, and noted. A
    `question` is asked about every text, where the problem is one of questions. With `draw` each answer is also
    drawn into its input, where the problem draws answers. A model that writes goes on with each text, as `sampling`
    says; then a text is taken to the letter and may be empty, and one too long keeps its end. Where inputs are
    compared, each is with the file `beside` it, or with every file of a `gallery`; with neither its embedding is
    returned.
    """
    from graft.reading import MEDIA
    from graft.registry.package import find_problem, load

    package = (registry or open_registry()).package(reference)
    problem = find_problem(package)
    _check_question(problem, question)
    if problem.writes:
        return write(load(package), _prompts(inputs), sampling)
    _check_sampling(problem, sampling)
    _check_others(problem, beside, gallery)
    medium = MEDIA[problem.modality]
    names, table = _files(inputs, medium) if medium.in_files else _texts(inputs, medium)
    if question is not None:
        table = with_question(table, question)
    model = load(package)
    if beside is not None or gallery is not None:
        return [*_comparisons(model, package, names, table, beside, gallery, draw)]
    return answer(model, names, table, range(table.num_rows) if draw else ())


def _comparisons(
    model: Model, package: Package, names: Sequence[str], table: pa.Table, beside: str | None, gallery: Path | None,
    draw: bool,
) -> Iterator[Prediction]:  # fmt: skip
    """Yield what is said of each input beside another one, or beside the most similar ones of a gallery."""
    from graft.reading import MEDIA
    from graft.registry.matching import gallery_files

    medium = MEDIA[model.problem.modality]
    others = [beside] if beside is not None else gallery_files(Path(gallery or ""), medium)
    _, held = _files(others, medium)
    yield from compare(model, package, names, table, others, held, beside is None, draw)


def _check_question(problem: Problem, question: str | None) -> None:
    asks = "question" in problem.columns
    if asks and not (question or "").strip():
        raise BadInput("no question: this model answers questions about texts", advice='Give it: --question "Who ...?"')
    if question is not None and not asks:
        raise BadInput(f"--question: this model is for {problem.name}, which asks none", advice="Leave it out.")


def _check_sampling(problem: Problem, sampling: Sampling | None) -> None:
    if sampling is not None and not problem.writes:
        raise BadInput(f"how to draw a text: this model is for {problem.name}, which writes none")


def _check_others(problem: Problem, beside: str | None, gallery: Path | None) -> None:
    given = [option for option, value in (("--with", beside), ("--gallery", gallery)) if value is not None]
    if given and not problem.compares:
        raise BadInput(f"{given[0]}: this model is for {problem.name}, which compares nothing", advice="Leave it out.")
    if len(given) > 1:
        raise BadInput("--with and --gallery: one of them, not both")


def _files(inputs: Sequence[str], medium: Medium) -> tuple[list[str], pa.Table]:
    contents, problems = [], []
    for name in inputs:
        path = Path(name)
        try:
            contents.append(path.read_bytes())
        except IsADirectoryError:
            problems.append(f"{name!r}: a folder, expected {medium.noun} file")
            continue
        except (FileNotFoundError, NotADirectoryError):
            problems.append(f"{name!r}: no such file")
            continue
        except OSError as error:
            problems.append(f"{name!r}: {error.strerror}")
            continue
        try:
            medium.open({"bytes": contents[-1], "path": name})
        except DataError as error:
            problems.append(str(error))
    _refuse(problems, inputs, f"{medium.nouns} by the paths of their files")
    return list(inputs), medium.table(contents)


def _prompts(inputs: Sequence[str]) -> list[str]:
    """Return prompts to the letter: white space at the end is asked for, and nothing begins a text."""
    prompts, problems = [], []
    for given in inputs:
        found, problem = _lines(Path(given)) if _is_list(given) else ([given], "")
        prompts += found
        problems += [problem] if problem else []
    _refuse(problems, inputs, "the beginnings of texts, or .txt files with one a line")
    return prompts


def _is_list(given: str) -> bool:
    return given.endswith(".txt") and len(given.split()) == 1


def _texts(inputs: Sequence[str], medium: Medium) -> tuple[list[str], pa.Table]:
    texts, problems = [], []
    for position, given in enumerate(inputs, start=1):
        if _is_list(given):
            found, problem = _lines(Path(given))
        else:
            found, problem = [given.strip()], "" if given.strip() else f"text {position}: empty"
        texts += found
        problems += [problem] if problem else []
    _refuse(problems, inputs, "texts, or .txt files with one text per line")
    return texts, medium.table(texts)


def _lines(path: Path) -> tuple[list[str], str]:
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").split("\n") if line.strip()]
    except UnicodeDecodeError as error:
        return [], f"{path}: not UTF-8 text (byte {error.start})"
    except OSError as error:
        return [], f"{path}: {error.strerror}"
    return lines, "" if lines else f"{path}: holds no text"


def _refuse(problems: Sequence[str], inputs: Sequence[str], expected: str) -> None:
    if not inputs:
        raise BadInput("nothing to predict", advice=f"Expected {expected}.")
    if problems:
        raise BadInput(f"{len(problems)} of {len(inputs)} inputs cannot be used", problems, f"Expected {expected}.")
