"""Text generation: predict each next token of a text (Radford et al. 2019, section 2), and write one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graft.problems.examples import Examples, Truths
from graft.problems.language_modelling import IGNORED, LanguageModelling
from graft.problems.problem import Batch, Said
from graft.problems.sampling import Sampling, Written, continue_text
from graft.problems.tokens import cut_texts, pack_texts, pad

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch

ROUNDING = 1e-4  # share of a text's nats by which another machine may differ


class TextGeneration(LanguageModelling):
    """Texts in, every next token out.

    A row is a text, and its end. It is predicted from itself alone, so that what a row earns does not depend on the
    rows beside it. Only in pretraining, where no row is graded, are texts packed.
    """

    name = "text-generation"
    auto_model = "AutoModelForCausalLM"
    pretrains_only = False
    keeps_head = True
    in_order = True
    writes = True

    def encode(self, table: pa.Table, processor: Any) -> Examples:
        """Return windows of token ids, each of one text; the truths are the bytes of the texts. See `cut_texts`."""
        return cut_texts(table, processor)

    def stream(self, table: pa.Table, processor: Any) -> Examples:
        """Return blocks of token ids, which are no rows of the table: see `pack_texts`."""
        return pack_texts(table, processor)

    def collate(
        self, examples: Examples, rows: Sequence[int], processor: Any, generator: torch.Generator, training: bool
    ) -> Batch:
        """Return `input_ids`, `attention_mask` and `labels`, (items, longest) each: the label is the next token."""
        import torch

        batch = pad(examples, rows, processor)
        following, real = (torch.roll(batch[name], -1, dims=1) for name in ("input_ids", "attention_mask"))
        real[:, -1] = 0  # nothing follows the last token of an item: the next one begins with it
        batch["labels"] = torch.where(real.bool(), following, IGNORED)
        return batch

    def join(self, answers: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return nats and tokens of whole texts, the sums over their windows."""
        import numpy as np

        total = np.zeros((int(rows[-1]) + 1, answers.shape[1]), dtype=np.float64)
        np.add.at(total, rows, answers)
        return total.astype(np.float32)

    def same(self, one: np.ndarray, other: np.ndarray) -> bool:
        """Say whether nats and tokens of a text are the same: a long text has many nats, and each is rounded."""
        import numpy as np

        return one.shape == other.shape and bool(np.allclose(one, other, rtol=ROUNDING, atol=ROUNDING))

    def measure(self, answers: np.ndarray, truths: Truths) -> dict[str, float]:
        """Return the perplexity of a token, and the bits of a byte (Gao et al. 2020, section 3.1).

        The second compares language models of different tokenizers; it is known where the bytes of the texts are.
        """
        import numpy as np

        nats, tokens = answers.astype(np.float64).sum(axis=0)
        with np.errstate(over="ignore"):  # what is infinite is said so
            found = {"perplexity": float(np.exp(nats / max(tokens, 1)))}
        return found if truths is None else found | {"bits_per_byte": float(nats / np.log(2) / max(sum(truths), 1))}

    def tell(self, answers: np.ndarray, truths: Truths) -> list[Said]:
        """Return how long each text is, and how many equally likely tokens it is as hard to guess among."""
        import numpy as np

        return [
            Said(f"{tokens:.0f} tokens", f"perplexity {np.exp(nats / max(tokens, 1)):,.0f}")
            for nats, tokens in answers.astype(np.float64)
        ]

    def write(self, network: Any, processor: Any, prompts: Sequence[str], sampling: Sampling) -> list[Written]:
        """Return a continuation of each prompt, drawn with the same seed: its company changes nothing."""
        return [continue_text(network, processor, prompt, sampling) for prompt in prompts]
