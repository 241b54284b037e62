"""Training in plain PyTorch: whole examples one by one, whole logits, no harness code but the
definition of which rows a step sees."""

import json
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from harness.data.order import batch_indices

EPS = (
    1e-6  # as the runs under test; at 1e-8 AdamW turns rounding of tiny gradients into whole steps
)
Rows = list[dict[str, str]]
Weights = dict[str, torch.Tensor]


def read(data: Path, task: str) -> Rows:
    return json.loads((data / task / "train.json").read_text())


def train(
    folder: Path, stages: list[tuple[str, Rows]], steps: int, batch: int, rate: float
) -> list[Weights]:
    """Full training with seed 0 on each (task, rows) in turn: weights after each task."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return _train(model, folder, stages, steps, batch, rate)


class Lora(torch.nn.Module):
    """y = W x + (alpha / r) B A x with W frozen (arXiv 2106.09685, eq. 3)."""

    def __init__(self, linear: torch.nn.Linear, a: torch.Tensor, alpha: float) -> None:
        super().__init__()
        self.linear = linear
        self.lora_A = torch.nn.Parameter(a.clone())
        self.lora_B = torch.nn.Parameter(torch.zeros(linear.out_features, a.shape[0]))
        self.scale = alpha / a.shape[0]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) + self.scale * (x @ self.lora_A.T) @ self.lora_B.T


def train_lora(
    folder: Path,
    stages: list[tuple[str, Rows]],
    steps: int,
    batch: int,
    rate: float,
    first_a: Weights,
    alpha: float,
) -> list[Weights]:
    """The same with one adapter on the modules that `first_a` names (initial A of each)."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for name, a in first_a.items():
        parent, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(parent), leaf, Lora(model.get_submodule(name), a, alpha))
    return _train(model, folder, stages, steps, batch, rate)


def _train(
    model: torch.nn.Module,
    folder: Path,
    stages: list[tuple[str, Rows]],
    steps: int,
    batch: int,
    rate: float,
) -> list[Weights]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    trainable = [p for p in model.parameters() if p.requires_grad]
    model.train()
    after = []
    for task, rows in stages:
        optimizer = torch.optim.AdamW(
            trainable, lr=rate, betas=(0.9, 0.95), eps=EPS, weight_decay=0.0
        )
        for step in range(steps):
            chosen = [rows[i] for i in batch_indices(0, task, step, len(rows), batch)]
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
            torch.nn.utils.clip_grad_norm_(trainable, 1.0)
            optimizer.step()
        named = model.named_parameters()
        after.append({name: p.detach().clone() for name, p in named if p.requires_grad})
    return after
