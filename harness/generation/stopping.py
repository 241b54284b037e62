"""Texts after which a row of new tokens is no longer continued."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import StoppingCriteria

UNFINISHED = "\N{REPLACEMENT CHARACTER}"  # a token that is part of a letter


class StopTexts:
    """Sees which rows have said one of the texts. A row is turned into text only when its last
    token can have ended one, since it holds the text's last letter."""

    def __init__(self, tokenizer: Any, texts: Sequence[str]) -> None:
        self.tokenizer, self.texts = tokenizer, texts
        # A token stands for a byte at least: a text that ends in a row's last token lies in these,
        # with one before them, since a decoder may drop the space that leads what it is given.
        self.width = max((len(text.encode()) for text in texts), default=0) + 1
        self.last = {text[-1] for text in texts}
        self._can_end = dict[int, bool]()

    def __call__(self, made: Sequence[list[int]]) -> list[bool]:
        """Of rows of new tokens, of which the last was not there before."""
        asked = [row for row, tokens in enumerate(made) if self._may_end(tokens)]
        ended = {row for row in asked if self._holds(made[row][-self.width :])}
        return [row in ended for row in range(len(made))]

    def _may_end(self, tokens: list[int]) -> bool:
        if not self.texts or not tokens:
            return False
        token = tokens[-1]
        if token not in self._can_end:
            text = self.tokenizer.decode([token])
            plain = bool(text) and UNFINISHED not in text and not any(map(str.isspace, self.last))
            self._can_end[token] = not plain or any(letter in text for letter in self.last)
        return self._can_end[token]

    def _holds(self, tokens: list[int]) -> bool:
        text = self.tokenizer.decode(tokens)
        return any(stop in text for stop in self.texts)


class StopCriterion(StoppingCriteria):
    """The same for transformers' `generate`."""

    def __init__(self, stop: StopTexts) -> None:
        self.stop = stop
        self.prompt: int | None = None

    def __call__(self, input_ids: Tensor, scores: Tensor, **options: Any) -> Tensor:
        """Which rows end, [rows]."""
        if self.prompt is None:
            self.prompt = input_ids.shape[1] - 1  # asked for the first time after one new token
        return torch.tensor(
            self.stop(input_ids[:, self.prompt :].tolist()), device=input_ids.device
        )
