"""lm-eval's Hugging Face model, encoding prompts with the format that training uses."""

from typing import Any

import torch
from lm_eval.models.huggingface import HFLM
from torch import Tensor

from harness.data.encoding import PromptFormat


class HarnessLM(HFLM):
    """HFLM on a loaded model whose prompt ids equal the training ids, token for token.

    `prompt_limit` bounds the prompts of generations and is set before each benchmark. Stock HFLM
    decides about the BOS of a whole batch by its first string and cuts prompts without keeping the
    BOS; both would make generation see other ids than training.
    """

    def __init__(self, model: Any, prompts: PromptFormat, batch_size: int) -> None:
        super().__init__(pretrained=model, tokenizer=prompts.tokenizer, batch_size=batch_size)
        self.prompts = prompts
        self.start_counting(None)

    def start_counting(self, prompt_limit: int | None) -> None:
        """Before a benchmark: bound its generations' prompts, and count requests from 0."""
        self.prompt_limit = prompt_limit
        self._requests = self._cut = 0

    def counted(self) -> dict[str, float]:
        """Requests since `start_counting` (a choice of an item is one), and the share whose prompt
        was cut on the left to fit."""
        share = self._cut / self._requests if self._requests else 0.0
        return {"requests": self._requests, "truncated_prompts": share}

    @property
    def eot_token_id(self) -> int:
        """The EOS that training teaches."""
        return self.prompts.eos_token_id

    def tok_encode(
        self,
        string: str,
        add_special_tokens: bool | None = None,
        left_truncate_len: int | None = None,
        **kwargs: Any,
    ) -> list[int]:
        """Ids of a whole text; with add_special_tokens=False, without BOS. The prompt limit does
        not apply: lm-eval tells context and continuation of a likelihood apart by their lengths."""
        if add_special_tokens is False:
            return super().tok_encode(string, False, left_truncate_len, **kwargs)
        return self.prompts.text_ids(string)

    def tok_batch_encode(
        self,
        strings: list[str],
        padding_side: str = "left",
        left_truncate_len: int | None = None,
        truncation: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Prompts as [rows, width] ids and mask, padded on the left with EOS under the mask."""
        limits = [limit for limit in (self.prompt_limit, left_truncate_len) if limit is not None]
        limit = min(limits, default=None)
        whole = [self.prompts.prompt_ids(string) for string in strings]
        fits = [limit is None or len(ids) <= limit for ids in whole]
        self._requests += len(fits)
        self._cut += fits.count(False)
        rows = [
            ids if fit else self.prompts.prompt_ids(string, limit)
            for string, ids, fit in zip(strings, whole, fits, strict=True)
        ]
        width = max(len(row) for row in rows)
        ids = torch.full((len(rows), width), self.prompts.eos_token_id)
        mask = torch.zeros_like(ids)
        for index, row in enumerate(rows):
            place = slice(width - len(row), width) if padding_side == "left" else slice(len(row))
            ids[index, place] = torch.tensor(row)
            mask[index, place] = 1
        return ids, mask

    def _loglikelihood_tokens(
        self, requests: list[tuple[Any, list[int], list[int]]], *args: Any, **kwargs: Any
    ) -> list[tuple[float, bool]]:
        """Likelihoods; lm-eval keeps the last tokens of context and continuation that fit."""
        lengths = [len(context) + len(continuation) for _, context, continuation in requests]
        self._requests += len(lengths)
        self._cut += sum(length > self.max_length + 1 for length in lengths)
        return super()._loglikelihood_tokens(requests, *args, **kwargs)

    def _model_generate(
        self, context: Tensor, max_length: int, stop: list[str], **kwargs: Any
    ) -> Tensor:
        """Generate; the EOS string is no stop text, since generation ends at the EOS id itself
        (matching text would decode every step of every row)."""
        eos = self.tok_decode(self.eot_token_id, skip_special_tokens=False)
        texts = [text for text in stop if text != eos]
        return super()._model_generate(context, max_length, texts, **kwargs)
