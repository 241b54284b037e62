"""A causal model of transformers as a backend: batches of similar length, nothing cleverer."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import StoppingCriteria, StoppingCriteriaList

from harness.generation.backend import Done, Likelihood, Sampling, TokenIds
from harness.generation.batches import longest_first

CONTEXT_KEYS = ("n_positions", "max_position_embeddings", "n_ctx")
DEFAULT_CONTEXT = 2048


class HuggingFaceBackend:
    """A loaded model on its device, in evaluation mode.

    tokenizer: turns tokens back into text where stop texts are looked for. eos: pads prompts under
    the mask, and ends a continuation beside the model's own end-of-text ids. batch_size: rows that
    go through the model together.
    """

    def __init__(self, model: Any, tokenizer: Any, eos: int, batch_size: int) -> None:
        self.model, self.tokenizer, self.batch_size = model, tokenizer, batch_size
        self.context = context_length(model.config)
        self.eos = eos
        own = model.generation_config.eos_token_id
        self.ends = {eos, *(own if isinstance(own, list) else [own])}

    def generate(self, prompts: Sequence[TokenIds], how: Sampling, done: Done) -> list[list[int]]:
        """See Backend. Sampling is reproducible where batches and the random state are."""
        made: list[list[int]] = [[] for _ in prompts]
        for batch in longest_first(prompts, self.batch_size):
            answers = self._continued([prompts[index] for index in batch], how)
            for index, answer in zip(batch, answers, strict=True):
                made[index] = answer
            done(len(batch))
        return made

    def likelihoods(
        self, pairs: Sequence[tuple[TokenIds, TokenIds]], done: Done
    ) -> list[Likelihood]:
        """See Backend. Pairs that differ in their last token alone share one pass."""
        asked: dict[tuple[int, ...], list[int]] = {}
        for index, (context, continuation) in enumerate(pairs):
            seen = [*context, *continuation][-(self.context + 1) : -1]
            asked.setdefault(tuple(seen), []).append(index)
        rows = list(asked)
        found: dict[int, Likelihood] = {}
        for batch in longest_first(rows, self.batch_size):
            logits = self._logits([rows[number] for number in batch])
            for number, row in zip(batch, logits, strict=True):
                members = asked[rows[number]]
                for index in members:
                    found[index] = _likelihood(row[: len(rows[number])], pairs[index][1])
                done(len(members))
        return [found[index] for index in range(len(pairs))]

    def _continued(self, prompts: Sequence[TokenIds], how: Sampling) -> list[list[int]]:
        ids, mask = self._padded_left(prompts)
        sampled = {"temperature": how.temperature} if how.temperature > 0 else {}
        stops = [StopTexts(self.tokenizer, how.stop)] if how.stop else []
        made = self.model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=how.max_tokens,
            do_sample=how.temperature > 0,
            stopping_criteria=StoppingCriteriaList(stops),
            pad_token_id=self.eos,
            use_cache=True,
            **sampled,
            **how.options,
        )
        return [self.until_end(row) for row in made[:, ids.shape[1] :].tolist()]

    def until_end(self, row: list[int]) -> list[int]:
        """The tokens before the first that ends a text."""
        end = next((place for place, token in enumerate(row) if token in self.ends), len(row))
        return row[:end]

    def _padded_left(self, prompts: Sequence[TokenIds]) -> tuple[Tensor, Tensor]:
        """Ids and mask, each [rows, width]."""
        width = max(len(prompt) for prompt in prompts)
        ids = torch.full((len(prompts), width), self.eos)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            ids[row, width - len(prompt) :] = torch.tensor(prompt)
            mask[row, width - len(prompt) :] = 1
        return ids.to(self.model.device), mask.to(self.model.device)

    @torch.no_grad()
    def _logits(self, rows: Sequence[TokenIds]) -> Tensor:
        """[rows, width, vocabulary]; rows are padded behind their ends, where nothing looks."""
        ids = torch.zeros((len(rows), max(map(len, rows))), dtype=torch.long)
        for row, tokens in enumerate(rows):
            ids[row, : len(tokens)] = torch.tensor(tokens)
        return self.model(ids.to(self.model.device)).logits


class StopTexts(StoppingCriteria):
    """Ends a row as soon as one of the texts stands in it."""

    def __init__(self, tokenizer: Any, texts: Sequence[str]) -> None:
        self.tokenizer, self.texts = tokenizer, texts
        # A token stands for a byte at least: a text that ends in a row's last token lies in these,
        # with one before them, since a decoder may drop the space that leads what it is given.
        self.width = max(len(text.encode()) for text in texts) + 1
        self.prompt: int | None = None

    def __call__(self, input_ids: Tensor, scores: Tensor, **options: Any) -> Tensor:
        """Which rows end, [rows]."""
        if self.prompt is None:
            self.prompt = input_ids.shape[1] - 1  # asked for the first time after one new token
        new = input_ids[:, max(self.prompt, input_ids.shape[1] - self.width) :]
        texts = self.tokenizer.batch_decode(new)
        ended = [any(stop in text for stop in self.texts) for text in texts]
        return torch.tensor(ended, device=input_ids.device)


def context_length(config: Any) -> int:
    """Most tokens that a model takes, by its configuration."""
    config = getattr(config, "text_config", None) or config
    known = (getattr(config, name, None) for name in CONTEXT_KEYS)
    return next((int(value) for value in known if value is not None), DEFAULT_CONTEXT)


def _likelihood(logits: Tensor, continuation: TokenIds) -> Likelihood:
    """logits: [tokens of the row, vocabulary]; the last ones answer for the continuation."""
    chosen = logits[-len(continuation) :].float()
    targets = torch.tensor(continuation, device=logits.device)
    by_token = chosen.log_softmax(-1).gather(1, targets[:, None])
    return Likelihood(float(by_token.sum()), bool((chosen.argmax(-1) == targets).all()))
