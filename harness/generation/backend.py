"""What a backend promises: continuations and likelihoods of token ids; imports no torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

TokenIds = Sequence[int]
# Told after every batch how many more requests are done.
Done = Callable[[int], None]


@dataclass(frozen=True)
class Sampling:
    """How to continue a prompt.

    max_tokens: most new tokens. temperature: 0 = the likeliest token at every step. stop: texts
    after which a row is no longer continued (they may stand in what is returned, with a few tokens
    behind). options: further ones of the backend (top_p and the like). seed: of what is drawn;
    null = draws go on from where the process is.
    """

    max_tokens: int
    temperature: float = 0.0
    stop: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None


class Likelihood(NamedTuple):
    """log_probability: of all tokens of a continuation (natural logarithm, summed). greedy: is each
    of them the likeliest at its place?"""

    log_probability: float
    greedy: bool


class Backend(Protocol):
    """A model that is ready to be asked. context: most tokens of a prompt and its answer.

    One that divides its batches when memory runs out has an attribute `halved` as well: how often
    it did.
    """

    context: int

    def generate(self, prompts: Sequence[TokenIds], how: Sampling, done: Done) -> list[list[int]]:
        """New tokens of every prompt, up to and without the end-of-text token, in their order."""

    def likelihoods(
        self, pairs: Sequence[tuple[TokenIds, TokenIds]], done: Done
    ) -> list[Likelihood]:
        """Of every (context, continuation), in their order; what does not fit into the model's
        context is left out at the beginning."""
