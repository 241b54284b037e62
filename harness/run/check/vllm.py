"""Does the vLLM of another python answer as transformers do? A helper process (`store.helper`)."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.data.micro import MODEL
from harness.generation.backend import Sampling
from harness.generation.batches import Limits
from harness.generation.hf import HuggingFaceBackend
from harness.generation.vllm.backend import Loading, VllmBackend, loaded
from harness.models.folders import TOKENIZER_FILES
from harness.run.check.model import CONTEXT, EOS, prompts, random_llama
from harness.run.check.report import Wrong, found
from harness.store.helper import answer

NEW_TOKENS = 8
TOLERANCE = {"float32": 1e-3, "bfloat16": 0.1}  # of a token's log-probability


def findings(request: dict[str, Any]) -> list[dict[str, Any]]:
    """What works, for a request {python, device: 'cpu' | 'cuda:0'}."""
    with tempfile.TemporaryDirectory(prefix="harness-check-") as folder:
        model = random_llama()
        model.save_pretrained(folder)
        for name in TOKENIZER_FILES:
            if (MODEL / name).is_file():
                shutil.copy(MODEL / name, Path(folder) / name)
        site = _Site(request["python"], request["device"], folder, model)
        return [vars(finding) for finding in found(site.checks())]


class _Site:
    """A worker with the model, once it started, and the same model here."""

    def __init__(self, python: str, device: str, folder: str, model: Any) -> None:
        self.python, self.device, self.folder, self.model = python, device, folder, model
        self.dtype = "float32" if device == "cpu" else "bfloat16"

    def checks(self) -> dict[str, Callable[[], str]]:
        return {
            "vllm starts": self._starts,
            "likelihoods": self._likelihoods,
            "determinism": self._alike,
        }

    def _starts(self) -> str:
        wanted = Loading(self.folder, None, None, 0, self.dtype, CONTEXT, 0, False)
        self.served = VllmBackend(loaded(self.python, self.device, wanted), CONTEXT, {EOS})
        return f"{self.dtype} on {self.device}"

    def _likelihoods(self) -> str:
        import torch

        here = self.model.to(self.device, getattr(torch, self.dtype))
        plain = HuggingFaceBackend(here, None, EOS, Limits(1, CONTEXT))
        pairs = [(prompt[:-2], prompt[-2:]) for prompt in prompts()]
        mine = self.served.likelihoods(pairs, _silent)
        other = plain.likelihoods(pairs, _silent)
        off = max(
            abs(a.log_probability - b.log_probability) / 2 for a, b in zip(mine, other, strict=True)
        )
        if not off <= TOLERANCE[self.dtype]:
            raise Wrong(f"a token's log-probability is off by {off:.2g} from transformers'")
        return f"within {off:.1g} of transformers"

    def _alike(self) -> str:
        first, second = (
            self.served.generate(prompts(), Sampling(NEW_TOKENS), _silent) for _ in range(2)
        )
        if first != second:
            raise Wrong("the same prompts get different answers when asked again")
        return "the same prompts get the same answers again"


def _silent(count: int) -> None:
    """Nobody watches."""


if __name__ == "__main__":
    answer(findings)
