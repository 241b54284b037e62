"""I-LoRA (arXiv 2402.18865): a slow average d slow + (1 - d) fast; gradients of (CE + CE(memory)) /
2 + weight mean (h_fast - h_slow)^2, where h_fast < h_slow alone if one-sided."""

import random
from dataclasses import dataclass

import torch
from plain import Reference, Run

from harness.data.randomness import derive_seed


@dataclass
class ILoRA(Reference):
    decay: float
    weight: float
    batch: int
    first: int = 0  # layer that is compared; -1: the last alone, on both sides

    def before_task(self, run: Run) -> None:
        self.memory = [row for _, rows in run.earlier for row in rows]
        self.slow = run.copy()
        self.put(run, self.fast if run.earlier else self.slow)

    def put(self, run: Run, weights: dict) -> None:
        with torch.no_grad():
            for name, p in run.params.items():
                p.copy_(weights[name])

    def states(self, run: Run, row: dict) -> torch.Tensor:
        prompt = run.tokenizer(row["prompt"])["input_ids"]
        ids = torch.tensor([prompt + run.logits(row)[1].tolist()])
        found = run.model(ids, output_hidden_states=True).hidden_states
        return torch.stack(found)[self.first :, 0, len(prompt) - 1 : -1]  # [layers, answer, width]

    def edit(self, run: Run, step: int) -> None:
        if not self.memory:
            return
        source = random.Random(derive_seed("i_lora-batch", 0, run.task, step))
        rows, fast = source.sample(self.memory, self.batch), run.copy()
        self.put(run, self.slow)
        slow = [self.states(run, row).detach() for row in rows]
        self.put(run, fast)
        away = torch.cat([self.states(run, r) - h for r, h in zip(rows, slow, strict=True)], 1)
        away = away if self.first else away.clamp_max(0)
        sums, counts = zip(*map(run.nll, rows), strict=True)
        loss = sum(sums) / sum(counts) / 2 + self.weight * away.square().mean()
        for p in run.params.values():
            p.grad /= 2
        loss.backward()  # adds to the gradients

    def after_step(self, run: Run, step: int) -> None:
        d = min(self.decay, 1 - 1 / (step + 2))
        self.slow = {n: d * self.slow[n] + (1 - d) * p for n, p in run.params.items()}

    def after_task(self, run: Run) -> None:
        self.fast = run.copy()
        self.put(run, self.slow)
