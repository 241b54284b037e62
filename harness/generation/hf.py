"""A causal model of transformers as a backend: batches of similar length, nothing cleverer."""

import inspect
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from transformers import StoppingCriteria, StoppingCriteriaList

from harness.generation.backend import Done, Likelihood, Sampling, TokenIds
from harness.generation.batches import Limits, longest_first
from harness.generation.memory import Batches
from harness.models.determinism import drawing

CONTEXT_KEYS = ("n_positions", "max_position_embeddings", "n_ctx")
DEFAULT_CONTEXT = 2048


class HuggingFaceBackend:
    """A loaded model on its device, in evaluation mode.

    tokenizer: turns tokens back into text where stop texts are looked for. eos: pads prompts under
    the mask, and ends a continuation beside the model's own end-of-text ids. limits: of what goes
    through the model together; a batch that memory does not hold is halved.
    """

    def __init__(self, model: Any, tokenizer: Any, eos: int, limits: Limits) -> None:
        self.model, self.tokenizer = model, tokenizer
        self._batches = Batches(limits)
        self.context = context_length(model.config)
        self.eos = eos
        own = model.generation_config.eos_token_id
        self.ends = {eos, *(own if isinstance(own, list) else [own])}
        self._keeps = "logits_to_keep" in inspect.signature(model.forward).parameters

    @property
    def halved(self) -> int:
        """How often a batch was halved because memory ran out."""
        return self._batches.halved

    def generate(self, prompts: Sequence[TokenIds], how: Sampling, done: Done) -> list[list[int]]:
        """See Backend. With a seed, what is drawn repeats where the batches do."""
        if how.seed is not None:
            torch.manual_seed(how.seed)
        made: list[list[int]] = [[] for _ in prompts]
        sizes = [len(prompt) + how.max_tokens for prompt in prompts]

        def work(batch: list[int]) -> list[list[int]]:
            return self._continued([prompts[index] for index in batch], how)

        for batch, answers in self._batches.run(longest_first(prompts), sizes, work):
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

        def work(batch: list[int]) -> dict[int, Likelihood]:
            answers = {
                rows[number]: [(index, pairs[index][1]) for index in asked[rows[number]]]
                for number in batch
            }
            return self._answered(answers)

        for _, answers in self._batches.run(longest_first(rows), list(map(len, rows)), work):
            found |= answers
            done(len(answers))
        return [found[index] for index in range(len(pairs))]

    @torch.no_grad()
    def _answered(
        self, asked: dict[tuple[int, ...], list[tuple[int, TokenIds]]]
    ) -> dict[int, Likelihood]:
        """Likelihoods of the continuations, by their numbers, that end one token behind each row.

        Rows are padded behind their ends, where nothing looks, and logits are made only from the
        first place on that answers for a continuation.
        """
        rows = list(asked)
        width = max(map(len, rows))
        ids = torch.zeros((len(rows), width), dtype=torch.long)
        for row, tokens in enumerate(rows):
            ids[row, : len(tokens)] = torch.tensor(tokens)
        first = min(len(row) - len(text) for row, members in asked.items() for _, text in members)
        kept = {"logits_to_keep": width - first} if self._keeps else {}
        logits = self.model(ids.to(self.model.device), use_cache=False, **kept).logits
        before = width - logits.shape[1]  # places without logits
        return {
            number: _likelihood(logits[row, : len(tokens) - before], text)
            for row, tokens in enumerate(rows)
            for number, text in asked[tokens]
        }

    def _continued(self, prompts: Sequence[TokenIds], how: Sampling) -> list[list[int]]:
        ids, mask = self._padded_left(prompts)
        sampled = {"temperature": how.temperature} if how.temperature > 0 else {}
        stops = [StopTexts(self.tokenizer, how.stop)] if how.stop else []
        with drawing() if sampled else nullcontext():
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
    """logits: [tokens of the row, vocabulary]; the last ones answer for the continuation. All
    logarithms and sums are in fp32, whatever the model's precision is."""
    chosen = logits[-len(continuation) :].float()
    targets = torch.tensor(continuation, device=logits.device)
    by_token = chosen.log_softmax(-1).gather(1, targets[:, None])
    return Likelihood(float(by_token.sum()), bool((chosen.argmax(-1) == targets).all()))
