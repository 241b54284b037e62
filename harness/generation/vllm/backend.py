"""vLLM as a backend: token ids go to a worker that stays alive from stage to stage."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.config import HarnessConfig, ModelConfig, Precision
from harness.data.encoding import PromptFormat
from harness.generation.backend import Done, Likelihood, Sampling, TokenIds
from harness.generation.hf import context_length
from harness.generation.vllm.process import NeedsRestart, VllmProcess
from harness.models.folders import ADAPTER_CONFIG, is_adapter

DTYPES = {Precision.fp32: "float32", Precision.bf16: "bfloat16"}
# (python, device) -> the worker of this process for it.
_RUNNING: dict[tuple[str, str], VllmProcess] = {}


@dataclass(frozen=True)
class Loading:
    """What a worker loads: a folder or hub id and, of a stage that is an adapter, its folder and
    rank on top. context: most tokens of prompt and answer. code: run the model's own."""

    model: str
    revision: str | None
    adapter: str | None
    rank: int
    dtype: str
    context: int
    seed: int
    code: bool


class VllmBackend:
    """A model in a worker. ends: ids that end a text."""

    def __init__(self, process: VllmProcess, context: int, ends: set[int]) -> None:
        self.process, self.context, self.ends = process, context, ends

    def generate(self, prompts: Sequence[TokenIds], how: Sampling, done: Done) -> list[list[int]]:
        """See Backend. Raises StageFailed where vLLM fails or does not know an option."""
        if not prompts:
            return []
        sampling = {
            **how.options,
            "max_tokens": how.max_tokens,
            "temperature": how.temperature,
            "stop": list(how.stop),
            "stop_token_ids": sorted(self.ends),
            "seed": how.seed,
        }
        asked = [list(prompt) for prompt in prompts]
        made = self.process.ask("generate", prompts=asked, sampling=sampling)
        done(len(made))
        return [self._until_end(row) for row in made]

    def likelihoods(
        self, pairs: Sequence[tuple[TokenIds, TokenIds]], done: Done
    ) -> list[Likelihood]:
        """See Backend. vLLM always generates a token behind what it reads, so that rows longer than
        the context are read from two tokens later on than by transformers."""
        if not pairs:
            return []
        rows = [[*context, *text][-(self.context - 1) :] for context, text in pairs]
        counts = [len(text) for _, text in pairs]
        found = self.process.ask("likelihoods", rows=rows, counts=counts)
        done(len(found))
        return [Likelihood(float(value), bool(greedy)) for value, greedy in found]

    def _until_end(self, row: list[int]) -> list[int]:
        end = next((place for place, token in enumerate(row) if token in self.ends), len(row))
        return row[:end]


def vllm_backend(
    config: HarnessConfig, source: Path | str, prompts: PromptFormat, device: str
) -> VllmBackend:
    """The worker of this process for a device with a model loaded; the one before goes on where it
    can: an adapter is swapped, other weights take a new worker.

    Raises StageFailed where the worker does not start or load.
    """
    base = config.model.path if is_adapter(source) else str(source)
    context, ends = _described(config.model, base)
    wanted = Loading(
        model=_absolute(base),
        revision=config.model.revision if base == config.model.path else None,
        adapter=_absolute(str(source)) if is_adapter(source) else None,
        rank=_rank(Path(source)) if is_adapter(source) else 0,
        dtype=DTYPES[config.engine.precision],
        context=context,
        seed=config.seed,
        code=config.model.trust_remote_code,
    )
    process = loaded(str(config.eval.vllm_python), device, wanted)
    return VllmBackend(process, context, ends | {prompts.eos_token_id})


def loaded(python: str, device: str, wanted: Loading) -> VllmProcess:
    """The worker for a device, with what is wanted loaded."""
    running = _RUNNING.get((python, device))
    if running is not None and running.alive():
        try:
            running.ask("load", **vars(wanted))
            return running
        except NeedsRestart:
            running.stop()
    _RUNNING[python, device] = fresh = VllmProcess(python, device)
    fresh.ask("load", **vars(wanted))
    return fresh


def _described(model: ModelConfig, base: str) -> tuple[int, set[int]]:
    """The context of a model and the ids that end its texts, as transformers takes them."""
    from transformers import AutoConfig, GenerationConfig

    revision = {"revision": model.revision} if base == model.path and model.revision else {}
    described = AutoConfig.from_pretrained(
        base, trust_remote_code=model.trust_remote_code, **revision
    )
    try:
        generation: Any = GenerationConfig.from_pretrained(base, **revision)
    except OSError:
        generation = described
    own = getattr(generation, "eos_token_id", None)
    ends = own if isinstance(own, list) else [own]
    return context_length(described), {end for end in ends if end is not None}


def _rank(folder: Path) -> int:
    return int(json.loads((folder / ADAPTER_CONFIG).read_text())["r"])


def _absolute(place: str) -> str:
    """A folder's whole path; the name of a model of the hub as it is."""
    return str(Path(place).resolve()) if Path(place).is_dir() else place
