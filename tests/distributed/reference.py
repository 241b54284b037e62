"""Sequential fine-tuning in plain PyTorch: whole examples one by one, whole logits, no harness
code but the definition of which rows a step sees."""

import json
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from harness.data.order import batch_indices


def train(
    model_folder: Path, data: Path, tasks: list[str], steps: int, batch: int, rate: float, seed: int
) -> list[dict[str, torch.Tensor]]:
    """Weights after each task."""
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    model.train()
    after = []
    for task in tasks:
        rows = json.loads((data / task / "train.json").read_text())
        optimizer = torch.optim.AdamW(
            model.parameters(), lr=rate, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.0
        )
        for step in range(steps):
            chosen = [rows[i] for i in batch_indices(seed, task, step, len(rows), batch)]
            total, count = torch.zeros(()), 0
            for row in chosen:
                prompt = tokenizer(row["prompt"])["input_ids"]
                answer = tokenizer(row["answer"], add_special_tokens=False)["input_ids"]
                answer = [*answer, tokenizer.eos_token_id]
                logits = model(torch.tensor([prompt + answer])).logits[0]
                scores = logits[len(prompt) - 1 : -1].log_softmax(-1)
                total = total - scores[torch.arange(len(answer)), torch.tensor(answer)].sum()
                count += len(answer)
            optimizer.zero_grad()
            (total / count).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        after.append({name: p.detach().clone() for name, p in model.named_parameters()})
    return after
