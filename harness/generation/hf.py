"""A causal model of transformers as a backend.

What rows share at their beginning goes through the model once, keys and values have one place from
the start, and rows that have ended leave for others that wait. A model that does not allow for it,
and what is drawn at random, goes through transformers' own `generate`.
"""

import inspect
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from transformers import StoppingCriteriaList

from harness.generation.backend import Done, Likelihood, Sampling, TokenIds
from harness.generation.batches import Limits
from harness.generation.greedy import Greedy
from harness.generation.memory import Batches
from harness.generation.passes import Passes, laid_out
from harness.generation.prefixes import together
from harness.generation.stopping import StopCriterion, StopTexts
from harness.generation.suitable import own_passes, plainly_greedy
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
        self.passes = self._own_passes()
        self._greedy = self.passes is not None and plainly_greedy(model)

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
        plainly = self._greedy and how.temperature == 0 and not how.options
        for answers in (self._flowing if plainly else self._drawn)(prompts, sizes, how):
            for index, answer in answers.items():
                made[index] = answer
            done(len(answers))
        return made

    def _flowing(
        self, prompts: Sequence[TokenIds], sizes: Sequence[int], how: Sampling
    ) -> Iterator[dict[int, list[int]]]:
        """The likeliest tokens, of rows that leave when they have ended for others that wait."""
        stop = StopTexts(self.tokenizer, how.stop)

        def begin(order: list[int], limits: Limits) -> Greedy:
            rows = [prompts[index] for index in order]
            return Greedy(self.passes, rows, how.max_tokens, self.ends, stop, limits)

        return self._batches.flow(together(prompts), sizes, begin)

    def _drawn(
        self, prompts: Sequence[TokenIds], sizes: Sequence[int], how: Sampling
    ) -> Iterator[dict[int, list[int]]]:
        """Tokens as transformers chooses them, batch after batch."""

        def work(batch: list[int]) -> list[list[int]]:
            return self._continued([prompts[index] for index in batch], how)

        for batch, answers in self._batches.run(together(prompts), sizes, work):
            yield dict(zip(batch, answers, strict=True))

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

        for _, answers in self._batches.run(together(rows), list(map(len, rows)), work):
            found |= answers
            done(len(answers))
        return [found[index] for index in range(len(pairs))]

    @torch.no_grad()
    def _answered(
        self, asked: dict[tuple[int, ...], list[tuple[int, TokenIds]]]
    ) -> dict[int, Likelihood]:
        """Likelihoods of the continuations, by their numbers, that end one token behind each
        row."""
        rows = list(asked)
        asked_for = [max(len(text) for _, text in asked[row]) for row in rows]
        layout = laid_out(rows, asked_for) if self.passes else None
        if layout is not None and layout.places:
            kept = max(asked_for)
            logits, _, _ = self.passes.rests(layout, None, kept)
            ends = [kept] * len(rows)
        else:
            logits, ends = self._padded_behind(asked)
        return {
            number: likelihood(logits[row, : ends[row]], text)
            for row, tokens in enumerate(rows)
            for number, text in asked[tokens]
        }

    def _padded_behind(
        self, asked: dict[tuple[int, ...], list[tuple[int, TokenIds]]]
    ) -> tuple[Tensor, list[int]]:
        """Logits, and for each row where its own end. Rows are padded behind their ends, where
        nothing looks, and logits are made only from the first place on that answers for a
        continuation."""
        rows = list(asked)
        width = max(map(len, rows))
        ids = torch.zeros((len(rows), width), dtype=torch.long)
        for row, tokens in enumerate(rows):
            ids[row, : len(tokens)] = torch.tensor(tokens)
        first = min(len(row) - len(text) for row, members in asked.items() for _, text in members)
        kept = {"logits_to_keep": width - first} if self._keeps else {}
        logits = self.model(ids.to(self.model.device), use_cache=False, **kept).logits
        before = width - logits.shape[1]  # places without logits
        return logits, [len(tokens) - before for tokens in rows]

    def _continued(self, prompts: Sequence[TokenIds], how: Sampling) -> list[list[int]]:
        stop = StopTexts(self.tokenizer, how.stop)
        ids, mask = self._padded_left(prompts)
        sampled = {"temperature": how.temperature} if how.temperature > 0 else {}
        stops = [StopCriterion(stop)] if how.stop else []
        with drawing() if sampled else nullcontext():
            made = self.model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=how.max_tokens,
                do_sample=how.temperature > 0,
                stopping_criteria=StoppingCriteriaList(stops),
                pad_token_id=self.eos,
                use_cache=True,
                **self._besides(),
                **sampled,
                **how.options,
            )
        return [self.until_end(row) for row in self._new_tokens(made, ids.shape[1]).tolist()]

    def _own_passes(self) -> Passes | None:
        """Passes over what rows share, where the model allows for it."""
        return own_passes(self.model)

    def _besides(self) -> dict[str, Any]:
        """What else `generate` is told."""
        return {}

    def _new_tokens(self, made: Tensor, width: int) -> Tensor:
        """Of what `generate` gives for prompts of `width` places, what is new."""
        return made[:, width:]

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


def context_length(config: Any) -> int:
    """Most tokens that a model takes, by its configuration."""
    config = getattr(config, "text_config", None) or config
    known = (getattr(config, name, None) for name in CONTEXT_KEYS)
    return next((int(value) for value in known if value is not None), DEFAULT_CONTEXT)


def likelihood(logits: Tensor, continuation: TokenIds) -> Likelihood:
    """Of a continuation. logits: [tokens of the row, vocabulary]; the last ones answer for it. All
    logarithms and sums are in fp32, whatever the model's precision is."""
    chosen = logits[-len(continuation) :].float()
    targets = torch.tensor(continuation, device=logits.device)
    by_token = chosen.log_softmax(-1).gather(1, targets[:, None])
    return Likelihood(float(by_token.sum()), bool((chosen.argmax(-1) == targets).all()))
