"""Pretrain the micro Llama: next-token loss on the answers of the pretraining mix."""

import math
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import torch
from torch.nn import functional

from harness.data.micro.catalogue import pretraining_rows
from harness.data.micro.tokenizer import encode

STEPS = 2000
BATCH = 64
MICRO_BATCH = 32
PEAK_RATE = 3e-3
WARMUP = 100

Encoded = tuple[list[int], list[int]]


SIZES = {
    "hidden_size": 128,
    "intermediate_size": 336,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": True,
}


def micro_llama(vocabulary: int, bos: int, eos: int, sizes: Mapping[str, Any] = SIZES) -> Any:
    """A Llama with weights drawn from seed 0; sizes: keys of transformers' LlamaConfig."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocabulary,
        bos_token_id=bos,
        eos_token_id=eos,
        pad_token_id=None,
        dtype="float32",
        **sizes,
    )
    return LlamaForCausalLM(config)


def answer_loss(model: Any, batch: list[Encoded]) -> tuple[torch.Tensor, int]:
    """Summed cross entropy of the answer tokens, and how many there are.

    Padding is on the right, so causal attention never reaches it and no mask is needed.
    """
    length = max(len(prompt) + len(answer) for prompt, answer in batch)
    ids = torch.zeros(len(batch), length, dtype=torch.long)
    predicts = torch.zeros(len(batch), length, dtype=torch.bool)
    for i, (prompt, answer) in enumerate(batch):
        ids[i, : len(prompt) + len(answer)] = torch.tensor(prompt + answer)
        predicts[i, len(prompt) - 1 : len(prompt) + len(answer) - 1] = True
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[predicts]
    targets = ids.roll(-1, dims=1)[predicts]
    loss = functional.cross_entropy(model.lm_head(hidden), targets, reduction="sum")
    return loss, len(targets)


def batches(tokenizer: Any, seed: str) -> Iterator[list[Encoded]]:
    rows = pretraining_rows(seed)
    while True:
        yield [encode(tokenizer, item) for item in islice(rows, BATCH)]


def rate_at(step: int, steps: int) -> float:
    """Linear warm-up, then a cosine to a tenth of the peak."""
    warmup = min(WARMUP, max(1, steps // 10))
    if step < warmup:
        return PEAK_RATE * (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return PEAK_RATE * (0.1 + 0.45 * (1 + math.cos(math.pi * done)))


def train_step(model: Any, optimizer: torch.optim.Optimizer, batch: list[Encoded]) -> float:
    """One step over micro-batches of similar length, normalised by the step's answer tokens."""
    batch = sorted(batch, key=lambda item: len(item[0]) + len(item[1]))
    tokens = sum(len(answer) for _, answer in batch)
    total = 0.0
    for start in range(0, len(batch), MICRO_BATCH):
        loss, _ = answer_loss(model, batch[start : start + MICRO_BATCH])
        (loss / tokens).backward()
        total += loss.item() / tokens
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return total


def pretrain(tokenizer: Any, steps: int = STEPS, report: Any = print) -> tuple[Any, list[float]]:
    """The pretrained model and its loss at every step; `report` gets a line now and then."""
    model = micro_llama(len(tokenizer), tokenizer.bos_token_id, tokenizer.eos_token_id)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.95), weight_decay=0.01)
    losses: list[float] = []
    began = time.monotonic()
    for step, batch in enumerate(islice(batches(tokenizer, "pretraining"), steps)):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, steps)
        losses.append(train_step(model, optimizer, batch))
        if (step + 1) % 100 == 0 or step + 1 == steps:
            left = (time.monotonic() - began) / (step + 1) * (steps - step - 1)
            recent = sum(losses[-100:]) / len(losses[-100:])
            report(f"  step {step + 1}/{steps}  loss {recent:.3f}  {left:.0f} s left")
    model.eval()
    return model, losses
