"""Which backend answers: `eval.backend`, made for one model, and how much it is asked at once."""

from pathlib import Path

from harness.config import EvalBackend, EvalConfig, HarnessConfig
from harness.data.encoding import PromptFormat, Seq2seqFormat
from harness.generation.backend import Backend
from harness.generation.batches import Limits


def chunk_tokens(rules: EvalConfig) -> int:
    """Tokens of the batches that chunks are made of. Continuous batching has all rows of a chunk in
    work, and a chunk that is a batch of `hf` would leave most of a GPU idle."""
    batches = rules.backend is EvalBackend.hf
    return rules.batch_tokens if batches else max(rules.batch_tokens, rules.tokens_in_flight)


def backend_of(
    config: HarnessConfig, source: Path | str, prompts: PromptFormat, device: str
) -> Backend:
    """The model of a folder or hub id, ready to be asked on a device ('cpu', 'cuda:0').

    Raises StageFailed where the model's files, or vLLM's process, do not do what they should.
    """
    if config.eval.backend is EvalBackend.vllm:
        from harness.generation.vllm.backend import vllm_backend

        return vllm_backend(config, source, prompts, device)
    from harness.generation.hf import HuggingFaceBackend
    from harness.models.adapters.stages import load_stage

    model = load_stage(config.model, source, config.engine.precision.value, device)
    limits = Limits(config.eval.batch_size, config.eval.batch_tokens)
    if isinstance(prompts, Seq2seqFormat):
        from harness.generation.seq2seq import Seq2seqBackend

        return Seq2seqBackend(model.eval(), prompts, limits)
    plain = HuggingFaceBackend(model.eval(), prompts.tokenizer, prompts.eos_token_id, limits)
    if config.eval.backend is EvalBackend.hf:
        return plain
    from harness.generation.paged import PagedBackend

    return PagedBackend(plain, config.eval.batch_size)
