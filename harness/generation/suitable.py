"""Can a model's passes be made here, or must transformers make all of them?"""

from typing import Any

import torch

from harness.generation.passes import Passes, laid_out
from harness.models.attention.choice import windows
from harness.models.memory import out_of_memory

ATTENTION = ("sdpa", "eager")  # the ones whose masks are made here
# What a model's own generation settings may say without changing which token is the likeliest.
HARMLESS = {
    "bos_token_id", "eos_token_id", "pad_token_id", "do_sample", "temperature", "top_p", "top_k",
    "max_length", "max_new_tokens", "use_cache", "output_attentions", "output_hidden_states",
    "transformers_version", "_from_model_config",
}  # fmt: skip
# Largest difference of logits between two ways to compute them, as a part of the largest logit.
TOLERANCE = {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}
TRIED = ([5, 6, 7, 8] * 5 + [9, 10], [5, 6, 7, 8] * 5 + [11, 12, 13], [14, 15])


def own_passes(model: Any) -> Passes | None:
    """Passes over shared beginnings with a cache of one's own, where the model gives the same
    logits by them as row by row; else null."""
    try:
        if _sees_all(model) and (passes := Passes(model)) and _agrees(passes):
            return passes
    except Exception as error:  # the code may be anybody's; it takes no masks or caches of ours
        if out_of_memory(error):
            raise
    return None


def plainly_greedy(model: Any) -> bool:
    """Is the next token, by the model's own generation settings, the likeliest one?"""
    return set(model.generation_config.to_diff_dict()) <= HARMLESS


def _sees_all(model: Any) -> bool:
    """Does every layer see all places before, turned by angles that follow from a place alone (and
    not from how long the row is)?"""
    config = model.config.get_text_config()
    rope = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    kinds = [rope, *(kind for kind in rope.values() if isinstance(kind, dict))]
    by_length = any(kind.get("rope_type") in ("dynamic", "longrope") for kind in kinds)
    return config._attn_implementation in ATTENTION and not windows(config) and not by_length


@torch.no_grad()
def _agrees(passes: Passes) -> bool:
    tried = [[token % passes.config.vocab_size for token in row] for row in TRIED]
    layout = laid_out(tried)
    together, cache, seen = passes.rests(layout, 1, 1)
    more = torch.tensor([[5]] * len(tried), device=passes.device)
    positions = torch.tensor([[len(row)] for row in tried], device=passes.device)
    mask = torch.cat([seen, seen.new_ones((len(tried), 1))], 1)[:, None, None]
    after = passes.forward(more, mask, positions, cache, 1)
    for row, tokens in enumerate(tried):
        alone = passes.model(torch.tensor([[*tokens, 5]], device=passes.device)).logits[0]
        bound = TOLERANCE[alone.dtype] * float(alone.abs().max())
        for ours, theirs in ((together[row, -1], alone[-2]), (after[row, -1], alone[-1])):
            if not float((ours - theirs).abs().max()) <= bound:
                return False
    return True
