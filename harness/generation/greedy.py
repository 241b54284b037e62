"""The likeliest token after token, of many rows at once; rows that have ended leave the batch."""

from collections.abc import Collection, Sequence
from typing import Protocol

import torch

from harness.generation.backend import TokenIds
from harness.generation.passes import Passes, keep_rows, laid_out

LEAVE = 0.25  # of a batch has ended: the rest moves together, which costs about one step


class Stop(Protocol):
    """Which rows have said enough."""

    def __call__(self, made: Sequence[list[int]]) -> list[bool]:
        """Of rows of new tokens, the last of which is new to it."""


@torch.no_grad()
def continued(
    passes: Passes, prompts: Sequence[TokenIds], most: int, ends: Collection[int], stop: Stop
) -> list[list[int]]:
    """At most `most` new tokens of every prompt, without the one of `ends` that ended it."""
    layout = laid_out(prompts)
    made: list[list[int]] = [[] for _ in prompts]
    logits, cache, seen = passes.rests(layout, most - 1, 1)
    here = list(range(len(prompts)))  # the prompt of every row of the batch
    running = set(here)
    seen = torch.cat([seen, seen.new_ones((len(prompts), most))], 1)
    padded = not bool(seen.all())
    positions = torch.tensor([len(prompt) for prompt in prompts], device=passes.device)
    places = layout.places + layout.width
    for step in range(most):
        tokens = logits[:, -1].argmax(-1)
        _note(tokens.tolist(), here, running, made, ends, stop)
        if not running or step == most - 1:
            break
        if len(running) <= (1 - LEAVE) * len(here):
            rows = torch.tensor(
                [row for row, prompt in enumerate(here) if prompt in running], device=passes.device
            )
            keep_rows(cache, rows)
            here = [here[row] for row in rows.tolist()]
            tokens, seen, positions = tokens[rows], seen[rows], positions[rows]
        places += 1
        mask = seen[:, None, None, :places] if padded else None
        logits = passes.forward(tokens[:, None], mask, positions[:, None], cache, 1)
        positions = positions + 1
    return made


def _note(
    tokens: Sequence[int],
    here: Sequence[int],
    running: set[int],
    made: Sequence[list[int]],
    ends: Collection[int],
    stop: Stop,
) -> None:
    """Add the new tokens to what runs, and see what has ended."""
    for token, prompt in zip(tokens, here, strict=True):
        if prompt in running:
            if token in ends:
                running.remove(prompt)
            else:
                made[prompt].append(token)
    asked = sorted(running)
    for prompt, ended in zip(asked, stop([made[prompt] for prompt in asked]), strict=True):
        if ended:
            running.remove(prompt)
