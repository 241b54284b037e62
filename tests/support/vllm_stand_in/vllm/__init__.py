"""A stand-in for vLLM: what the worker uses of its interface, over plain transformers.

It is no test of vLLM itself: arguments have vLLM's names and meanings, results its shapes.
"""

import os
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

__version__ = "0.0"


@dataclass
class SamplingParams:
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    seed: int | None = None
    stop: list[str] | None = None
    stop_token_ids: list[int] | None = None
    max_tokens: int | None = 16
    prompt_logprobs: int | None = None
    detokenize: bool = True


@dataclass
class Logprob:
    logprob: float
    rank: int


@dataclass
class Completion:
    token_ids: list[int]


@dataclass
class RequestOutput:
    outputs: list[Completion]
    prompt_logprobs: list[dict[int, Logprob] | None] | None = None


@dataclass
class LLM:
    model: str
    tokenizer: str
    revision: str | None = None
    dtype: str = "auto"
    max_model_len: int | None = None
    seed: int = 0
    trust_remote_code: bool = False
    load_format: str = "auto"
    enable_lora: bool = False
    max_lora_rank: int = 16
    max_loras: int = 1
    gpu_memory_utilization: float = 0.9
    known: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        print("noise on stdout, as libraries make it")
        self.plain = self._loaded()
        self.text = AutoTokenizer.from_pretrained(self.tokenizer)

    def _loaded(self) -> Any:
        kind = getattr(torch, self.dtype)
        return AutoModelForCausalLM.from_pretrained(self.model, dtype=kind).eval()

    def _with(self, adapter: Any) -> Any:
        if adapter is None:
            return self.plain
        assert self.enable_lora
        if adapter.lora_path not in self.known:
            from peft import PeftModel

            made = PeftModel.from_pretrained(self._loaded(), adapter.lora_path)
            ranks = {one.r for one in made.peft_config.values()}
            assert max(ranks) <= self.max_lora_rank
            self.known[adapter.lora_path] = made.eval()
        return self.known[adapter.lora_path]

    def generate(
        self, prompts: Any, sampling_params: Any, use_tqdm: bool = True, lora_request: Any = None
    ) -> list[RequestOutput]:
        if "DIE" in os.environ:
            raise SystemExit("EngineDeadError: the engine core died of a test")
        model = self._with(lora_request)
        many = isinstance(sampling_params, list)
        every = sampling_params if many else [sampling_params] * len(prompts)
        rows = [prompt["prompt_token_ids"] for prompt in prompts]
        return [self._one(model, row, how) for row, how in zip(rows, every, strict=True)]

    @torch.no_grad()
    def _one(self, model: Any, row: list[int], how: SamplingParams) -> RequestOutput:
        if len(row) + 1 > self.max_model_len:
            raise ValueError(f"The prompt (length {len(row)}) is longer than the model's length")
        asked = None if how.prompt_logprobs is None else self._logprobs(model, row)
        new: list[int] = []
        while len(new) < how.max_tokens:
            new.append(int(model(torch.tensor([row + new])).logits[0, -1].argmax()))
            text = self.text.decode(new) if how.stop else ""
            if new[-1] in (how.stop_token_ids or ()) or any(s in text for s in how.stop or ()):
                break
        return RequestOutput([Completion(new)], asked)

    def _logprobs(self, model: Any, row: list[int]) -> list[dict[int, Logprob] | None]:
        """Of every token of the prompt, and of the likeliest at its place; none for the first."""
        logits = model(torch.tensor([row])).logits[0].float().log_softmax(-1)
        found: list[dict[int, Logprob] | None] = [None]
        for place, token in enumerate(row[1:]):
            here = logits[place]
            shown = {int(here.argmax()): 1, token: int((here > here[token]).sum()) + 1}
            found.append({one: Logprob(float(here[one]), rank) for one, rank in shown.items()})
        return found
