"""The small random model of the checks, and rows for it; the same in every process."""

from typing import Any

from harness.data.encoding import Example

VOCABULARY = 512
CONTEXT = 128
EOS = 1


def random_llama() -> Any:
    """A Llama of two layers in fp32 on the CPU; heads of 64, which attention kernels take."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        bos_token_id=0,
        eos_token_id=EOS,
        initializer_range=0.06,  # one token is clearly the likeliest, and rounding stays small
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return LlamaForCausalLM(config).eval()


def prompts() -> list[list[int]]:
    """Token ids of unequal length."""
    return [[(7 * i + 3 * row) % 500 + 2 for i in range(3 + 5 * row)] for row in range(5)]


def examples() -> list[Example]:
    """Rows to train on."""
    return [Example(prompt, prompt[::-1][:4]) for prompt in prompts()]
