"""An encoder-decoder of transformers as a backend.

What the encoder reads goes through it once: of a generation transformers' own `generate` keeps it,
and continuations of one prompt share it here.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache, EncoderDecoderCache

from harness.data.encoding import Seq2seqFormat
from harness.generation.backend import Done, Likelihood, TokenIds
from harness.generation.batches import Limits
from harness.generation.hf import HuggingFaceBackend, likelihood
from harness.generation.prefixes import together
from harness.store.pulse import beat

# A row of the decoder: what the encoder reads, and what the decoder has read before the last token
# that is asked for.
Seen = tuple[tuple[int, ...], tuple[int, ...]]


class Seq2seqBackend(HuggingFaceBackend):
    """As the backend of causal models. Prompt and answer have `context` tokens each, and only
    prompts are cut to it."""

    def __init__(self, model: Any, prompts: Seq2seqFormat, limits: Limits) -> None:
        super().__init__(model, prompts.tokenizer, prompts.eos_token_id, limits)
        self._start = prompts.start

    def likelihoods(
        self, pairs: Sequence[tuple[TokenIds, TokenIds]], done: Done
    ) -> list[Likelihood]:
        """See Backend. Pairs that differ in their last token alone share one pass of the decoder,
        those of one prompt that go through together one of the encoder."""
        asked: dict[Seen, list[int]] = {}
        for index, (context, continuation) in enumerate(pairs):
            seen = (tuple(context[-self.context :]), tuple(continuation[:-1]))
            asked.setdefault(seen, []).append(index)
        rows = list(asked)
        found: dict[int, Likelihood] = {}

        def work(batch: list[int]) -> dict[int, Likelihood]:
            logits = self._decoded([rows[number] for number in batch])
            return {
                index: likelihood(one[: len(pairs[index][1])], pairs[index][1])
                for number, one in zip(batch, logits, strict=True)
                for index in asked[rows[number]]
            }

        order = together([[*prompt, *answer] for prompt, answer in rows])
        sizes = [len(prompt) + len(answer) + 1 for prompt, answer in rows]
        for _, answers in self._batches.run(order, sizes, work):
            found |= answers
            done(len(answers))
        return [found[index] for index in range(len(pairs))]

    @torch.no_grad()
    def _decoded(self, rows: Sequence[Seen]) -> Tensor:
        """Logits [rows, longest, vocabulary]: those at place j are of token j of an answer."""
        prompts = list(dict.fromkeys(prompt for prompt, _ in rows))
        ids, mask = self._padded_left(prompts)
        beat()
        states = self.model.get_encoder()(input_ids=ids, attention_mask=mask)[0]
        of = torch.tensor([prompts.index(prompt) for prompt, _ in rows], device=states.device)
        width = max(len(answer) for _, answer in rows) + 1
        read = torch.full((len(rows), width), self._start)
        for row, (_, answer) in enumerate(rows):
            read[row, 1 : len(answer) + 1] = torch.tensor(answer, dtype=torch.long)
        return self.model(
            encoder_outputs=(states[of],),
            attention_mask=mask[of],
            decoder_input_ids=read.to(self.model.device),
            use_cache=False,
        ).logits

    def _own_passes(self) -> None:
        """None: rows that begin alike share nothing in an encoder, which sees all of them."""

    def _besides(self) -> dict[str, Any]:
        """See above. The cache is empty: transformers' own has as many layers as the encoder."""
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        return {"past_key_values": cache, "decoder_start_token_id": self._start}

    def _new_tokens(self, made: Tensor, width: int) -> Tensor:
        """Of what `generate` gives: all behind the start."""
        return made[:, 1:]
