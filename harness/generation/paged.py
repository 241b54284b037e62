"""transformers' continuous batching as a backend: keys and values in pages that rows share, and a
row that ends makes room for the next one.

It runs on GPUs and, slower than `hf`, on CPUs. What is asked in one call is scheduled from the same
state in the same order, so that answers repeat; no graphs are recorded on the GPU, since a chunk of
requests would not win back what the recording costs.
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from transformers import ContinuousBatchingConfig, GenerationConfig

from harness.errors import StageFailed, first_line
from harness.generation.backend import Done, Likelihood, Sampling, TokenIds
from harness.generation.hf import HuggingFaceBackend

CPU_PAGE = 32  # tokens; the library's own choice for GPUs is 256
CPU_BATCH_TOKENS = 1024  # read in one pass, at least the longest prompt
WAIT_SECONDS = 1.0


class PagedBackend:
    """Generation over a paged cache; likelihoods as `plain` makes them, on the same model.

    rows: that are in work at once on a CPU, where the cache is no larger than they need; on a GPU
    the cache takes the free memory and holds as many rows as fit.
    """

    def __init__(self, plain: HuggingFaceBackend, rows: int) -> None:
        self.plain, self.rows = plain, rows
        self.model, self.context = plain.model, plain.context

    def generate(self, prompts: Sequence[TokenIds], how: Sampling, done: Done) -> list[list[int]]:
        """See Backend. A row goes on behind a stop text, up to its end or `max_tokens`.

        Raises StageFailed for an option that continuous batching does not know, and where
        generation fails.
        """
        if not prompts:
            return []
        manager = self._manager(prompts, how)
        names = manager.add_requests([list(prompt) for prompt in prompts])
        manager.start()  # only now, so that all requests stand in the first schedule
        try:
            made = self._collected(manager, len(names), done)
        finally:
            manager.stop(block=True)
            manager.destroy()
        return [self.plain.until_end(made[name]) for name in names]

    def likelihoods(
        self, pairs: Sequence[tuple[TokenIds, TokenIds]], done: Done
    ) -> list[Likelihood]:
        """See Backend."""
        return self.plain.likelihoods(pairs, done)

    @property
    def halved(self) -> int:
        """How often a batch of likelihoods was halved because memory ran out."""
        return self.plain.halved

    def _manager(self, prompts: Sequence[TokenIds], how: Sampling) -> Any:
        try:
            with torch.no_grad():
                return self.model.init_continuous_batching(
                    generation_config=self._generation(how),
                    continuous_batching_config=self._batching(prompts, how),
                )
        except (TypeError, ValueError, NotImplementedError) as error:
            raise StageFailed(
                f"eval.backend=paged: {first_line(error)}; use eval.backend=hf"
            ) from error

    def _generation(self, how: Sampling) -> GenerationConfig:
        """What `generate` of the same model would be told."""
        made = copy.deepcopy(self.model.generation_config)
        made.max_new_tokens, made.do_sample = how.max_tokens, how.temperature > 0
        made.eos_token_id = sorted(end for end in self.plain.ends if end is not None)
        if how.temperature > 0:
            made.temperature = how.temperature
        unknown = made.update(**how.options)
        if unknown:
            raise ValueError(f"generation has no option {', '.join(sorted(unknown))}")
        return made

    def _batching(self, prompts: Sequence[TokenIds], how: Sampling) -> ContinuousBatchingConfig:
        """Attention stays as the model has it: kernels from the network would change numbers."""
        settings: dict[str, Any] = {
            "auto_switch_to_flash": False,
            "use_cuda_graph": False,
            "use_async_batching": False,
            "drop_unsupported_processors": False,
            "seed": how.seed,
        }
        if self.model.device.type == "cpu":
            longest = max(map(len, prompts))
            rows = min(self.rows, len(prompts))
            pages = -(-(longest + how.max_tokens) // CPU_PAGE) + 1
            settings |= {
                "page_size": CPU_PAGE,
                "num_blocks": rows * pages,
                "max_batch_tokens": max(CPU_BATCH_TOKENS, longest),
                "max_requests_per_batch": rows,
            }
        return ContinuousBatchingConfig(**settings)

    def _collected(self, manager: Any, count: int, done: Done) -> dict[str, list[int]]:
        """New tokens of every request, by its name."""
        made: dict[str, list[int]] = {}
        while len(made) < count:
            result = manager.get_result(timeout=WAIT_SECONDS)
            if result is None:
                if manager.is_running():
                    continue
                told = manager.background_thread_status.fatal_error
                raise StageFailed(f"eval.backend=paged: generation ended early: {told}")
            if result.error is not None:
                raise StageFailed(f"eval.backend=paged: generation failed: {result.error}")
            if result.is_finished():
                made[result.request_id] = list(result.generated_tokens)
                done(1)
        return made
